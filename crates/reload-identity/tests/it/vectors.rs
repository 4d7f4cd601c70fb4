//! The vectors of `testvectors/identity`: inputs laid out by hand, signatures made by openssl.

use crate::fixture::{NOW, OVERLAY, der, text, vector_credentials, vector_trust};
use bytes::Bytes;
use reload_config::{KindBlock, Leniency, OverlayDocument, ReadOptions};
use reload_identity::{
    VerifyError, seal, sign_configuration, sign_value, verify_message, verify_value,
};
use reload_wire::{
    DataModel, DataValue, Decode, Dialect, Fragment, GenericCertificate, HashAlgorithm, KindId,
    MessageContents, MessageParts, ResourceId, SecurityBlock, Signature, SignatureAlgorithm,
    SignatureAndHashAlgorithm, SignerIdentity, StoredData, StoredDataValue, TransactionId,
    UnixTime,
};

#[derive(serde::Deserialize)]
struct File {
    vector: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    name: String,
    over: String,
    signer: String,
    node_id: String,
    algorithm: String,
    input: String,
    signature: String,
    index: Option<u32>,
}

fn vectors(over: &[&str]) -> Vec<Vector> {
    let file: File = toml::from_str(&text("vectors.toml")).unwrap();
    let found: Vec<_> =
        file.vector.into_iter().filter(|vector| over.contains(&vector.over.as_str())).collect();
    assert!(!found.is_empty());
    found
}

fn unhex(text: &str) -> Bytes {
    let digits: String = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .collect();
    hex::decode(digits).unwrap().into()
}

/// SignerIdentity in these vectors: type, 16-bit length, hash_alg, 8-bit length, 32 bytes.
const IDENTITY: usize = 37;

impl Vector {
    fn split(&self) -> (Bytes, SignerIdentity) {
        let mut input = unhex(&self.input);
        let identity = input.split_off(input.len() - IDENTITY);
        (input, SignerIdentity::decode_exact(&Dialect::default(), &identity).unwrap())
    }

    fn signature(&self, identity: SignerIdentity) -> Signature {
        let numbers = unhex(&self.algorithm);
        Signature {
            algorithm: SignatureAndHashAlgorithm {
                hash: HashAlgorithm(numbers[0]),
                signature: SignatureAlgorithm(numbers[1]),
            },
            identity,
            value: unhex(&self.signature),
        }
    }

    fn bucket(&self) -> Vec<GenericCertificate> {
        vec![GenericCertificate::x509(der(&format!("{}.crt.pem", self.signer)))]
    }

    fn credentials(&self) -> reload_identity::Credentials {
        let credentials = vector_credentials(&self.signer);
        credentials.acting_as(self.node_id.parse().unwrap()).unwrap()
    }

    /// RSA signatures are the same each time.
    fn is_rsa(&self) -> bool {
        self.algorithm == "0401"
    }
}

/// overlay(4) || transaction_id(8) || MessageContents.
fn message(vector: &Vector, input: &[u8], identity: SignerIdentity) -> MessageParts {
    let mut header = crate::message::header();
    header.overlay = u32::from_be_bytes(input[..4].try_into().unwrap());
    header.transaction_id = TransactionId(u64::from_be_bytes(input[4..12].try_into().unwrap()));
    header.fragment = Fragment::WHOLE;
    let contents_raw = Bytes::copy_from_slice(&input[12..]);
    // A byte flipped in a length makes no contents: the signature is over the raw bytes anyway.
    let contents = MessageContents::decode_exact(&Dialect::default(), &contents_raw)
        .unwrap_or(MessageContents::new(reload_wire::MessageCode(0), Bytes::new()));
    let (certificates, signature) = (vector.bucket(), vector.signature(identity));
    MessageParts {
        header,
        contents_raw,
        contents,
        security: SecurityBlock { certificates, signature },
    }
}

