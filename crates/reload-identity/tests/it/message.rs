//! Signatures over messages (6.3.4), the certificates they need, the cache and the job.

use crate::fixture::{DAY, NOW, OVERLAY, ca, key, node, node_id, trust, trust_in, year};
use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    CertificateCache, Checked, Credentials, KindModels, SealJob, Trust, VerifiedCertificate,
    VerifyError, VerifyJob, verify_message,
};
use reload_wire::{
    Destination, Dialect, ForwardingHeader, Fragment, GenericCertificate, HashAlgorithm,
    MessageCode, MessageContents, MessageParts, SignerIdentity, TransactionId,
};
use std::sync::Arc;

pub(crate) fn header() -> ForwardingHeader {
    ForwardingHeader {
        overlay: 0x1234_5678,
        configuration_sequence: 7,
        ttl: 100,
        fragment: Fragment::WHOLE,
        length: 0,
        transaction_id: TransactionId(0x0123_4567_89ab_cdef),
        max_response_length: 0,
        via_list: Vec::new(),
        destination_list: vec![Destination::Node(node_id(9))],
        options: Vec::new(),
    }
}

/// A message as it arrives.
pub(crate) fn arrive(
    from: &Credentials,
    code: MessageCode,
    body: Bytes,
    extra: &[Bytes],
) -> MessageParts {
    let header = header();
    let job = SealJob {
        credentials: from.clone(),
        overlay: header.overlay,
        transaction_id: header.transaction_id,
        contents: MessageContents::new(code, body),
        extra_certificates: extra.to_vec(),
    };
    let message = header.join(&job.run().unwrap(), u32::MAX).unwrap();
    MessageParts::decode(&Dialect::default(), &message).unwrap()
}

