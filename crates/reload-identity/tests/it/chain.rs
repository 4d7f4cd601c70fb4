//! Which certificates an overlay with root certificates takes, and the line for each refusal.

use crate::fixture::{
    DAY, NOW, OVERLAY, ca, der, key, node, node_id, trust, trust_in, vector_trust, year,
};
use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, IsCa, SanType,
};
use reload_config::Leniency;
use reload_identity::{Issuer, KeyPair, Trust, Validity, VerifyError, node_uri};
use reload_wire::{NodeIdLength, UnixTime};
use std::time::Duration;

/// A certificate of the authority with parameters that `Issuer` would never write.
fn odd(ca: &Issuer, change: impl FnOnce(&mut CertificateParams)) -> Bytes {
    let ca_key = rcgen::KeyPair::from_pem(&ca.key_pem()).unwrap();
    let ca_der = rustls_pki_types::CertificateDer::from(&ca.certificate_der()[..]);
    let issuer = rcgen::Issuer::from_ca_cert_der(&ca_der, ca_key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri(&node_uri(&node_id(1), OVERLAY))];
    change(&mut params);
    let key = rcgen::KeyPair::generate().unwrap();
    Bytes::copy_from_slice(params.signed_by(&key, &issuer).unwrap().der())
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn mail(text: &str) -> SanType {
    SanType::Rfc822Name(text.try_into().unwrap())
}

fn refusal(trust: &Trust, der: &Bytes) -> VerifyError {
    trust.check(der, &[], NOW).unwrap_err()
}

// R6940-11.3-15
#[test]
fn certificate_of_the_authority_names_node_and_user() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], Some("alice@vectors.example"));
    let certificate = alice.certificate();
    assert_eq!(certificate.node_ids(), [node_id(1)]);
    assert_eq!(certificate.user(), Some("alice@vectors.example"));
    assert!(certificate.chain().is_empty());
    assert!(certificate.require(&node_id(1)).is_ok());
    assert!(matches!(certificate.require(&node_id(2)), Err(VerifyError::NodeIdMismatch { .. })));
}

#[test]
fn two_node_ids_are_read_in_order() {
    let both = node(&ca("CA"), &[2, 1], None);
    assert_eq!(both.certificate().node_ids(), [node_id(2), node_id(1)]);
    assert_eq!(both.node_id(), node_id(2));
    assert_eq!(both.acting_as(node_id(1)).unwrap().node_id(), node_id(1));
    assert!(both.acting_as(node_id(3)).is_err());
}

// R6940-13.3-03
#[test]
fn other_authority_is_refused_even_under_the_same_name() {
    let (ours, theirs) = (ca("CA"), ca("CA"));
    let stranger = node(&theirs, &[1], None);
    let error = refusal(&trust(&ours), stranger.certificate().der());
    assert!(matches!(
        error,
        VerifyError::UnknownIssuer { .. } | VerifyError::BadCertificateSignature
    ));
    let named = node(&ca("Other CA"), &[1], None);
    let error = refusal(&trust(&ours), named.certificate().der());
    assert_eq!(
        error.to_string(),
        "certificate is not issued by a root certificate of this overlay (its issuer: CN=Other CA)"
    );
}

#[test]
fn expired_and_not_yet_valid_say_the_times() {
    let ca = ca("CA");
    let node = node(&ca, &[1], None);
    let (der, trust) = (node.certificate().der(), trust(&ca));
    let late = NOW.saturating_add(DAY * 366);
    let error = trust.check(der, &[], late).unwrap_err();
    assert_eq!(
        error.to_string(),
        "certificate expired at 2028-01-15 08:00:00 UTC (now: 2028-01-16 08:00:00 UTC)"
    );
    let early = UnixTime(NOW.0 - 86_400_000);
    let error = trust.check(der, &[], early).unwrap_err();
    assert!(matches!(error, VerifyError::NotYetValid { .. }));
    assert!(error.to_string().ends_with("is the clock of this machine right?"), "{error}");
    assert_eq!(trust.still_valid(node.certificate(), NOW), Ok(()));
    assert!(matches!(
        trust.still_valid(node.certificate(), late),
        Err(VerifyError::Expired { .. })
    ));
}

#[test]
fn last_second_is_valid_and_the_next_is_not() {
    let ca = ca("CA");
    let node = node(&ca, &[1], None);
    let end = NOW.saturating_add(DAY * 365);
    let check = |at| trust(&ca).check(node.certificate().der(), &[], at);
    assert!(check(UnixTime(end.0 + 999)).is_ok());
    assert!(matches!(check(UnixTime(end.0 + 1000)), Err(VerifyError::Expired { .. })));
}