// R6940-6.3.4-15
#[test]
fn message_vectors_verify_and_every_flipped_bit_of_them_fails() {
    let trust = vector_trust(Leniency::Strict);
    for vector in vectors(&["message"]) {
        let (input, identity) = vector.split();
        let parts = message(&vector, &input, identity.clone());
        let verified = verify_message(parts, &trust, &[], NOW).unwrap();
        assert_eq!(verified.signer().node_id.to_string(), vector.node_id, "{}", vector.name);
        for bit in 0..input.len() * 8 {
            let mut changed = input.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let parts = message(&vector, &changed, identity.clone());
            let error = verify_message(parts, &trust, &[], NOW).unwrap_err();
            assert_eq!(error, VerifyError::BadSignature, "{} bit {bit}", vector.name);
        }
    }
}

// R6940-6.3.4-12, R6940-6.3.4-13
#[test]
fn our_rsa_signature_over_a_message_is_that_of_the_vector() {
    for vector in vectors(&["message"]).into_iter().filter(Vector::is_rsa) {
        let (input, identity) = vector.split();
        let parts = message(&vector, &input, identity);
        let header = &parts.header;
        let sealed = seal(
            &vector.credentials(),
            header.overlay,
            header.transaction_id,
            &parts.contents,
            &[],
        )
        .unwrap();
        let block = &sealed[parts.contents_raw.len()..];
        let block = SecurityBlock::decode_exact(&Dialect::default(), block).unwrap();
        assert_eq!(sealed[..parts.contents_raw.len()], parts.contents_raw, "{}", vector.name);
        assert_eq!(block, parts.security, "{}", vector.name);
    }
}

/// resource_id(16) || kind(4) || storage_time(8) || StoredDataValue.
struct Stored {
    resource: ResourceId,
    kind: KindId,
    model: DataModel,
    stored: StoredData,
}

fn stored(vector: &Vector, input: &[u8], identity: SignerIdentity) -> Stored {
    let mut value = input[28..].to_vec();
    if let Some(index) = vector.index {
        value[..4].copy_from_slice(&index.to_be_bytes());
    }
    Stored {
        resource: ResourceId::new(&input[..16]).unwrap(),
        kind: KindId(u32::from_be_bytes(input[16..20].try_into().unwrap())),
        model: DataModel::from_name(&vector.over).unwrap(),
        stored: StoredData {
            storage_time: UnixTime(u64::from_be_bytes(input[20..28].try_into().unwrap())),
            lifetime: 86_400,
            value: value.into(),
            signature: vector.signature(identity),
        },
    }
}

fn check(vector: &Vector, of: &Stored) -> Result<String, ()> {
    let trust = vector_trust(Leniency::Strict);
    let kind = (of.kind, of.model);
    verify_value(&of.stored, &of.resource, kind, &trust, &vector.bucket(), NOW)
        .map(|value| value.signer().node_id.to_string())
        .map_err(|_| ())
}

// R6940-7.1-01
#[test]
fn value_vectors_verify_and_every_flipped_bit_of_them_fails() {
    for vector in vectors(&["single", "array", "dictionary"]) {
        let (input, identity) = vector.split();
        let good = stored(&vector, &input, identity.clone());
        assert_eq!(check(&vector, &good), Ok(vector.node_id.clone()), "{}", vector.name);
        let index = 28 * 8..32 * 8;
        for bit in 0..input.len() * 8 {
            if vector.index.is_some() && index.contains(&bit) {
                continue; // the stored index is not covered (E04)
            }
            let mut changed = input.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = stored(&vector, &changed, identity.clone());
            assert_eq!(check(&vector, &changed), Err(()), "{} bit {bit}", vector.name);
        }
    }
}

// R6940-7.1-01
#[test]
fn our_rsa_signature_over_a_value_is_that_of_the_vector() {
    for vector in vectors(&["single", "array", "dictionary"]).into_iter().filter(Vector::is_rsa) {
        let (input, identity) = vector.split();
        let of = stored(&vector, &input, identity);
        let value =
            StoredDataValue::decode_as(&Dialect::default(), of.model, &of.stored.value).unwrap();
        let time = of.stored.storage_time;
        let ours =
            sign_value(&vector.credentials(), &of.resource, of.kind, time, 86_400, &value).unwrap();
        assert_eq!(ours, of.stored, "{}", vector.name);
    }
}