fn ping(from: &Credentials) -> MessageParts {
    arrive(from, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\x03abc"), &[])
}

fn job(parts: MessageParts, trust: &Trust, known: Vec<Arc<VerifiedCertificate>>) -> VerifyJob {
    let trust = Arc::new(trust.clone());
    VerifyJob {
        parts,
        trust,
        known,
        kinds: Arc::new(KindModels::default()),
        fetched: None,
        now: NOW,
    }
}

fn refusal(parts: MessageParts, trust: &Trust) -> VerifyError {
    verify_message(parts, trust, &[], NOW).unwrap_err()
}

#[test]
fn sealed_message_verifies_and_names_its_signer() {
    let ca = ca("CA");
    let alice = node(&ca, &[1], Some("alice@vectors.example"));
    let message = verify_message(ping(&alice), &trust(&ca), &[], NOW).unwrap();
    assert_eq!(message.signer().node_id, node_id(1));
    assert_eq!(message.signer().user(), Some("alice@vectors.example"));
    assert_eq!(message.contents.code, MessageCode::PING_REQUEST);
    assert_eq!(message.certificates().len(), 1);
}

// R6940-6.3.4-14
#[test]
fn second_node_id_of_a_certificate_signs_by_cert_hash_node_id() {
    let ca = ca("CA");
    let both = node(&ca, &[1, 2], None).acting_as(node_id(2)).unwrap();
    let parts = ping(&both);
    assert!(matches!(
        parts.security.signature.identity,
        SignerIdentity::CertHashNodeId { hash_alg: HashAlgorithm(4), .. }
    ));
    let message = verify_message(parts, &trust(&ca), &[], NOW).unwrap();
    assert_eq!(message.signer().node_id, node_id(2));
}

// R6940-6.3.4-15
#[test]
fn every_changed_byte_of_contents_and_identity_is_refused() {
    let ca = ca("CA");
    let parts = ping(&node(&ca, &[1], None));
    let trust = trust(&ca);
    for index in 0..parts.contents_raw.len() {
        let mut raw = parts.contents_raw.to_vec();
        raw[index] ^= 1;
        let changed = MessageParts { contents_raw: raw.into(), ..parts.clone() };
        assert_eq!(refusal(changed, &trust), VerifyError::BadSignature, "byte {index}");
    }
    let mut changed = parts.clone();
    changed.header.overlay ^= 1;
    assert_eq!(refusal(changed, &trust), VerifyError::BadSignature);
    let mut changed = parts.clone();
    changed.header.transaction_id.0 ^= 1;
    assert_eq!(refusal(changed, &trust), VerifyError::BadSignature);
    let mut value = parts.security.signature.value.to_vec();
    value[9] ^= 1;
    let mut changed = parts;
    changed.security.signature.value = value.into();
    assert_eq!(refusal(changed, &trust), VerifyError::BadSignature);
}

// R6940-6.3.4-15
#[test]
fn forwarding_changes_nothing_that_is_signed() {
    let ca = ca("CA");
    let mut parts = ping(&node(&ca, &[1], None));
    parts.header.ttl = 3;
    parts.header.via_list.push(Destination::Node(node_id(5)));
    parts.header.configuration_sequence = 8;
    assert!(verify_message(parts, &trust(&ca), &[], NOW).is_ok());
}

// R6940-6.3-03, R6940-6.3.4-03, R6940-6.3.4-13, R6940-13.2-02
#[test]
fn identity_must_be_there_known_and_fit_the_certificate() {
    let ca = ca("CA");
    let (one, two) = (node(&ca, &[1], None), node(&ca, &[2, 3], None));
    let with = |from: &Credentials, identity| {
        let mut parts = ping(from);
        parts.security.signature.identity = identity;
        refusal(parts, &trust(&ca))
    };
    assert_eq!(with(&one, SignerIdentity::None), VerifyError::NotSigned);
    let unknown = SignerIdentity::Unknown { kind: 9, data: Bytes::new() };
    assert_eq!(with(&one, unknown), VerifyError::UnknownIdentityType(9));
    let hash = |from: &Credentials| Bytes::copy_from_slice(from.certificate().sha256());
    let hash_alg = HashAlgorithm(4);
    let wrong = SignerIdentity::CertHash { hash_alg, hash: hash(&two) };
    assert_eq!(with(&two, wrong), VerifyError::IdentityTypeMismatch { node_ids: 2 });
    let stranger = SignerIdentity::CertHash { hash_alg, hash: hash(&two) };
    assert_eq!(with(&one, stranger), VerifyError::UnknownSigner);
    for algorithm in [0, 1, 99] {
        let hash_alg = HashAlgorithm(algorithm);
        let odd = SignerIdentity::CertHash { hash_alg, hash: hash(&one) };
        assert_eq!(with(&one, odd), VerifyError::UnsupportedHash(hash_alg));
    }
}

// R6940-6.3-03
#[test]
fn algorithm_pairs_that_do_not_fit_the_key_are_refused() {
    let ca = ca("CA");
    let one = node(&ca, &[1], None);
    for (hash, signature) in [(4, 1), (2, 3), (1, 3), (4, 2), (4, 0), (0, 0), (8, 7), (0xe0, 0xe0)]
    {
        let mut parts = ping(&one);
        parts.security.signature.algorithm.hash.0 = hash;
        parts.security.signature.algorithm.signature.0 = signature;
        let error = refusal(parts, &trust(&ca));
        assert!(matches!(error, VerifyError::UnsupportedAlgorithm(_)), "{hash} {signature}");
    }
}

// R6940-6.3.4-13, R6940-6.3.4-14
#[test]
fn signer_is_found_by_every_hash_from_sha1_to_sha512() {
    let ca = ca("CA");
    let (one, two) = (node(&ca, &[1], None), node(&ca, &[2, 3], None));
    for algorithm in 2..=6 {
        for (from, expected) in [(&one, 1), (&two, 2)] {
            let (error, signer) = with_hash(from, algorithm, &trust(&ca));
            // The identity is signed too, so a changed one finds its signer and fails there.
            let own = HashAlgorithm(algorithm) == HashAlgorithm(4);
            assert_eq!(error, (!own).then_some(VerifyError::BadSignature));
            assert_eq!(signer, own.then(|| node_id(expected)));
        }
    }
}

fn with_hash(
    from: &Credentials,
    algorithm: u8,
    trust: &Trust,
) -> (Option<VerifyError>, Option<reload_wire::NodeId>) {
    let digest = |parts: &[&[u8]]| -> Vec<u8> {
        let all = parts.concat();
        match algorithm {
            2 => ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &all)
                .as_ref()
                .to_vec(),
            3 => sha2::Sha224::digest(&all).to_vec(),
            4 => sha2::Sha256::digest(&all).to_vec(),
            5 => sha2::Sha384::digest(&all).to_vec(),
            _ => sha2::Sha512::digest(&all).to_vec(),
        }
    };
    use sha2::Digest;
    let hash_alg = HashAlgorithm(algorithm);
    let der = from.certificate().der();
    let mut parts = ping(from);
    parts.security.signature.identity = match from.certificate().node_ids().len() {
        1 => SignerIdentity::CertHash { hash_alg, hash: digest(&[der]).into() },
        _ => {
            let hash = digest(&[from.node_id().as_bytes(), der]).into();
            SignerIdentity::CertHashNodeId { hash_alg, hash }
        }
    };
    match verify_message(parts, trust, &[], NOW) {
        Ok(message) => (None, Some(message.signer().node_id)),
        Err(error) => (Some(error), None),
    }
}

