//! The openssl command as a foreign judge of what we write. Without it: `skipped: no openssl`, or
//! a failure with RELOAD_TEST_TOOLS=require.

use crate::fixture::{OVERLAY, ca, key, node_id, text, year};
use reload_identity::{Algorithm, KeyPair, SigningRequest, certificates_to_pem};
use std::path::Path;
use std::process::{Command, Output};

fn openssl(arguments: &[&str], folder: &Path) -> Option<Output> {
    match Command::new("openssl").args(arguments).current_dir(folder).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
            assert!(!required, "openssl is required: {error}");
            println!("skipped: no openssl");
            None
        }
    }
}

fn text_of(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn openssl_verifies_our_certificates_and_finds_only_our_names() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, key) = (ca("CA"), key());
    let ids = [node_id(1), node_id(2)];
    let der = ca
        .node_certificate(key.spki(), OVERLAY, &ids, Some("alice@vectors.example"), year())
        .unwrap();
    let https = ca.server_certificate(key.spki(), &["localhost", "127.0.0.1"], year()).unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.certificate_pem()).unwrap();
    std::fs::write(folder.path().join("node.pem"), certificates_to_pem([&der])).unwrap();
    std::fs::write(folder.path().join("https.pem"), certificates_to_pem([&https])).unwrap();
    let verify = |more: &[&str]| {
        let base = ["verify", "-x509_strict", "-attime", "1800000000", "-CAfile", "ca.pem"];
        openssl(&[&base[..], more].concat(), folder.path())
    };
    let Some(output) = verify(&["node.pem"]) else { return };
    assert!(output.status.success(), "{}", text_of(&output));
    let https = verify(&["-purpose", "sslserver", "-verify_hostname", "localhost", "https.pem"]);
    let https = https.unwrap();
    assert!(https.status.success(), "{}", text_of(&https));

    let shown = openssl(&["x509", "-in", "node.pem", "-noout", "-text"], folder.path()).unwrap();
    let shown = text_of(&shown);
    let names = "X509v3 Subject Alternative Name: critical\n                \
        URI:reload://011001010101010101010101010101010101@vectors.example/, \
        URI:reload://011002020202020202020202020202020202@vectors.example/, \
        email:alice@vectors.example\n";
    assert!(shown.contains(names), "{shown}");
    assert!(shown.contains("Subject: \n"), "{shown}");
    assert!(shown.contains("CA:FALSE"), "{shown}");
}

#[test]
fn openssl_verifies_our_requests_and_self_signed_certificates() {
    let folder = tempfile::tempdir().unwrap();
    for key in [key(), KeyPair::from_pem(&text("rsa.key.pem")).unwrap()] {
        std::fs::write(folder.path().join("r.der"), key.csr("alice@vectors.example").unwrap())
            .unwrap();
        let arguments = ["req", "-inform", "DER", "-in", "r.der", "-verify", "-noout", "-text"];
        let Some(output) = openssl(&arguments, folder.path()) else { return };
        let shown = text_of(&output);
        assert!(output.status.success() && shown.contains("verify OK"), "{shown}");
        assert!(shown.contains("email:alice@vectors.example"), "{shown}");
        let digest = reload_config::SelfSignedDigest::Sha256;
        let length = reload_wire::NodeIdLength::DEFAULT;
        let own = key.self_signed_certificate(OVERLAY, None, digest, 1, length, year()).unwrap();
        std::fs::write(folder.path().join("own.pem"), certificates_to_pem([&own])).unwrap();
        let arguments =
            ["verify", "-attime", "1800000000", "-check_ss_sig", "-CAfile", "own.pem", "own.pem"];
        let output = openssl(&arguments, folder.path()).unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
    }
}

// R6940-6.3.4-12
#[test]
fn openssl_verifies_our_signatures() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input"), b"some bytes").unwrap();
    for key in [key(), KeyPair::generate(Algorithm::Rsa2048).unwrap()] {
        std::fs::write(folder.path().join("value"), key.sign(b"some bytes").unwrap()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.to_pem()).unwrap();
        let arguments = ["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"];
        let Some(output) = openssl(&arguments, folder.path()) else { return };
        assert!(output.status.success(), "{}", text_of(&output));
        let arguments =
            ["dgst", "-sha256", "-verify", "public.pem", "-signature", "value", "input"];
        let output = openssl(&arguments, folder.path()).unwrap();
        assert!(text_of(&output).contains("Verified OK"), "{}", text_of(&output));
    }
}

#[test]
fn hostile_requests_of_openssl_are_read_for_key_and_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nCN=evil\n\
        emailAddress=mail@vectors.example\n[ext]\nbasicConstraints=critical,CA:TRUE\n\
        certificatePolicies=1.2.3.4\ntlsfeature=status_request\n\
        subjectAltName=URI:reload://0110ffffffffffffffffffffffffffffff00@vectors.example/,DNS:evil\n";
    std::fs::write(folder.path().join("req.cnf"), config).unwrap();
    for algorithm in ["rsa:2048", "ec"] {
        let mut arguments = vec!["req", "-new", "-config", "req.cnf", "-newkey", algorithm];
        if algorithm == "ec" {
            arguments.extend(["-pkeyopt", "ec_paramgen_curve:P-256"]);
        }
        arguments.extend(["-nodes", "-keyout", "key.pem", "-outform", "DER", "-out", "r.der"]);
        let Some(output) = openssl(&arguments, folder.path()) else { return };
        assert!(output.status.success(), "{}", text_of(&output));
        let der = std::fs::read(folder.path().join("r.der")).unwrap();
        let request = SigningRequest::read(&der).unwrap();
        assert_eq!(request.user(), Some("mail@vectors.example"));
        let key = std::fs::read_to_string(folder.path().join("key.pem")).unwrap();
        assert_eq!(request.spki(), KeyPair::from_pem(&key).unwrap().spki());
        let ca = ca("CA");
        let der =
            ca.node_certificate(request.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
        let verified = crate::fixture::trust(&ca).check(&der, &[], crate::fixture::NOW).unwrap();
        assert_eq!((verified.node_ids(), verified.user()), (&[node_id(1)][..], None));
    }
}
