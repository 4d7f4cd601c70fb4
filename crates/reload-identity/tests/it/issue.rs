//! What the authority writes and what it reads of a request: nothing is copied from a CSR.

use crate::fixture::{NOW, OVERLAY, ca, key, node_id, trust, year};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyUsagePurpose, SanType};
use reload_identity::{
    Algorithm, Credentials, CredentialsError, IssueError, Issuer, KeyPair, SigningRequest,
    Validity, certificates_to_pem,
};
use reload_wire::UnixTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};

fn request(change: impl FnOnce(&mut CertificateParams)) -> (rcgen::KeyPair, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    let der = params.serialize_request(&key).unwrap().der().to_vec();
    (key, der)
}

#[test]
fn own_request_asks_for_the_user_name() {
    let key = key();
    let request = SigningRequest::read(&key.csr("alice@vectors.example").unwrap()).unwrap();
    assert_eq!(request.user(), Some("alice@vectors.example"));
    assert_eq!(request.spki(), key.spki());
}

#[test]
fn user_name_is_looked_for_in_san_then_email_then_common_name() {
    let email = DnType::from_oid(&[1, 2, 840, 113_549, 1, 9, 1]);
    let read = |san: bool, mail: bool| {
        let (_, der) = request(|params| {
            params.distinguished_name.push(DnType::CommonName, "common@c");
            if mail {
                params.distinguished_name.push(email.clone(), "mail@c");
            }
            if san {
                params.subject_alt_names = vec![SanType::Rfc822Name("san@c".try_into().unwrap())];
            }
        });
        SigningRequest::read(&der).unwrap().user().map(str::to_owned)
    };
    assert_eq!(read(true, true).as_deref(), Some("san@c"));
    assert_eq!(read(false, true).as_deref(), Some("mail@c"));
    assert_eq!(read(false, false).as_deref(), Some("common@c"));
}

// R6940-11.3-21
#[test]
fn hostile_request_gets_only_what_the_server_gives() {
    let (key, der) = request(|params| {
        params.distinguished_name.push(DnType::CommonName, "evil");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let uri = reload_identity::node_uri(&node_id(0x66), OVERLAY);
        params.subject_alt_names = vec![
            SanType::URI(uri.as_str().try_into().unwrap()),
            SanType::Rfc822Name("root@vectors.example".try_into().unwrap()),
        ];
    });
    let request = SigningRequest::read(&der).unwrap();
    let ca = ca("CA");
    let user = Some("alice@vectors.example");
    let der = ca.node_certificate(request.spki(), OVERLAY, &[node_id(1)], user, year()).unwrap();
    let (_, x509) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(x509.subject().iter().count(), 0, "the subject is empty (11.3)");
    assert!(!x509.is_ca());
    assert!(!x509.key_usage().unwrap().unwrap().value.key_cert_sign());
    let san = x509.subject_alternative_name().unwrap().unwrap();
    assert!(san.critical, "critical since the subject is empty (E18)");
    assert_eq!(san.value.general_names.len(), 2, "one URI, one user name");
    let verified = trust(&ca).check(&der, &[], NOW).unwrap();
    assert_eq!((verified.node_ids(), verified.user()), (&[node_id(1)][..], user));
    let key = KeyPair::from_pem(&key.serialize_pem()).unwrap();
    assert!(Credentials::new(key, verified).is_ok());
}

#[test]
fn request_must_be_signed_by_its_own_key() {
    let der = key().csr("alice@vectors.example").unwrap();
    let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
    for index in 0..4 + parsed.certification_request_info.raw.len() {
        let mut changed = der.clone();
        changed[index] ^= 1;
        assert!(SigningRequest::read(&changed).is_err(), "byte {index}");
    }
    let mut changed = der.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(SigningRequest::read(&changed), Err(IssueError::RequestSignature));
    assert_eq!(SigningRequest::read(b"hello"), Err(IssueError::MalformedRequest));
    let longer = [&der[..], &[0]].concat();
    assert_eq!(SigningRequest::read(&longer), Err(IssueError::MalformedRequest));
}