// R6940-6.3.4-16, R6940-11.1-32
#[test]
fn certificate_of_the_signer_must_be_good() {
    let (ours, theirs) = (ca("CA"), ca("Other"));
    let stranger = ping(&node(&theirs, &[1], None));
    assert!(matches!(refusal(stranger, &trust(&ours)), VerifyError::UnknownIssuer { .. }));
    let mine = node(&ours, &[1], None);
    let bad = trust_in(&[ours.certificate_der().clone()], Leniency::Strict, &[node_id(1)]);
    assert_eq!(refusal(ping(&mine), &bad), VerifyError::BadNode(node_id(1)));
    let known = [Arc::clone(mine.certificate())];
    let error = verify_message(ping(&mine), &bad, &known, NOW).unwrap_err();
    assert_eq!(error, VerifyError::BadNode(node_id(1)), "a known certificate is asked again");
    let late = NOW.saturating_add(DAY * 400);
    let error = verify_message(ping(&mine), &trust(&ours), &known, late).unwrap_err();
    assert!(matches!(error, VerifyError::Expired { .. }));
}

// R6940-11.1-13
#[test]
fn known_certificate_after_a_change_of_roots_is_checked_again() {
    let (old, new) = (ca("CA"), ca("CA 2"));
    let mine = node(&old, &[1], None);
    let known = vec![Arc::clone(mine.certificate())];
    let both = [old.certificate_der().clone(), new.certificate_der().clone()];
    let wider = trust_in(&both, Leniency::Strict, &[]);
    let checked = job(ping(&mine), &wider, known.clone()).run().unwrap();
    assert_eq!(checked.new_certificates.len(), 1);
    let error = job(ping(&mine), &trust(&new), known).run().unwrap_err();
    assert!(matches!(error, VerifyError::UnknownIssuer { .. }));
}

// R6940-6.3.4-07
#[test]
fn message_without_certificates_needs_the_cache() {
    let ca = ca("CA");
    let alice = node(&ca, &[1, 2], None);
    let trust = trust(&ca);
    let mut cache = CertificateCache::new(10);
    let first = job(ping(&alice), &trust, Vec::new()).run().unwrap();
    assert_eq!(first.new_certificates.len(), 1);
    first.new_certificates.into_iter().for_each(|certificate| cache.insert(certificate));

    let mut bare = ping(&alice);
    bare.security.certificates.clear();
    assert_eq!(refusal(bare.clone(), &trust), VerifyError::UnknownSigner);
    let known = cache.lookup_message(&Dialect::default(), &bare);
    assert_eq!(known.len(), 1);
    let again = job(bare, &trust, known).run().unwrap();
    assert!(again.new_certificates.is_empty());
    assert_eq!(again.message.signer().node_id, node_id(1));
}

