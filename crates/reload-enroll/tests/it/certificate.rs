//! The checks of a returned certificate (RFC 6940 section 11.3).

use std::time::Duration;

use bytes::Bytes;
use reload_config::Leniency;
use reload_enroll::{CertificateError, ExpectedCertificate, check_certificate};
use reload_identity::{
    Algorithm, Issuer, KeyPair, Trust, TrustSettings, Validity, VerifyError, random_node_id,
};
use reload_wire::{NodeId, NodeIdLength, UnixTime};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const OVERLAY: &str = "overlay.example.org";
const ALICE: &str = "alice@overlay.example.org";

fn day() -> Validity {
    Validity::starting(NOW, Duration::from_secs(86_400))
}

fn key() -> KeyPair {
    KeyPair::generate(Algorithm::EcdsaP256).unwrap()
}

fn issuer() -> Issuer {
    Issuer::create(key(), "root", day()).unwrap()
}

fn trust(root: &Bytes) -> Trust {
    Trust::from_settings(&TrustSettings {
        overlay: OVERLAY,
        node_id_length: NodeIdLength::DEFAULT,
        root_certs: std::slice::from_ref(root),
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    })
    .unwrap()
}

fn node_ids(count: usize) -> Vec<NodeId> {
    (0..count).map(|_| random_node_id(NodeIdLength::DEFAULT).unwrap()).collect()
}

fn expected(key: &KeyPair, nodeids: u32) -> ExpectedCertificate<'_> {
    ExpectedCertificate { public_key: key.spki(), user: Some(ALICE), nodeids }
}

#[test]
fn the_certificate_asked_for_is_taken() {
    let (issuer, key, ids) = (issuer(), key(), node_ids(2));
    let der = issuer.node_certificate(key.spki(), OVERLAY, &ids, Some(ALICE), day()).unwrap();
    let trust = trust(issuer.certificate_der());
    let taken = check_certificate(&der, &trust, &expected(&key, 2), NOW).unwrap();
    assert_eq!(taken.node_ids(), ids);
}

// R6940-11.3-25
#[test]
fn a_certificate_of_another_authority_is_refused() {
    let (evil, key) = (issuer(), key());
    let der = evil.node_certificate(key.spki(), OVERLAY, &node_ids(1), Some(ALICE), day()).unwrap();
    let trust = trust(issuer().certificate_der());
    let error = check_certificate(&der, &trust, &expected(&key, 1), NOW).unwrap_err();
    assert!(matches!(error, CertificateError::Chain(_)), "{error}");
}

#[test]
fn the_certificate_of_an_authority_is_no_node() {
    let issuer = issuer();
    let (der, key) = (issuer.certificate_der(), key());
    let error = check_certificate(der, &trust(der), &expected(&key, 1), NOW).unwrap_err();
    assert!(matches!(error, CertificateError::Chain(VerifyError::IsAuthority)), "{error}");
}

#[test]
fn a_certificate_for_another_key_is_refused() {
    let issuer = issuer();
    let ids = node_ids(1);
    let der = issuer.node_certificate(key().spki(), OVERLAY, &ids, Some(ALICE), day()).unwrap();
    let trust = trust(issuer.certificate_der());
    let error = check_certificate(&der, &trust, &expected(&key(), 1), NOW).unwrap_err();
    assert!(matches!(error, CertificateError::OtherKey), "{error}");
}

#[test]
fn fewer_node_ids_than_asked_for_are_refused() {
    let (issuer, key, ids) = (issuer(), key(), node_ids(1));
    let der = issuer.node_certificate(key.spki(), OVERLAY, &ids, Some(ALICE), day()).unwrap();
    let trust = trust(issuer.certificate_der());
    let error = check_certificate(&der, &trust, &expected(&key, 2), NOW).unwrap_err();
    let found = matches!(error, CertificateError::TooFewNodeIds { found: 1, expected: 2 });
    assert!(found, "{error}");
}

#[test]
fn another_user_name_or_none_is_refused() {
    let (issuer, key, ids) = (issuer(), key(), node_ids(1));
    let trust = trust(issuer.certificate_der());
    for user in [None, Some("bob@overlay.example.org")] {
        let der = issuer.node_certificate(key.spki(), OVERLAY, &ids, user, day()).unwrap();
        let error = check_certificate(&der, &trust, &expected(&key, 1), NOW).unwrap_err();
        assert!(matches!(error, CertificateError::OtherUser), "{error}");
    }
}

#[test]
fn an_expired_certificate_and_bytes_that_are_none_are_refused() {
    let (issuer, key, ids) = (issuer(), key(), node_ids(1));
    let der = issuer.node_certificate(key.spki(), OVERLAY, &ids, Some(ALICE), day()).unwrap();
    let trust = trust(issuer.certificate_der());
    let later = NOW.saturating_add(Duration::from_secs(200_000));
    let error = check_certificate(&der, &trust, &expected(&key, 1), later).unwrap_err();
    assert!(matches!(error, CertificateError::Chain(VerifyError::Expired { .. })), "{error}");
    for end in (0..der.len()).step_by(7) {
        assert!(check_certificate(&der.slice(..end), &trust, &expected(&key, 1), NOW).is_err());
    }
}
