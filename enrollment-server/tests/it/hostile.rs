//! Certificate requests that ask for what nobody may have: an authority, other Node-IDs, other
//! names. None of it may reach a certificate.

use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SanType,
};
use reload_identity::KeyPair;

use crate::client::{ALICE, form};
use crate::service::Service;

/// Whether the program is there; with RELOAD_TEST_TOOLS=require it has to be.
fn have_openssl() -> bool {
    if Command::new("openssl").arg("version").output().is_ok_and(|done| done.status.success()) {
        return true;
    }
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    assert!(!required, "openssl is required and not there");
    println!("skipped: no openssl");
    false
}

fn openssl(directory: &Path, arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Sends the request and checks that the certificate is a plain one of alice.
async fn assert_plain(service: &Service, csr: Vec<u8>, key: &KeyPair) {
    let answer = service.client.form(&form(csr)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let certificate = service.client.check(&answer.body, key, 1).await.unwrap();
    assert_eq!(certificate.node_ids().len(), 1);
    let (_, x509) = x509_parser::parse_x509_certificate(&answer.body).unwrap();
    assert!(!x509.is_ca());
    assert_eq!(x509.subject().iter().count(), 0);
    let names = x509.subject_alternative_name().unwrap().unwrap().value;
    let names: Vec<String> = names.general_names.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!names.iter().any(|name| name.contains("evil")), "{names:?}");
    assert!(!x509.key_usage().unwrap().unwrap().value.key_cert_sign());
}

#[tokio::test]
async fn nothing_of_an_openssl_request_but_its_key_is_copied() {
    if !have_openssl() {
        return;
    }
    let service = Service::start().await;
    let directory = tempfile::tempdir().unwrap();
    let config = "[req]\ndistinguished_name = dn\nreq_extensions = ext\nprompt = no\n\
        [dn]\nO = evil corp\n\
        [ext]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = keyCertSign\n\
        nsComment = evil\n\
        subjectAltName = URI:reload://deadbeef@evil,DNS:evil.example\n";
    std::fs::write(directory.path().join("req.cnf"), config).unwrap();
    let key = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem"];
    let out = ["-config", "req.cnf", "-outform", "DER", "-out", "csr.der"];
    openssl(directory.path(), &[&key[..], &out].concat());
    let csr = std::fs::read(directory.path().join("csr.der")).unwrap();
    let key = std::fs::read_to_string(directory.path().join("key.pem")).unwrap();
    assert_plain(&service, csr, &KeyPair::from_pem(&key).unwrap()).await;
}

#[tokio::test]
async fn openssl_verifies_the_certificate_by_the_authority() {
    if !have_openssl() {
        return;
    }
    let service = Service::start().await;
    let certificate = service.client.enroll(|_| {}).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("leaf.der"), certificate.der()).unwrap();
    let ca = service.path().join("ca.pem");
    openssl(directory.path(), &["x509", "-inform", "DER", "-in", "leaf.der", "-out", "leaf.pem"]);
    let verify = ["verify", "-x509_strict", "-CAfile", ca.to_str().unwrap(), "leaf.pem"];
    openssl(directory.path(), &verify);
    let web = service.path().join("https-ca.pem");
    let chain = service.path().join("https.pem");
    let host = ["-verify_hostname", "overlay.example.org"];
    let verify = ["verify", "-x509_strict", "-CAfile", web.to_str().unwrap()];
    openssl(directory.path(), &[&verify[..], &host, &[chain.to_str().unwrap()]].concat());
}

/// A request that asks to be an authority with Node-IDs of its choice.
fn greedy(key: &rcgen::KeyPair, names: Vec<SanType>) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "evil");
    params.subject_alt_names = names;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.serialize_request(key).unwrap().der().to_vec()
}

fn mailbox(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

// R6940-11.3-13, R6940-11.3-14, R6940-11.3-20, R6940-13.6.2-01
#[tokio::test]
async fn nothing_of_a_greedy_request_but_its_key_is_copied() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let ours = KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let evil = "reload://0110deadbeefdeadbeefdeadbeefdeadbeef@overlay.example.org/";
    let csr = greedy(&key, vec![uri(evil), mailbox(ALICE), mailbox("bob@evil.example")]);
    let answer = service.client.form(&form(csr.clone())).await;
    assert_plain(&service, csr, &ours).await;
    let certificate = service.client.check(&answer.body, &ours, 1).await.unwrap();
    assert!(!certificate.node_id().to_string().starts_with("deadbeef"));
}

// R6940-11.3-19
#[tokio::test]
async fn a_name_with_a_nul_or_of_another_user_is_not_available() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    for name in ["alice@overlay.example.org\0.evil.example", "bob@overlay.example.org"] {
        let answer = service.client.form(&form(greedy(&key, vec![mailbox(name)]))).await;
        assert_eq!((answer.status, answer.text()), (403, "username_not_available"), "{name:?}");
    }
}

#[tokio::test]
async fn a_common_name_that_is_another_mailbox_is_not_available() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "bob@overlay.example.org");
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    let answer = service.client.form(&form(csr)).await;
    assert_eq!((answer.status, answer.text()), (403, "username_not_available"));
}

#[tokio::test]
async fn a_request_signed_by_another_key_is_bad() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut csr = greedy(&key, vec![mailbox(ALICE)]);
    let last = csr.len() - 1;
    csr[last] ^= 1;
    let answer = service.client.form(&form(csr)).await;
    assert_eq!((answer.status, answer.text()), (403, "bad_CSR"));
}

#[tokio::test]
async fn keys_that_are_too_weak_or_of_another_kind_are_bad() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let answer = service.client.form(&form(greedy(&key, vec![mailbox(ALICE)]))).await;
    assert_eq!((answer.status, answer.text()), (403, "bad_CSR"));
    if !have_openssl() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let key = ["req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "key.pem"];
    let out = ["-subj", "/CN=x", "-outform", "DER", "-out", "csr.der"];
    openssl(directory.path(), &[&key[..], &out].concat());
    let csr = std::fs::read(directory.path().join("csr.der")).unwrap();
    let answer = service.client.form(&form(csr)).await;
    assert_eq!((answer.status, answer.text()), (403, "bad_CSR"));
}

#[tokio::test]
async fn every_cut_of_a_request_is_bad() {
    let service = Service::start().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let csr = greedy(&key, vec![mailbox(ALICE)]);
    for end in (1..csr.len()).step_by(23) {
        let answer = service.client.form(&form(csr[..end].to_vec())).await;
        assert_eq!((answer.status, answer.text()), (403, "bad_CSR"), "{end} bytes");
    }
}
