//! Forms by hand (RFC 6940 section 11.3, RFC 2388).

use proptest::prelude::*;
use reload_enroll::{EnrollmentForm, FormError, MAX_FORM_SIZE};

const CSR: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

/// The full form, byte by byte.
const FULL: &str = "--reload-enroll-0000000000000000\r\n\
    Content-Disposition: form-data; name=\"username\"\r\n\r\n\
    alice@example.org\r\n\
    --reload-enroll-0000000000000000\r\n\
    Content-Disposition: form-data; name=\"password\"\r\n\r\n\
    pass wörd\r\n\
    --reload-enroll-0000000000000000\r\n\
    Content-Disposition: form-data; name=\"nodeids\"\r\n\r\n\
    3\r\n\
    --reload-enroll-0000000000000000\r\n\
    Content-Disposition: form-data; name=\"device\"\r\n\r\n\
    phone\r\n\
    --reload-enroll-0000000000000000\r\n\
    Content-Disposition: form-data; name=\"csr\"\r\n\
    Content-Type: application/pkcs10\r\n\r\n\
    0\u{3}\u{2}\u{1}\u{5}\r\n\
    --reload-enroll-0000000000000000--\r\n";
const TYPE: &str = "multipart/form-data; boundary=reload-enroll-0000000000000000";

fn full() -> EnrollmentForm {
    EnrollmentForm {
        csr: CSR.to_vec(),
        username: Some("alice@example.org".into()),
        password: Some("pass wörd".into()),
        nodeids: 3,
        device: Some("phone".into()),
    }
}

/// A foreign form with one field more than the CSR given.
fn foreign(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, value) in fields {
        body.extend_from_slice(b"--XX\r\n");
        body.extend_from_slice(headers.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--");
    body
}

fn read(fields: &[(&str, &[u8])]) -> Result<EnrollmentForm, FormError> {
    EnrollmentForm::decode("multipart/form-data; boundary=XX", &foreign(fields))
}

const CSR_HEADERS: &str = "Content-Disposition: form-data; name=\"csr\"; filename=\"a.csr\"\r\nContent-Type: application/pkcs10";

// R6940-11.3-05, R6940-11.3-06, R6940-11.3-08, R6940-11.3-09
#[test]
fn full_form_has_these_bytes() {
    let encoded = full().encode();
    assert_eq!(encoded.content_type, TYPE);
    assert_eq!(String::from_utf8(encoded.body).unwrap(), FULL);
    assert_eq!(EnrollmentForm::decode(TYPE, FULL.as_bytes()).unwrap(), full());
}

#[test]
fn one_node_id_sends_no_nodeids_field() {
    let body = EnrollmentForm::new(CSR.to_vec()).encode().body;
    assert!(!String::from_utf8(body).unwrap().contains("nodeids"));
    assert_eq!(read(&[(CSR_HEADERS, CSR)]).unwrap(), EnrollmentForm::new(CSR.to_vec()));
}

#[test]
fn csr_comes_as_der_pem_or_base64() {
    let pem = b"junk before\r\n-----BEGIN CERTIFICATE REQUEST-----\r\nMAMC\r\nAQU=\r\n-----END CERTIFICATE REQUEST-----\r\n";
    assert_eq!(read(&[(CSR_HEADERS, pem)]).unwrap().csr, CSR);
    assert_eq!(read(&[(CSR_HEADERS, b"MAMCAQU=\r\n")]).unwrap().csr, CSR);
    let headers = format!("{CSR_HEADERS}\r\nContent-Transfer-Encoding: base64");
    assert_eq!(read(&[(&headers, b"MAMCAQU=")]).unwrap().csr, CSR);
}

#[test]
fn binary_csr_survives_line_ends_and_dashes_inside() {
    let csr = b"0\r\n--X\r\n--\0\xff\r\n".to_vec();
    assert_eq!(read(&[(CSR_HEADERS, &csr)]).unwrap().csr, csr);
}

#[test]
fn unreadable_fields_are_refused() {
    assert_eq!(read(&[]), Err(FormError::NoCsr));
    assert_eq!(read(&[(CSR_HEADERS, b"\xff\xfe")]), Err(FormError::Field("csr")));
    assert_eq!(read(&[(CSR_HEADERS, b"no base64!")]), Err(FormError::Field("csr")));
    assert_eq!(read(&[(CSR_HEADERS, b"YWxpY2U=")]), Err(FormError::Field("csr")), "no DER");
    assert_eq!(read(&[(CSR_HEADERS, CSR), (CSR_HEADERS, CSR)]), Err(FormError::Repeated("csr")));
    let name = "Content-Disposition: form-data; name=\"username\"";
    assert_eq!(read(&[(CSR_HEADERS, CSR), (name, b"\xff")]), Err(FormError::Field("username")));
    let long = [b'a'; 1025];
    assert_eq!(read(&[(CSR_HEADERS, CSR), (name, &long)]), Err(FormError::Field("username")));
    let number = "Content-Disposition: form-data; name=nodeids";
    for value in [&b"-1"[..], b"many", b"", b"4294967296"] {
        assert_eq!(read(&[(CSR_HEADERS, CSR), (number, value)]), Err(FormError::Field("nodeids")));
    }
}

#[test]
fn a_form_over_the_limit_is_refused_whole() {
    let csr = vec![0x30; MAX_FORM_SIZE];
    assert_eq!(read(&[(CSR_HEADERS, &csr)]), Err(FormError::TooLarge));
}

#[test]
fn debug_does_not_show_the_password() {
    assert!(!format!("{:?} {:?}", full(), full().encode()).contains("wörd"));
}

proptest! {
    #[test]
    fn every_form_is_read_back(
        csr in proptest::collection::vec(any::<u8>(), 0..200),
        username in proptest::option::of(".{0,40}"),
        password in proptest::option::of(".{0,40}"),
        nodeids in any::<u32>(),
        device in proptest::option::of(".{1,20}"),
    ) {
        let mut der = vec![0x30];
        der.extend(csr);
        let form = EnrollmentForm { csr: der, username, password, nodeids, device };
        let encoded = form.encode();
        prop_assert_eq!(EnrollmentForm::decode(&encoded.content_type, &encoded.body).unwrap(), form);
    }

    #[test]
    fn no_bytes_make_it_panic(kind in ".{0,60}", body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = EnrollmentForm::decode(&kind, &body);
        let _ = EnrollmentForm::decode("multipart/form-data; boundary=--", &body);
    }

    #[test]
    fn no_damaged_form_makes_it_panic(at in 0..FULL.len(), byte in any::<u8>()) {
        let mut body = FULL.as_bytes().to_vec();
        body[at] = byte;
        let _ = EnrollmentForm::decode(TYPE, &body);
    }
}