// R6940-11.1-32
#[test]
fn one_bad_node_revokes_a_certificate_with_several() {
    let ca = ca("CA");
    let node = node(&ca, &[1, 2], None);
    let roots = [ca.certificate_der().clone()];
    let strict = trust_in(&roots, Leniency::Strict, &[node_id(2)]);
    let expected = VerifyError::BadNode(node_id(2));
    assert_eq!(refusal(&strict, node.certificate().der()), expected);
    assert_eq!(strict.still_valid(node.certificate(), NOW), Err(expected));
}

// R6940-11.1-13
#[test]
fn change_of_roots_asks_for_a_new_check() {
    let (old, new) = (ca("CA"), ca("CA 2"));
    let node = node(&old, &[1], None);
    let both = [old.certificate_der().clone(), new.certificate_der().clone()];
    let trust = trust_in(&both, Leniency::Strict, &[]);
    assert_eq!(trust.still_valid(node.certificate(), NOW), Err(VerifyError::OtherTrust));
    assert!(trust.check(node.certificate().der(), &[], NOW).is_ok());
}

#[test]
fn authority_is_no_node() {
    let ca = ca("CA");
    let leaf = odd(&ca, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(refusal(&trust(&ca), &leaf), VerifyError::IsAuthority);
    assert_eq!(refusal(&trust(&ca), ca.certificate_der()), VerifyError::IsAuthority);
}

// R6940-11.3-25
#[test]
fn leaf_certificate_issues_no_other() {
    let ca = ca("CA");
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(&node_uri(&node_id(1), OVERLAY))];
    let key = rcgen::KeyPair::generate().unwrap();
    let ca_key = rcgen::KeyPair::from_pem(&ca.key_pem()).unwrap();
    let ca_der = rustls_pki_types::CertificateDer::from(&ca.certificate_der()[..]);
    let issuer = rcgen::Issuer::from_ca_cert_der(&ca_der, ca_key).unwrap();
    let middle = params.signed_by(&key, &issuer).unwrap();
    let forger = rcgen::Issuer::new(params.clone(), key);
    params.subject_alt_names = vec![uri(&node_uri(&node_id(9), OVERLAY))];
    params.distinguished_name = DistinguishedName::new();
    let forged = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &forger).unwrap();
    let (middle, forged) =
        (Bytes::copy_from_slice(middle.der()), Bytes::copy_from_slice(forged.der()));
    assert!(trust(&ca).check(&middle, &[], NOW).is_ok());
    assert!(trust(&ca).check(&forged, &[middle], NOW).is_err());
}

// R6940-11.3-25
#[test]
fn intermediate_authority_is_part_of_the_path_and_its_expiry_counts() {
    let root = ca("Root");
    let root_key = rcgen::KeyPair::from_pem(&root.key_pem()).unwrap();
    let root_der = rustls_pki_types::CertificateDer::from(&root.certificate_der()[..]);
    let issuer = rcgen::Issuer::from_ca_cert_der(&root_der, root_key).unwrap();
    let middle_key = key();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2027, 2, 1);
    let rcgen_key = rcgen::KeyPair::from_pem(&middle_key.to_pem()).unwrap();
    let middle = params.signed_by(&rcgen_key, &issuer).unwrap();
    let middle_ca = Issuer::load(&middle_key.to_pem(), &middle.pem()).unwrap();
    let leaf = key();
    let leaf =
        middle_ca.node_certificate(leaf.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();

    let trust = trust(&root);
    assert!(matches!(refusal(&trust, &leaf), VerifyError::UnknownIssuer { .. }));
    let middle = middle_ca.certificate_der().clone();
    let noise = node(&root, &[7], None).certificate().der().clone();
    let verified = trust.check(&leaf, &[noise, middle.clone()], NOW).unwrap();
    assert_eq!(verified.chain(), [middle]);
    let march = UnixTime::from_secs(1_803_900_000);
    assert!(matches!(trust.still_valid(&verified, march), Err(VerifyError::Expired { .. })));
}

// R6940-4.1-02
#[test]
fn version_1_has_no_node_id() {
    let error = refusal(&vector_trust(Leniency::Strict), &der("v1.crt.pem"));
    assert_eq!(error, VerifyError::NotVersion3);
}

// R6940-4.1-02
#[test]
fn certificate_without_reload_uri_is_no_node() {
    let ca = ca("CA");
    let https = key();
    let https = ca.server_certificate(https.spki(), &["localhost", "127.0.0.1"], year()).unwrap();
    assert_eq!(refusal(&trust(&ca), &https), VerifyError::NoReloadUri);
    let bare = odd(&ca, |params| params.subject_alt_names.clear());
    assert_eq!(refusal(&trust(&ca), &bare), VerifyError::NoReloadUri);
}