// R6940-7.4.2.2-09
#[test]
fn array_vector_has_another_index_than_the_covered_one() {
    let vector = vectors(&["array"]).remove(0);
    let (input, identity) = vector.split();
    let of = stored(&vector, &input, identity);
    assert_eq!(of.stored.value[..4], [0, 0, 0, 7]);
    assert_eq!(input[28..32], [0; 4]);
    let last = StoredDataValue::Array { index: u32::MAX, value: DataValue::new("def") };
    let time = of.stored.storage_time;
    let rsa = vectors(&["array"]).into_iter().find(Vector::is_rsa).unwrap();
    let appended = sign_value(&rsa.credentials(), &of.resource, of.kind, time, 1, &last).unwrap();
    assert_eq!(appended.signature.value, unhex(&rsa.signature), "an append signs index 0");
}

/// The SecurityBlock of openssl's signature around the blob alone (E11).
fn block(vector: &Vector) -> Bytes {
    let identity = vector.credentials().identity().clone();
    let security =
        SecurityBlock { certificates: vector.bucket(), signature: vector.signature(identity) };
    reload_wire::Encode::to_bytes(&security).unwrap()
}

// R6940-6.3.4-11
#[test]
fn blob_vectors_are_signatures_over_the_blob_alone() {
    for vector in vectors(&["configuration", "kind"]) {
        let blob = unhex(&vector.input);
        let credentials = vector.credentials();
        if vector.is_rsa() {
            assert_eq!(sign_configuration(&credentials, &blob).unwrap(), block(&vector));
        }
    }
}

// R6940-6.3.4-11
#[test]
fn kind_vectors_verify_and_every_flipped_bit_of_them_fails() {
    let trust = vector_trust(Leniency::Strict);
    let mut builder = reload_config::ConfigurationBuilder::new(OVERLAY);
    builder.root_certs = vec![der("ca.crt.pem")];
    for vector in vectors(&["kind"]) {
        builder.kind_signers = vec![vector.node_id.parse().unwrap()];
        let current = builder.to_configuration().unwrap();
        let raw = unhex(&vector.input);
        let xml = [b"<kind-block>", &raw[..], b"</kind-block>"].concat();
        let parsed = KindBlock::parse(&xml, &ReadOptions::default()).unwrap();
        let check = |raw: Bytes| {
            let block = KindBlock { raw, signature: Some(block(&vector)), ..parsed.clone() };
            reload_identity::verify_kind(&block, &current, &trust, NOW).is_ok()
        };
        assert_eq!(parsed.raw, raw);
        assert!(check(raw.clone()), "{}", vector.name);
        for bit in 0..raw.len() * 8 {
            let mut changed = raw.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!check(changed.into()), "{} bit {bit}", vector.name);
        }
    }
}

// R6940-6.3.4-11, R6940-11.1-45, R6940-11.1-46
#[test]
fn configuration_vectors_verify_by_the_previous_configuration() {
    let mut builder = reload_config::ConfigurationBuilder::new(OVERLAY);
    builder.root_certs = vec![der("ca.crt.pem")];
    for vector in vectors(&["configuration"]) {
        builder.configuration_signers = vec![vector.node_id.parse().unwrap()];
        let previous = builder.to_configuration().unwrap();
        let check = |raw: &[u8]| {
            let bytes = reload_config::assemble(raw, &block(&vector));
            let document = OverlayDocument::parse(&bytes).ok()?;
            let signers = reload_identity::Signers::Previous(&previous);
            let leniency = Leniency::Strict;
            Some(reload_identity::verify_configuration(&document, OVERLAY, signers, leniency, NOW))
        };
        let raw = unhex(&vector.input);
        // The little document names no root certificate, so a node could not run it; its signature
        // is good, or that would have been said first.
        let error = check(&raw).unwrap().unwrap_err();
        assert!(matches!(error, reload_identity::ConfigurationError::Unusable(_)), "{error}");
        for bit in 0..raw.len() * 8 {
            let mut changed = raw.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Some(result) = check(&changed) else { continue };
            let error = result.unwrap_err();
            let unusable = matches!(error, reload_identity::ConfigurationError::Unusable(_));
            assert!(!unusable, "{} bit {bit}: {error}", vector.name);
        }
    }
}
