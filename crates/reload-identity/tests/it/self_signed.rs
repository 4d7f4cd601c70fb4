//! The self-signed mode of section 11.3.1, with both digests and several Node-IDs (E16).

use crate::fixture::{NOW, OVERLAY, key, node_id, year};
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, SanType};
use reload_config::{Leniency, SelfSignedDigest};
use reload_identity::{KeyPair, Trust, TrustSettings, VerifyError, node_uri};
use reload_wire::{NodeId, NodeIdLength};

fn trust(self_signed: Option<SelfSignedDigest>, length: NodeIdLength) -> Trust {
    Trust::from_settings(&TrustSettings {
        overlay: OVERLAY,
        node_id_length: length,
        root_certs: &[],
        self_signed,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    })
    .unwrap()
}

fn certificate(key: &KeyPair, digest: SelfSignedDigest, count: u32, length: NodeIdLength) -> Bytes {
    let user = Some("alice@vectors.example");
    key.self_signed_certificate(OVERLAY, user, digest, count, length, year()).unwrap()
}

fn with_node_ids(key: &KeyPair, ids: &[NodeId]) -> Bytes {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = ids
        .iter()
        .map(|id| SanType::URI(node_uri(id, OVERLAY).as_str().try_into().unwrap()))
        .collect();
    let key = rcgen::KeyPair::from_pem(&key.to_pem()).unwrap();
    Bytes::copy_from_slice(params.self_signed(&key).unwrap().der())
}

// R6940-11.1-18, R6940-11.3.1-01, R6940-11.3.1-02
#[test]
fn node_ids_of_both_digests_and_all_lengths_are_taken() {
    let key = key();
    for digest in [SelfSignedDigest::Sha1, SelfSignedDigest::Sha256] {
        for (length, count) in [(16, 1), (16, 3), (20, 1), (20, 2)] {
            let length = NodeIdLength::new(length).unwrap();
            let der = certificate(&key, digest, count, length);
            let verified = trust(Some(digest), length).check(&der, &[], NOW).unwrap();
            assert_eq!(verified.node_ids().len(), usize::try_from(count).unwrap());
            assert_eq!(verified.user(), Some("alice@vectors.example"));
        }
    }
}

#[test]
fn rsa_key_makes_a_self_signed_certificate_too() {
    let key = KeyPair::from_pem(&crate::fixture::text("rsa.key.pem")).unwrap();
    let der = certificate(&key, SelfSignedDigest::Sha256, 2, NodeIdLength::DEFAULT);
    let trust = trust(Some(SelfSignedDigest::Sha256), NodeIdLength::DEFAULT);
    assert_eq!(trust.check(&der, &[], NOW).unwrap().node_ids().len(), 2);
}

#[test]
fn self_signed_certificate_needs_permission_and_the_right_digest() {
    let length = NodeIdLength::DEFAULT;
    let der = certificate(&key(), SelfSignedDigest::Sha1, 1, length);
    let refused = trust(None, length).check(&der, &[], NOW).unwrap_err();
    assert_eq!(refused, VerifyError::SelfSignedNotPermitted);
    let refused = trust(Some(SelfSignedDigest::Sha256), length).check(&der, &[], NOW).unwrap_err();
    assert!(matches!(refused, VerifyError::NodeIdNotOfKey(_)));
}

// R6940-6.3.4-16, R6940-11.3.1-05
#[test]
fn node_id_of_someone_else_is_theft() {
    let trust = trust(Some(SelfSignedDigest::Sha256), NodeIdLength::DEFAULT);
    let (mine, victim) = (key(), key());
    let of = |key: &KeyPair, count| {
        reload_identity::derived_node_ids(
            SelfSignedDigest::Sha256,
            key.spki(),
            count,
            NodeIdLength::DEFAULT,
        )
    };
    let check = |ids: &[NodeId]| trust.check(&with_node_ids(&mine, ids), &[], NOW);
    assert!(check(&of(&mine, 1)).is_ok());
    assert_eq!(check(&[node_id(1)]).unwrap_err(), VerifyError::NodeIdNotOfKey(node_id(1)));
    let stolen = of(&victim, 1)[0];
    assert_eq!(check(&[stolen]).unwrap_err(), VerifyError::NodeIdNotOfKey(stolen));
    let mixed = [of(&mine, 2)[0], stolen];
    assert_eq!(check(&mixed).unwrap_err(), VerifyError::NodeIdNotOfKey(stolen));
}

#[test]
fn every_changed_byte_is_refused() {
    let trust = trust(Some(SelfSignedDigest::Sha256), NodeIdLength::DEFAULT);
    let der = certificate(&key(), SelfSignedDigest::Sha256, 1, NodeIdLength::DEFAULT);
    for index in 0..der.len() {
        let mut changed = der.to_vec();
        changed[index] ^= 1;
        assert!(trust.check(&changed.into(), &[], NOW).is_err(), "byte {index}");
    }
}

#[test]
fn a_self_signed_node_may_call_itself_an_authority_as_many_tools_do() {
    let (digest, length) = (SelfSignedDigest::Sha256, NodeIdLength::DEFAULT);
    let own = key();
    let ids = reload_identity::derived_node_ids(digest, own.spki(), 1, length);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let uri = node_uri(&ids[0], OVERLAY);
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signing = rcgen::KeyPair::from_pem(&own.to_pem()).unwrap();
    let der = Bytes::copy_from_slice(params.self_signed(&signing).unwrap().der());
    assert_eq!(trust(Some(digest), length).check(&der, &[], NOW).unwrap().node_ids(), ids);
    assert_eq!(trust(None, length).check(&der, &[], NOW).unwrap_err(), VerifyError::IsAuthority);
}

#[test]
fn a_trust_knows_the_length_of_its_node_ids() {
    let length = NodeIdLength::new(20).unwrap();
    assert_eq!(trust(Some(SelfSignedDigest::Sha1), length).node_id_length(), length);
}