#[test]
fn other_overlay_is_named_in_the_refusal() {
    let ca = ca("CA");
    let key = key();
    let der =
        ca.node_certificate(key.spki(), "other.example", &[node_id(1)], None, year()).unwrap();
    assert_eq!(
        refusal(&trust(&ca), &der).to_string(),
        "certificate is for the overlay other.example, not for vectors.example"
    );
    let mixed = odd(&ca, |params| {
        params.subject_alt_names.push(uri(&node_uri(&node_id(2), "other.example")));
    });
    assert!(matches!(refusal(&trust(&ca), &mixed), VerifyError::OtherOverlay { .. }));
}

#[test]
fn bare_node_id_is_read_only_by_the_lenient_switch() {
    let ca = ca("CA");
    let bare = format!("reload://{}@{OVERLAY}", node_id(1));
    let der = odd(&ca, |params| params.subject_alt_names = vec![uri(&bare)]);
    assert!(matches!(refusal(&trust(&ca), &der), VerifyError::BadReloadUri { .. }));
    let lenient = trust_in(&[ca.certificate_der().clone()], Leniency::Lenient, &[]);
    assert_eq!(lenient.check(&der, &[], NOW).unwrap().node_ids(), [node_id(1)]);
}

// R6940-11.3-18
#[test]
fn names_that_make_a_certificate_ambiguous_are_refused() {
    let ca = ca("CA");
    let twice = odd(&ca, |params| {
        params.subject_alt_names.push(uri(&node_uri(&node_id(1), OVERLAY)));
    });
    assert_eq!(refusal(&trust(&ca), &twice), VerifyError::DuplicateNodeId(node_id(1)));
    let users = odd(&ca, |params| {
        params.subject_alt_names.extend([mail("a@b"), mail("c@d")]);
    });
    assert_eq!(refusal(&trust(&ca), &users), VerifyError::SeveralUserNames);
    let nul = odd(&ca, |params| params.subject_alt_names.push(mail("a\0b@c")));
    assert!(matches!(refusal(&trust(&ca), &nul), VerifyError::MalformedCertificate(_)));
}

#[test]
fn unknown_critical_extension_is_refused() {
    let ca = ca("CA");
    let extension = |critical| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        extension.set_criticality(critical);
        odd(&ca, |params| params.custom_extensions = vec![extension])
    };
    let expected = VerifyError::UnknownCriticalExtension { oid: "1.2.3.4".to_owned() };
    assert_eq!(refusal(&trust(&ca), &extension(true)), expected);
    assert!(trust(&ca).check(&extension(false), &[], NOW).is_ok());
}

#[test]
fn every_changed_byte_of_a_certificate_is_refused() {
    let ca = ca("CA");
    let node = node(&ca, &[1], Some("alice@vectors.example"));
    let (der, trust) = (node.certificate().der(), trust(&ca));
    for index in 0..der.len() {
        let mut changed = der.to_vec();
        changed[index] ^= 1;
        assert!(trust.check(&changed.into(), &[], NOW).is_err(), "byte {index}");
    }
    for length in 0..der.len() {
        assert!(trust.check(&der.slice(..length), &[], NOW).is_err(), "prefix {length}");
    }
    let longer = [&der[..], &[0]].concat().into();
    assert!(matches!(refusal(&trust, &longer), VerifyError::MalformedCertificate(_)));
}

#[test]
fn node_id_length_of_the_overlay_binds() {
    let ca = ca("CA");
    let node = node(&ca, &[1], None);
    let settings = reload_identity::TrustSettings {
        overlay: OVERLAY,
        node_id_length: NodeIdLength::new(20).unwrap(),
        root_certs: &[ca.certificate_der().clone()],
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    };
    let trust = Trust::from_settings(&settings).unwrap();
    let error = refusal(&trust, node.certificate().der());
    assert!(matches!(error, VerifyError::BadReloadUri { .. }));
}

#[test]
fn keys_that_are_too_weak_are_refused() {
    let ca = ca("CA");
    let key = KeyPair::from_pem(&crate::fixture::text("rsa.key.pem")).unwrap();
    let validity = Validity::starting(NOW, Duration::from_secs(60));
    assert!(ca.node_certificate(key.spki(), OVERLAY, &[node_id(1)], None, validity).is_ok());
    let ed25519 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&ed25519);
    let der = ca.node_certificate(&spki, OVERLAY, &[node_id(1)], None, year());
    let error = refusal(&trust(&ca), &der.unwrap());
    assert_eq!(error, VerifyError::UnsupportedKey("1.3.101.112".to_owned()));
}
