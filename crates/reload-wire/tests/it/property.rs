//! Properties of every structure: what is written is read again, prefixes are refused, and no bytes
//! make a decoder panic.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use reload_vectors::structures;
use reload_wire::*;

use crate::structure::{self, NAMES};

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
}

fn dialects() -> impl Strategy<Value = Dialect> {
    (16_u8..=20).prop_map(|length| Dialect::new(NodeIdLength::new(length).unwrap()))
}

/// A dialect and a value of it.
fn with_dialect<S: Strategy>(
    value: fn(Dialect) -> S,
) -> impl Strategy<Value = (Dialect, S::Value)> {
    dialects().prop_flat_map(move |dialect| (Just(dialect), value(dialect)))
}

fn node_id(dialect: Dialect) -> impl Strategy<Value = NodeId> {
    vec(any::<u8>(), dialect.node_id_length.get()).prop_map(|id| NodeId::new(&id).unwrap())
}

fn resource_id() -> impl Strategy<Value = ResourceId> {
    vec(any::<u8>(), 0..=255).prop_map(|id| ResourceId::new(&id).unwrap())
}

fn destination(dialect: Dialect) -> impl Strategy<Value = Destination> {
    prop_oneof![
        node_id(dialect).prop_map(Destination::Node),
        vec(any::<u8>(), 0..=254)
            .prop_map(|id| Destination::Resource(ResourceId::new(&id).unwrap())),
        bytes(4).prop_map(Destination::Opaque),
        (4_u8..128, bytes(255)).prop_map(|(kind, data)| Destination::Unknown { kind, data }),
    ]
}

fn header(dialect: Dialect) -> impl Strategy<Value = ForwardingHeader> {
    let option = (any::<u8>(), any::<u8>(), bytes(40))
        .prop_map(|(kind, flags, data)| ForwardingOption { kind, flags, data });
    let fixed = (
        any::<(u32, u16, u8, u32, u64, u32)>(),
        any::<bool>(),
        0_u32..=0x00ff_ffff,
        vec(destination(dialect), 0..5),
        vec(destination(dialect), 0..5),
        vec(option, 0..3),
    );
    fixed.prop_map(|(numbers, last, offset, via_list, destination_list, options)| {
        let (overlay, configuration_sequence, ttl, length, id, max_response_length) = numbers;
        ForwardingHeader {
            overlay,
            configuration_sequence,
            ttl,
            fragment: Fragment { last, offset },
            length,
            transaction_id: TransactionId(id),
            max_response_length,
            via_list,
            destination_list,
            options,
        }
    })
}

fn signature() -> impl Strategy<Value = Signature> {
    let hashed = || (any::<u8>().prop_map(HashAlgorithm), bytes(64));
    let identity = prop_oneof![
        hashed().prop_map(|(hash_alg, hash)| SignerIdentity::CertHash { hash_alg, hash }),
        hashed().prop_map(|(hash_alg, hash)| SignerIdentity::CertHashNodeId { hash_alg, hash }),
        Just(SignerIdentity::None),
        (4_u8.., bytes(40)).prop_map(|(kind, data)| SignerIdentity::Unknown { kind, data }),
    ];
    (any::<(u8, u8)>(), identity, bytes(80)).prop_map(|((hash, signature), identity, value)| {
        let hash = HashAlgorithm(hash);
        let signature = SignatureAlgorithm(signature);
        let algorithm = SignatureAndHashAlgorithm { hash, signature };
        Signature { algorithm, identity, value }
    })
}

fn data_value() -> impl Strategy<Value = DataValue> {
    (any::<bool>(), bytes(60)).prop_map(|(exists, value)| DataValue { exists, value })
}

fn stored_data_value() -> impl Strategy<Value = StoredDataValue> {
    prop_oneof![
        data_value().prop_map(StoredDataValue::Single),
        (any::<u32>(), data_value())
            .prop_map(|(index, value)| StoredDataValue::Array { index, value }),
        (bytes(20), data_value())
            .prop_map(|(key, value)| StoredDataValue::Dictionary { key, value }),
    ]
}

/// Stored data and the value inside.
fn stored_data() -> impl Strategy<Value = (StoredData, StoredDataValue)> {
    (any::<(u64, u32)>(), stored_data_value(), signature()).prop_map(
        |((time, lifetime), value, signature)| {
            let raw = value.to_bytes().unwrap();
            let storage_time = UnixTime(time);
            (StoredData { storage_time, lifetime, value: raw, signature }, value)
        },
    )
}