#[test]
fn bucket_with_an_unneeded_bad_certificate_is_no_reason_to_refuse() {
    let (ours, theirs) = (ca("CA"), ca("Other"));
    let alice = node(&ours, &[1], None);
    let stranger = node(&theirs, &[2], None).certificate().der().clone();
    let noise = Bytes::from_static(b"no certificate");
    let parts =
        arrive(&alice, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\0"), &[stranger, noise]);
    let message = verify_message(parts, &trust(&ours), &[], NOW).unwrap();
    assert_eq!(message.certificates().len(), 1, "only what was needed is verified");
}

// R6940-6.3.4-21
#[test]
fn certificate_of_another_type_is_passed_over() {
    let ca = ca("CA");
    let mut parts = ping(&node(&ca, &[1], None));
    let own = parts.security.certificates[0].clone();
    let openpgp = GenericCertificate { kind: 1, ..own.clone() };
    parts.security.certificates = vec![openpgp.clone(), own];
    assert!(verify_message(parts.clone(), &trust(&ca), &[], NOW).is_ok());
    parts.security.certificates = vec![openpgp];
    assert_eq!(refusal(parts, &trust(&ca)), VerifyError::UnknownSigner);
}

#[test]
fn cache_drops_the_least_recently_used() {
    let ca = ca("CA");
    let certificates: Vec<_> =
        (1..=3).map(|id| Arc::clone(node(&ca, &[id, id + 100], None).certificate())).collect();
    let mut cache = CertificateCache::new(2);
    cache.insert(Arc::clone(&certificates[0]));
    cache.insert(Arc::clone(&certificates[1]));
    assert!(cache.get(certificates[0].sha256()).is_some());
    cache.insert(Arc::clone(&certificates[2]));
    assert_eq!(cache.len(), 2);
    assert!(cache.get(certificates[1].sha256()).is_none());
    assert!(cache.get(certificates[0].sha256()).is_some());
    cache.insert(Arc::clone(&certificates[0]));
    assert_eq!(cache.len(), 2, "one certificate is held once");
    cache.remove(certificates[0].sha256());
    cache.remove(certificates[2].sha256());
    assert!(cache.is_empty());
    let mut none = CertificateCache::new(0);
    none.insert(Arc::clone(&certificates[0]));
    assert!(none.is_empty());
}

#[test]
fn jobs_and_results_go_to_other_threads() {
    fn movable<T: Send + 'static>() {}
    movable::<VerifyJob>();
    movable::<SealJob>();
    movable::<Result<Checked, VerifyError>>();
    movable::<Credentials>();
}

// R6940-6.3.4-06, R6940-6.3.4-08
#[test]
fn bucket_holds_signer_chain_and_extras_once() {
    let ca = ca("CA");
    let (alice, bob) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let (own, other) = (alice.certificate().der(), bob.certificate().der());
    let extras = [own.clone(), other.clone(), other.clone()];
    let parts = arrive(&alice, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\0"), &extras);
    let bucket: Vec<_> =
        parts.security.certificates.iter().map(|generic| &generic.certificate).collect();
    assert_eq!(bucket, [own, other]);
}

#[test]
fn rsa_with_sha1_is_taken_by_the_lenient_switch_only() {
    let rsa = crate::fixture::vector_credentials("rsa");
    let mut parts = ping(&rsa);
    parts.security.signature.algorithm.hash = HashAlgorithm(2);
    let strict = crate::fixture::vector_trust(Leniency::Strict);
    assert!(matches!(refusal(parts.clone(), &strict), VerifyError::UnsupportedAlgorithm(_)));
    let lenient = crate::fixture::vector_trust(Leniency::Lenient);
    assert_eq!(refusal(parts, &lenient), VerifyError::BadSignature);
}

#[test]
fn signature_of_one_key_under_the_identity_of_another_is_refused() {
    let ca = ca("CA");
    let (alice, bob) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let mut parts = ping(&alice);
    parts.security.certificates = ping(&bob).security.certificates;
    parts.security.signature.identity = bob.identity().clone();
    assert_eq!(refusal(parts, &trust(&ca)), VerifyError::BadSignature);
    let key = key();
    let der = ca.node_certificate(key.spki(), OVERLAY, &[node_id(1)], None, year()).unwrap();
    let certificate = trust(&ca).check(&der, &[], NOW).unwrap();
    let twin = Credentials::new(key, certificate).unwrap();
    let mut parts = ping(&twin);
    parts.security.signature.value = ping(&alice).security.signature.value;
    assert_eq!(refusal(parts, &trust(&ca)), VerifyError::BadSignature);
}