#[test]
fn request_with_a_key_we_do_not_certify_is_refused() {
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let der = CertificateParams::default().serialize_request(&key).unwrap().der().to_vec();
        assert!(matches!(SigningRequest::read(&der), Err(IssueError::UnsupportedKey(_))));
    }
}

#[test]
fn user_names_that_are_no_mailbox_are_not_certified() {
    let (ca, key) = (ca("CA"), key());
    for user in ["", "alice", "@b", "a@", "a@b@c", "a b@c", "a\0@b", "ä@b"] {
        let made = ca.node_certificate(key.spki(), OVERLAY, &[node_id(1)], Some(user), year());
        assert_eq!(made, Err(IssueError::BadUserName(user.to_owned())));
    }
}

// R6940-13.3-02
#[test]
fn node_ids_must_be_some_and_different_and_validity_not_empty() {
    let (ca, key) = (ca("CA"), key());
    let make = |ids: &[u8], validity| {
        let ids: Vec<_> = ids.iter().map(|byte| node_id(*byte)).collect();
        ca.node_certificate(key.spki(), OVERLAY, &ids, None, validity)
    };
    assert_eq!(make(&[], year()), Err(IssueError::BadNodeIds));
    assert_eq!(make(&[1, 1], year()), Err(IssueError::BadNodeIds));
    let never = Validity { not_before: NOW, not_after: NOW };
    assert_eq!(make(&[1], never), Err(IssueError::BadValidity));
    let endless = Validity { not_before: NOW, not_after: UnixTime(u64::MAX) };
    assert_eq!(make(&[1], endless), Err(IssueError::BadValidity));
}

#[test]
fn serial_numbers_differ() {
    let (ca, key) = (ca("CA"), key());
    let make = || ca.node_certificate(key.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
    let (one, two) = (make(), make());
    let serial = |der| X509Certificate::from_der(der).unwrap().1.raw_serial().to_vec();
    assert_ne!(serial(&one), serial(&two));
}

#[test]
fn authority_comes_back_from_its_files() {
    let ca = ca("CA");
    let again = Issuer::load(&ca.key_pem(), &ca.certificate_pem()).unwrap();
    let key = key();
    let der = again.node_certificate(key.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
    assert!(trust(&ca).check(&der, &[], NOW).is_ok());
    let other = Issuer::load(&key.to_pem(), &ca.certificate_pem()).unwrap_err();
    assert_eq!(other, IssueError::Issuer(CredentialsError::KeyMismatch));
    let no_ca = Issuer::load(&key.to_pem(), &certificates_to_pem([&der])).unwrap_err();
    assert_eq!(no_ca, IssueError::NotAnAuthority);
}

#[test]
fn credentials_of_another_key_or_broken_files_are_refused() {
    let ca = ca("CA");
    let (mine, other) = (key(), key());
    let der = ca.node_certificate(mine.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
    let pem = certificates_to_pem([&der]);
    let load = |key: &str, pem: &str| Credentials::load(key, pem, &trust(&ca), NOW).map(|_| ());
    assert_eq!(load(&mine.to_pem(), &pem), Ok(()));
    assert_eq!(load(&other.to_pem(), &pem), Err(CredentialsError::KeyMismatch));
    assert_eq!(load("", &pem), Err(CredentialsError::NoPem("PRIVATE KEY")));
    assert_eq!(load(&mine.to_pem(), ""), Err(CredentialsError::NoPem("CERTIFICATE")));
}

// R6940-6.3.4-12
#[test]
fn generated_rsa_key_signs_with_rsa_sha256() {
    let key = KeyPair::generate(Algorithm::Rsa2048).unwrap();
    let numbers = key.signature_algorithm();
    assert_eq!((numbers.hash.0, numbers.signature.0), (4, 1));
    let again = KeyPair::from_pem(&key.to_pem()).unwrap();
    assert_eq!(again.spki(), key.spki());
    assert_eq!(again.sign(b"abc").unwrap(), key.sign(b"abc").unwrap());
    assert!(!format!("{key:?}").contains("PRIVATE"));
}