fn address() -> impl Strategy<Value = IpAddressPort> {
    prop_oneof![
        any::<(u32, u16)>().prop_map(|(ip, port)| IpAddressPort::V4(ip.into(), port)),
        any::<(u128, u16)>().prop_map(|(ip, port)| IpAddressPort::V6(ip.into(), port)),
        (3_u8.., bytes(30)).prop_map(|(kind, data)| IpAddressPort::Unknown { kind, data }),
    ]
}

fn candidate() -> impl Strategy<Value = IceCandidate> {
    let extension = (bytes(9), bytes(9)).prop_map(|(name, value)| IceExtension { name, value });
    let kind = prop_oneof![
        Just((CandType::Host, None)),
        address().prop_map(|related| (CandType::Srflx, Some(related))),
        address().prop_map(|related| (CandType::Relay, Some(related))),
    ];
    (address(), any::<(u8, u32)>(), bytes(32), kind, vec(extension, 0..3)).prop_map(
        |(addr_port, (link, priority), foundation, (kind, related), extensions)| {
            let overlay_link = OverlayLinkType(link);
            IceCandidate {
                addr_port,
                overlay_link,
                foundation,
                priority,
                kind,
                related,
                extensions,
            }
        },
    )
}

fn chord_update(dialect: Dialect) -> impl Strategy<Value = ChordUpdate> {
    let nodes = || vec(node_id(dialect), 0..4);
    let kind = prop_oneof![
        Just(ChordUpdateKind::PeerReady),
        (nodes(), nodes()).prop_map(|(predecessors, successors)| ChordUpdateKind::Neighbors {
            predecessors,
            successors
        }),
        (nodes(), nodes(), nodes()).prop_map(|(predecessors, successors, fingers)| {
            ChordUpdateKind::Full { predecessors, successors, fingers }
        }),
    ];
    (any::<u32>(), kind).prop_map(|(uptime, kind)| ChordUpdate { uptime, kind })
}

