//! Small rules of certificates, signatures and lists that the larger tests pass by.

use crate::fixture::{
    DAY, NOW, OVERLAY, ca, key, node, node_id, text, trust, trust_in, vector_trust, year,
};
use crate::message::{arrive, header};
use bytes::Bytes;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, SanType};
use reload_config::{Leniency, SelfSignedDigest};
use reload_identity::{
    CertificateCache, Credentials, CredentialsError, IssueError, Issuer, KeyPair, KindModels,
    Trust, TrustSettings, VerifyError, node_uri, verify_message,
};
use reload_wire::{
    DataModel, Encode, HashAlgorithm, KindId, MessageCode, MessageParts, NodeIdLength,
    SignatureAndHashAlgorithm, SignerIdentity, UnixTime,
};
use std::sync::Arc;

fn ping(from: &Credentials) -> MessageParts {
    arrive(from, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\0"), &[])
}

/// A certificate of the authority with parameters that `Issuer` would never write.
fn odd(ca: &Issuer, key: &rcgen::KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Bytes {
    let ca_key = rcgen::KeyPair::from_pem(&ca.key_pem()).unwrap();
    let ca_der = rustls_pki_types::CertificateDer::from(&ca.certificate_der()[..]);
    let issuer = rcgen::Issuer::from_ca_cert_der(&ca_der, ca_key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![own_uri()];
    change(&mut params);
    Bytes::copy_from_slice(params.signed_by(key, &issuer).unwrap().der())
}

fn own_uri() -> SanType {
    SanType::URI(node_uri(&node_id(1), OVERLAY).as_str().try_into().unwrap())
}

/// A message of a certificate whose key this crate would not use itself.
fn signed_by(key: &rcgen::KeyPair, der: &Bytes, algorithm: (u8, u8)) -> MessageParts {
    let mut parts = ping(&node(&ca("Any"), &[1], None));
    let hash_alg = HashAlgorithm(4);
    let hash = Bytes::copy_from_slice(ring::digest::digest(&ring::digest::SHA256, der).as_ref());
    let identity = SignerIdentity::CertHash { hash_alg, hash };
    let header = header();
    let (overlay, id) = (header.overlay, header.transaction_id);
    let (overlay, id) = (overlay.to_be_bytes(), id.0.to_be_bytes());
    let signer = identity.to_bytes().unwrap();
    let input = [&overlay[..], &id, &parts.contents_raw, &signer].concat();
    let mut signature = SignatureAndHashAlgorithm::ECDSA_SHA256;
    (signature.hash.0, signature.signature.0) = algorithm;
    parts.security.certificates = vec![reload_wire::GenericCertificate::x509(der.clone())];
    parts.security.signature.algorithm = signature;
    parts.security.signature.identity = identity;
    parts.security.signature.value = rcgen::SigningKey::sign(key, &input).unwrap().into();
    parts
}

// R6940-6.3-03
#[test]
fn a_key_of_curve_p384_signs_with_sha384() {
    let ca = ca("CA");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let der = odd(&ca, &key, |_| {});
    let message = verify_message(signed_by(&key, &der, (5, 3)), &trust(&ca), &[], NOW).unwrap();
    assert_eq!(message.signer().node_id, node_id(1));
    for other in [(6, 3), (2, 3), (5, 1)] {
        let error =
            verify_message(signed_by(&key, &der, other), &trust(&ca), &[], NOW).unwrap_err();
        assert!(matches!(error, VerifyError::UnsupportedAlgorithm(_)), "{other:?}");
    }
    let own = KeyPair::from_pem(&key.serialize_pem()).unwrap_err();
    assert_eq!(own, CredentialsError::UnsupportedKey);
}

// R6940-6.3-03
#[test]
fn an_rsa_key_signs_with_the_longer_hashes_too() {
    let ca = ca("CA");
    let pem = text("rsa.key.pem");
    for (algorithm, hash) in [(&rcgen::PKCS_RSA_SHA384, 5), (&rcgen::PKCS_RSA_SHA512, 6)] {
        let key = rcgen::KeyPair::from_pem_and_sign_algo(&pem, algorithm).unwrap();
        let der = odd(&ca, &key, |_| {});
        let parts = signed_by(&key, &der, (hash, 1));
        assert!(verify_message(parts, &trust(&ca), &[], NOW).is_ok(), "{hash}");
    }
}

#[test]
fn a_point_that_is_cut_or_compressed_is_no_key() {
    let ca = ca("CA");
    let spki = key().spki().to_vec();
    let start = spki.len() - 65;
    assert_eq!(spki[start], 4, "the point is elsewhere");
    let refused = |point: &[u8]| {
        let mut changed = spki[..start].to_vec();
        changed.extend(point);
        changed[1] = u8::try_from(changed.len() - 2).unwrap();
        changed[start - 2] = u8::try_from(point.len() + 1).unwrap();
        let made = ca.node_certificate(&changed, OVERLAY, &[node_id(1)], None, year());
        let error = trust(&ca).check(&made.unwrap(), &[], NOW).unwrap_err();
        assert!(matches!(error, VerifyError::UnsupportedKey(_)), "{error}");
    };
    refused(&spki[start..start + 64]);
    refused(&[&[3], &spki[start + 1..start + 33]].concat());
}

#[test]
fn names_that_are_no_concern_of_ours_are_passed_over_and_broken_ones_are_not() {
    let ca = ca("CA");
    let key = rcgen::KeyPair::generate().unwrap();
    let web = odd(&ca, &key, |params| {
        let uri = SanType::URI("https://vectors.example/".try_into().unwrap());
        params.subject_alt_names.push(uri);
    });
    assert_eq!(trust(&ca).check(&web, &[], NOW).unwrap().node_ids(), [node_id(1)]);
    let uri = node_uri(&node_id(1), OVERLAY);
    let with_mail = |mail: &[u8]| {
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let mut names = vec![0x86, length(uri.as_bytes())];
        names.extend(uri.as_bytes());
        names.extend([0x81, length(mail)]);
        names.extend(mail);
        let content = [&[0x30, length(&names)], &names[..]].concat();
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], content);
        extension.set_criticality(true);
        let der = odd(&ca, &key, |params| {
            params.subject_alt_names.clear();
            params.custom_extensions = vec![extension];
        });
        trust(&ca).check(&der, &[], NOW)
    };
    assert_eq!(with_mail(b"a@b").unwrap().user(), Some("a@b"));
    assert!(matches!(with_mail(b"a@\xff"), Err(VerifyError::MalformedCertificate(_))));
    assert!(matches!(with_mail(b""), Err(VerifyError::MalformedCertificate(_))));
}

#[test]
fn a_certificate_says_when_it_is_valid_and_of_whom_it_is() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], Some("alice@x"));
    let certificate = alice.certificate();
    let end = NOW.saturating_add(DAY * 365);
    let start = UnixTime(NOW.0 - 3_600_000); // an hour for clocks that are slow
    assert_eq!((certificate.not_before(), certificate.not_after()), (start, UnixTime(end.0 + 999)));
    assert_eq!((alice.user(), alice.node_id()), (Some("alice@x"), node_id(1)));
    assert_eq!(node(&ca, &[1], None).user(), None);
    assert!(certificate.names(&node_id(1)) && !certificate.names(&node_id(2)));
    for shown in [format!("{alice:?}"), format!("{certificate:?}")] {
        assert!(shown.contains(&node_id(1).to_string()) && !shown.contains("PRIVATE"), "{shown}");
    }
    let trust = trust(&ca);
    let check = |at| trust.check(certificate.der(), &[], at);
    assert!(check(start).is_ok() && check(UnixTime(start.0 - 1)).is_err());
    assert_eq!((trust.overlay(), trust.node_id_length()), (OVERLAY, NodeIdLength::DEFAULT));
}

