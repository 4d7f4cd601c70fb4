//! Bytes from outside never make a check panic, and what we sign always verifies.

use crate::fixture::{NOW, ca, node, node_id, trust};
use crate::message::arrive;
use bytes::Bytes;
use proptest::prelude::*;
use reload_identity::{
    Credentials, Issuer, SigningRequest, Trust, certificates_from_pem, sign_value, verify_message,
    verify_value,
};
use reload_wire::{
    DataModel, DataValue, GenericCertificate, KindId, MessageCode, ResourceId, StoredDataValue,
    UnixTime,
};
use std::sync::LazyLock;

static CA: LazyLock<Issuer> = LazyLock::new(|| ca("CA"));
static TRUST: LazyLock<Trust> = LazyLock::new(|| trust(&CA));
static ALICE: LazyLock<Credentials> = LazyLock::new(|| node(&CA, &[1, 2], Some("alice@x")));

fn any_value() -> impl Strategy<Value = StoredDataValue> {
    let data = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200))
        .prop_map(|(exists, value)| DataValue { exists, value: value.into() });
    let key = proptest::collection::vec(any::<u8>(), 0..40);
    (0..3, any::<u32>(), key, data).prop_map(|(model, index, key, value)| match model {
        0 => StoredDataValue::Single(value),
        1 => StoredDataValue::Array { index, value },
        _ => StoredDataValue::Dictionary { key: key.into(), value },
    })
}

proptest! {
    #[test]
    fn any_bytes_are_no_certificate_request_or_pem(bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let bytes = Bytes::from(bytes);
        prop_assert!(TRUST.check(&bytes, &[], NOW).is_err());
        prop_assert!(SigningRequest::read(&bytes).is_err());
        prop_assert!(certificates_from_pem(&text).is_err());
    }

    #[test]
    fn damaged_certificate_is_refused(at: prop::sample::Index, mask in 1_u8..) {
        let mut der = ALICE.certificate().der().to_vec();
        let at = at.index(der.len());
        der[at] ^= mask;
        prop_assert!(TRUST.check(&der.into(), &[], NOW).is_err());
    }

    #[test]
    fn sealed_message_verifies(code: u16, body: Vec<u8>, second: bool) {
        let from = ALICE.acting_as(node_id(1 + u8::from(second))).unwrap();
        let parts = arrive(&from, MessageCode(code), body.clone().into(), &[]);
        let message = verify_message(parts, &TRUST, &[], NOW).unwrap();
        prop_assert_eq!(message.signer().node_id, from.node_id());
        prop_assert_eq!(&message.contents.body[..], &body[..]);
    }

    #[test]
    fn signed_value_verifies(
        value in any_value(),
        kind: u32,
        time: u64,
        resource in proptest::collection::vec(any::<u8>(), 1..30),
    ) {
        let (kind, resource) = (KindId(kind), ResourceId::new(&resource).unwrap());
        let stored = sign_value(&ALICE, &resource, kind, UnixTime(time), 1, &value).unwrap();
        let bucket = [GenericCertificate::x509(ALICE.certificate().der().clone())];
        let model: DataModel = value.model();
        let verified =
            verify_value(&stored, &resource, (kind, model), &TRUST, &bucket, NOW).unwrap();
        prop_assert_eq!(verified.value(), &value);
    }
}