/// What is written is read again as the same value, and no strict prefix of it is read.
fn check<T: Decode + Encode + PartialEq + std::fmt::Debug>(dialect: &Dialect, value: &T) {
    let written = value.to_bytes().unwrap();
    assert_eq!(T::decode_exact(dialect, &written).as_ref(), Ok(value));
    for end in 0..written.len() {
        assert!(T::decode_exact(dialect, &written[..end]).is_err(), "cut at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // R6940-6.3.2.3-07
    #[test]
    fn headers_go_both_ways((dialect, header) in with_dialect(header)) {
        check(&dialect, &header);
    }

    // R6940-6.3.2-14, R6940-6.7-04
    #[test]
    fn joined_messages_split_into_their_header_and_the_same_rest(
        (dialect, mut header) in with_dialect(header),
        rest in bytes(300),
    ) {
        let message = header.join(&rest, MAX_MESSAGE_SIZE).unwrap();
        let (read, behind) = ForwardingHeader::split(&dialect, &message).unwrap();
        header.length = u32::try_from(message.len()).unwrap();
        prop_assert_eq!(read, header);
        prop_assert_eq!(&behind, &rest);
        if !behind.is_empty() {
            let shared = message.slice(message.len() - behind.len()..);
            prop_assert_eq!(shared.as_ptr(), behind.as_ptr());
        }
    }

    #[test]
    fn route_queries_go_both_ways(
        (dialect, destination) in with_dialect(destination),
        send_update: bool,
        overlay_specific_data in bytes(40),
    ) {
        check(&dialect, &RouteQueryReq { send_update, destination, overlay_specific_data });
    }

    #[test]
    fn security_blocks_go_both_ways(
        certificates in vec((any::<u8>(), bytes(200)), 0..4),
        signature in signature(),
    ) {
        let certificates = certificates
            .into_iter()
            .map(|(kind, certificate)| GenericCertificate { kind, certificate })
            .collect();
        check(&Dialect::default(), &SecurityBlock { certificates, signature });
    }

    #[test]
    fn contents_go_both_ways(
        code: u16,
        body in bytes(300),
        extensions in vec((any::<u16>(), any::<bool>(), bytes(50)), 0..4),
    ) {
        let extensions = extensions
            .into_iter()
            .map(|(kind, critical, contents)| MessageExtension { kind, critical, contents })
            .collect();
        check(&Dialect::default(), &MessageContents { code: MessageCode(code), body, extensions });
    }

    #[test]
    fn attaches_go_both_ways(
        (ufrag, password, role) in (bytes(255), bytes(30), bytes(9)),
        candidates in vec(candidate(), 0..4),
        send_update: bool,
    ) {
        let attach = AttachReqAns { ufrag, password, role, candidates, send_update };
        check(&Dialect::default(), &attach);
    }

    #[test]
    fn stored_data_of_a_known_model_is_opened_as_it_was_made((data, value) in stored_data()) {
        let dialect = Dialect::default();
        let written = data.to_bytes().unwrap();
        let read = StoredData::decode_exact(&dialect, &written).unwrap();
        let opened = read.open(&dialect, value.model()).unwrap();
        prop_assert_eq!(opened, (data, value));
        prop_assert_eq!(read.to_bytes().unwrap(), written);
    }

    #[test]
    fn stores_are_written_as_they_were_read(
        resource in resource_id(),
        replica_number: u8,
        kinds in vec((any::<(u32, u64)>(), vec(stored_data(), 0..3)), 0..3),
    ) {
        let kind_data = kinds
            .into_iter()
            .map(|((kind, generation_counter), values)| StoreKindData {
                kind: KindId(kind),
                generation_counter,
                values: values.into_iter().map(|(data, _)| data).collect(),
            })
            .collect();
        let written = StoreReq { resource, replica_number, kind_data }.to_bytes().unwrap();
        let read = StoreReq::decode_exact(&Dialect::default(), &written).unwrap();
        prop_assert_eq!(read.to_bytes().unwrap(), written);
    }

    #[test]
    fn chord_updates_go_both_ways((dialect, update) in with_dialect(chord_update)) {
        check(&dialect, &update);
    }

    #[test]
    fn frames_go_both_ways(sequence: u32, message in bytes(300), received: u32) {
        check(&Dialect::default(), &FramedMessage::Data { sequence, message });
        check(&Dialect::default(), &FramedMessage::Ack { ack_sequence: sequence, received });
    }
}

/// Whatever is read can be written, and what was written is read as the same fields.
fn check_any(name: &str, model: Option<DataModel>, dialect: &Dialect, bytes: &[u8]) {
    let Ok(read) = structure::decode(name, model, dialect, bytes) else { return };
    match read.written {
        Ok(written) => {
            let again = structure::decode(name, model, dialect, &written).unwrap();
            assert_eq!(again.fields, read.fields, "{name} {bytes:02x?}");
        }
        // The reserved candidate type is read, and never written.
        Err(error) => {
            let field = "ice_candidate.type";
            assert_eq!(error, EncodeError::NotAllowed { field }, "{name} {bytes:02x?}");
        }
    }
}

/// Every structure with every model it decodes with.
fn cases() -> impl Iterator<Item = (&'static str, Option<DataModel>)> {
    let untagged = ["StoredDataValue", "MetaDataValue", "ModelSpecifier"];
    let models = untagged
        .into_iter()
        .flat_map(|name| DataModel::ALL.into_iter().map(move |model| (name, Some(model))));
    NAMES.iter().map(|name| (*name, None)).chain(models)
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(dialect in dialects(), input in vec(any::<u8>(), 0..120)) {
        for (name, model) in cases() {
            check_any(name, model, &dialect, &input);
        }
        drop(MessageParts::decode(&dialect, &Bytes::from(input)));
    }

    #[test]
    fn bytes_of_few_values_reach_deep_and_do_not_panic(
        dialect in dialects(),
        input in vec(prop_oneof![Just(0_u8), 0_u8..20, any::<u8>()], 0..120),
    ) {
        for (name, model) in cases() {
            check_any(name, model, &dialect, &input);
        }
    }

    #[test]
    fn damaged_vectors_do_not_panic(at: prop::sample::Index, to: u8) {
        for structure in structures().unwrap() {
            for vector in structure.valid.iter().filter(|vector| !vector.hex.0.is_empty()) {
                let mut damaged = vector.hex.0.clone();
                let at = at.index(damaged.len());
                damaged[at] = to;
                let length = NodeIdLength::new(vector.node_id_length).unwrap();
                let model = vector.model.as_ref().and_then(|name| DataModel::from_name(name));
                check_any(&structure.name, model, &Dialect::new(length), &damaged);
            }
        }
    }
}