#[test]
fn certificates_are_equal_by_their_bytes_and_the_trust_that_took_them() {
    let (ca, other) = (ca("CA"), ca("Other"));
    let (one, two) = (node(&ca, &[1], None), node(&ca, &[1], None));
    let der = one.certificate().der();
    let same = trust(&ca).check(der, &[], NOW).unwrap();
    assert_eq!(one.certificate(), &same);
    assert_ne!(one.certificate(), two.certificate());
    let both = [ca.certificate_der().clone(), other.certificate_der().clone()];
    let wider = trust_in(&both, Leniency::Strict, &[]).check(der, &[], NOW).unwrap();
    assert_ne!(one.certificate(), &wider);
}

#[test]
fn a_cache_finds_a_signer_by_sha256_only() {
    let ca = ca("CA");
    let mut cache = CertificateCache::new(4);
    for from in [node(&ca, &[1], None), node(&ca, &[2, 3], None)] {
        cache.insert(Arc::clone(from.certificate()));
        assert_eq!(cache.find(from.identity()).as_ref(), Some(from.certificate()));
        let mut other = from.identity().clone();
        match &mut other {
            SignerIdentity::CertHash { hash_alg, .. }
            | SignerIdentity::CertHashNodeId { hash_alg, .. } => hash_alg.0 = 5,
            _ => panic!("{other:?}"),
        }
        assert_eq!(cache.find(&other), None);
    }
    assert!(!cache.is_empty());
    let stranger = node(&ca, &[4], None);
    let known = node(&ca, &[5], None);
    cache.insert(Arc::clone(known.certificate()));
    let extra = [known.certificate().der().clone()];
    let parts = arrive(&stranger, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\0"), &extra);
    let found = cache.lookup(&parts.security.certificates);
    assert_eq!(found, [Arc::clone(known.certificate())], "of a bucket, those that are known");
}

// R6940-6.3.4-13
#[test]
fn a_known_signer_is_found_by_another_hash_too() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], None);
    let known = [Arc::clone(alice.certificate())];
    let mut parts = ping(&alice);
    parts.security.certificates.clear();
    let der = alice.certificate().der();
    let hash = ring::digest::digest(&ring::digest::SHA512, der);
    let hash = Bytes::copy_from_slice(hash.as_ref());
    parts.security.signature.identity =
        SignerIdentity::CertHash { hash_alg: HashAlgorithm(6), hash };
    let error = verify_message(parts.clone(), &trust(&ca), &known, NOW).unwrap_err();
    assert_eq!(error, VerifyError::BadSignature, "it is found; the identity is signed too");
    let hash = Bytes::copy_from_slice(alice.certificate().sha256());
    parts.security.signature.identity =
        SignerIdentity::CertHash { hash_alg: HashAlgorithm(6), hash };
    let error = verify_message(parts, &trust(&ca), &known, NOW).unwrap_err();
    assert_eq!(error, VerifyError::UnknownSigner);
}

#[test]
fn an_overlay_with_roots_and_self_signed_nodes_takes_both() {
    let ca = ca("CA");
    let roots = [ca.certificate_der().clone()];
    let digest = SelfSignedDigest::Sha256;
    let with = |root_certs| {
        Trust::from_settings(&TrustSettings {
            overlay: OVERLAY,
            node_id_length: NodeIdLength::DEFAULT,
            root_certs,
            self_signed: Some(digest),
            bad_nodes: &[],
            leniency: Leniency::Strict,
        })
        .unwrap()
    };
    let (both, alone) = (with(&roots), with(&[]));
    let issued = node(&ca, &[1], None);
    assert!(both.check(issued.certificate().der(), &[], NOW).is_ok());
    let length = NodeIdLength::DEFAULT;
    let own = key().self_signed_certificate(OVERLAY, None, digest, 1, length, year()).unwrap();
    assert!(both.check(&own, &[], NOW).is_ok() && alone.check(&own, &[], NOW).is_ok());
    assert!(alone.check(issued.certificate().der(), &[], NOW).is_err());
    let mut forged = own.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let error = alone.check(&forged.into(), &[], NOW).unwrap_err();
    assert_eq!(error, VerifyError::BadCertificateSignature);
}

#[test]
fn every_changed_byte_of_a_self_signed_rsa_certificate_is_refused() {
    let key = KeyPair::from_pem(&text("rsa.key.pem")).unwrap();
    let (digest, length) = (SelfSignedDigest::Sha256, NodeIdLength::DEFAULT);
    let der = key.self_signed_certificate(OVERLAY, None, digest, 1, length, year()).unwrap();
    let trust = Trust::from_settings(&TrustSettings {
        overlay: OVERLAY,
        node_id_length: length,
        root_certs: &[],
        self_signed: Some(digest),
        bad_nodes: &[],
        leniency: Leniency::Strict,
    })
    .unwrap();
    assert!(trust.check(&der, &[], NOW).is_ok());
    // Behind the signed part: the algorithm once more, with its NULL, and the signature.
    for index in der.len() - 300..der.len() {
        let mut changed = der.to_vec();
        changed[index] ^= 1;
        assert!(trust.check(&changed.into(), &[], NOW).is_err(), "byte {index}");
    }
}

#[test]
fn keys_come_back_from_der() {
    for key in [key(), KeyPair::from_pem(&text("rsa.key.pem")).unwrap()] {
        let again = KeyPair::from_pkcs8(key.pkcs8_der()).unwrap();
        assert_eq!(again.spki(), key.spki());
        assert_eq!(again.signature_algorithm(), key.signature_algorithm());
    }
    let alice = node(&ca("CA"), &[1], None);
    let again = KeyPair::from_pkcs8(alice.key_pkcs8_der()).unwrap();
    assert_eq!(again.spki(), alice.certificate().spki());
    assert_eq!(alice.signature_algorithm(), again.signature_algorithm());
}

#[test]
fn serial_numbers_are_positive_and_long() {
    let (ca, key) = (ca("CA"), key());
    for _ in 0..20 {
        let der = ca.node_certificate(key.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
        let (_, x509) = x509_parser::parse_x509_certificate(&der).unwrap();
        let serial = x509.raw_serial();
        assert_eq!(serial.len(), 16);
        assert!((0x40..0x80).contains(&serial[0]), "{serial:?}");
    }
}

#[test]
fn a_server_has_a_name() {
    let (ca, key) = (ca("CA"), key());
    for bad in ["", "a b", "ä"] {
        let made = ca.server_certificate(key.spki(), &["localhost", bad], year());
        assert_eq!(made, Err(IssueError::BadName(bad.to_owned())));
    }
    let none = key.self_signed_certificate(
        OVERLAY,
        None,
        SelfSignedDigest::Sha1,
        0,
        NodeIdLength::DEFAULT,
        year(),
    );
    assert_eq!(none, Err(IssueError::BadNodeIds));
}

#[test]
fn a_kind_that_is_added_has_its_model() {
    let (one, two) = (KindId(0xf000_0001), KindId(0xf000_0002));
    let mut kinds: KindModels = [(one, DataModel::Array)].into_iter().collect();
    assert_eq!((kinds.get(one), kinds.get(two)), (Some(DataModel::Array), None));
    kinds.insert(two, DataModel::Single);
    kinds.insert(one, DataModel::Dictionary);
    assert_eq!(kinds.get(one), Some(DataModel::Dictionary));
    assert_eq!(kinds.get(two), Some(DataModel::Single));
}

#[test]
fn trust_renewed_by_the_same_settings_keeps_what_it_has_taken() {
    let trust = vector_trust(Leniency::Lenient);
    let credentials = crate::fixture::vector_credentials("ecdsa");
    assert!(!trust.is_bad_node(&credentials.node_id()));
    let other = trust.still_valid(credentials.certificate(), NOW);
    assert_eq!(other, Err(VerifyError::OtherTrust), "it was taken by the strict one");
    let strict = vector_trust(Leniency::Strict);
    assert_eq!(strict.still_valid(credentials.certificate(), NOW), Ok(()));
}
