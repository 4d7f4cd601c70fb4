//! For all settings: reading gives back what was written. For all bytes: no panic.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use reload_config::*;
use reload_wire::{DataModel, KindId, NodeId, NodeIdLength, UnixTime};

use crate::sample;

/// Text that XML can hold, without blanks at its ends.
fn text() -> impl Strategy<Value = String> {
    "[!-~äλ][ -~\t\n\räλ]{0,12}[!-~]"
}

fn node_ids(length: u8) -> impl Strategy<Value = Vec<NodeId>> {
    let bytes = vec(1..=254_u8, usize::from(length));
    vec(bytes.prop_map(|bytes| NodeId::new(&bytes).unwrap()), 0..3)
}

fn definition() -> impl Strategy<Value = KindDefinition> {
    let model =
        prop_oneof![Just(DataModel::Single), Just(DataModel::Array), Just(DataModel::Dictionary)];
    let access = prop_oneof![
        Just(AccessControl::UserMatch),
        Just(AccessControl::NodeMatch),
        Just(AccessControl::UserNodeMatch),
        (1..=255_u8).prop_map(|max| AccessControl::NodeMultiple { max }),
        "[A-Z]{3}&[A-Z]{3}".prop_map(AccessControl::Unknown),
    ];
    let id = 0xf000_0001_u32..=0xffff_fffd;
    let sizes = (0..=0x7fff_ffff_u32, 0..=0x7fff_ffff_u32);
    let private = (id, model, access, sizes).prop_map(|(id, model, access, (count, size))| {
        KindDefinition::private(KindId(id), model, access, count, size)
    });
    let registered = (0..8_usize, any::<bool>()).prop_map(|(index, small)| {
        let kind = iana_kind_by_id(KindId::REGISTERED[index]).unwrap();
        KindDefinition::registered(kind, 9, if small { 1 } else { 1000 })
    });
    prop_oneof![2 => private, 1 => registered]
}

fn kinds() -> impl Strategy<Value = Vec<KindBlock>> {
    vec((definition(), option::of(vec(any::<u8>(), 0..90))), 0..4).prop_map(|list| {
        let mut blocks: Vec<KindBlock> = Vec::new();
        for (definition, signature) in list {
            if blocks.iter().all(|block| block.definition.id != definition.id) {
                let mut block = KindBlock::new(definition);
                block.signature = signature.map(Bytes::from);
                blocks.push(block);
            }
        }
        blocks
    })
}

fn certificates() -> impl Strategy<Value = Vec<Bytes>> {
    let certificate = vec(any::<u8>(), 0..100).prop_map(|content| {
        let mut der = vec![0x30, u8::try_from(content.len()).unwrap()];
        der.extend(content);
        Bytes::from(der)
    });
    vec(certificate, 0..3)
}

fn basics() -> impl Strategy<Value = Settings> {
    let name = "[a-z0-9]{1,8}(\\.[a-z][a-z0-9-]{0,8}[a-z0-9]){0,2}";
    let time = option::of((0..250_000_000_000_000_u64).prop_map(UnixTime));
    let numbers = (any::<u8>(), any::<[bool; 3]>(), 38..=u32::MAX, 1..=255_u8, 200..9_999_999_u64);
    let chord = (1..=0x7fff_ffff_u32, 1..=0x7fff_ffff_u32);
    (name, 0..=65534_u16, time, numbers, chord).prop_map(
        |(name, sequence, time, numbers, chord)| {
            let mut settings = Settings::new(name);
            let (density, [clients, no_ice, reactive], size, ttl, timer) = numbers;
            settings.sequence = sequence;
            settings.expiration = time;
            settings.turn_density = density;
            settings.clients_permitted = clients;
            settings.no_ice = no_ice;
            settings.max_message_size = size;
            settings.initial_ttl = ttl;
            settings.overlay_reliability_timer = Duration::from_millis(timer);
            settings.chord =
                ChordSettings { update_interval: chord.0, ping_interval: chord.1, reactive };
            settings
        },
    )
}

fn attributes() -> impl Strategy<Value = Vec<ExtensionAttribute>> {
    option::of(text()).prop_map(|value| {
        let make = |value| ExtensionAttribute {
            namespace: "urn:example:\"&<".to_owned(),
            name: "note".to_owned(),
            value,
        };
        value.map(make).into_iter().collect()
    })
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let extension = ("[a-z]{1,5}", "[a-z]{1,5}").prop_map(|(name, content)| Extension {
        namespace: "urn:x".to_owned(),
        xml: format!("<x:{name} xmlns:x=\"urn:x\"><inner>{content}</inner></x:{name}>"),
        name,
    });
    vec(extension, 0..2)
}

fn settings() -> impl Strategy<Value = Settings> {
    let length = prop_oneof![3 => Just(16_u8), 1 => 17..=20_u8];
    let ids = length.prop_flat_map(|n| (Just(n), node_ids(n), node_ids(n), node_ids(n)));
    let texts = (option::of(text()), vec(text(), 0..2), vec(text(), 1..3));
    let digest =
        option::of(prop_oneof![Just(SelfSignedDigest::Sha1), Just(SelfSignedDigest::Sha256)]);
    let addresses = vec((any::<std::net::IpAddr>(), 1..=u16::MAX), 0..3);
    let lists = (kinds(), certificates(), attributes(), extensions());
    (basics(), ids, texts, digest, addresses, lists).prop_map(
        |(mut settings, ids, texts, digest, addresses, lists)| {
            settings.node_id_length = NodeIdLength::new(ids.0).unwrap();
            if ids.0 != 16 {
                settings.topology_plugin = "EXP-OVERLAY".to_owned();
            }
            (settings.configuration_signers, settings.kind_signers) = (ids.1, ids.2);
            settings.bad_nodes = ids.3;
            settings.shared_secret = texts.0.map(SharedSecret::new);
            settings.mandatory_extensions = texts.1;
            settings.overlay_link_protocols = texts.2;
            settings.self_signed = digest;
            settings.bootstrap_nodes = addresses.into_iter().map(SocketAddr::from).collect();
            settings.enrollment_servers = vec!["https://a.example/?a=1&b=2".to_owned()];
            (settings.kinds, settings.root_certs) = (lists.0, lists.1);
            (settings.attributes, settings.extensions) = (lists.2, lists.3);
            settings
        },
    )
}

proptest! {
    // R6940-10.7.4.1-02
    #[test]
    fn reading_gives_back_what_was_written(settings in settings(), signature in vec(any::<u8>(), 0..300)) {
        let mut builder = ConfigurationBuilder::new("a.example");
        *builder = settings.clone();
        let raw = builder.build().unwrap();
        let document = OverlayDocument::parse(&assemble(&raw, &signature)).unwrap();
        let [found] = document.configurations() else { panic!("there is one") };
        prop_assert_eq!(&found.settings, &settings);
        prop_assert_eq!(&found.raw, &raw);
        prop_assert_eq!(found.signature.as_deref(), Some(&signature[..]));
        let again = ConfigurationBuilder::from_configuration(found).unwrap();
        prop_assert_eq!(again.build().unwrap(), raw);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = OverlayDocument::parse(&bytes);
        let _ = KindBlock::parse(&bytes, &ReadOptions::lenient());
    }

    #[test]
    fn no_change_of_a_sample_makes_the_reader_panic(
        index in 0..4_usize, at in any::<prop::sample::Index>(), cut in 0..30_usize, new in "[ -~]{0,6}",
    ) {
        let name = ["full.xml", "prefixed.xml", "new-overlay.xml", "rfc6940-sample.xml"][index];
        let mut bytes = sample(name);
        let start = at.index(bytes.len());
        let end = bytes.len().min(start + cut);
        bytes.splice(start..end, new.bytes());
        for options in [ReadOptions::default(), ReadOptions::lenient()] {
            if let Ok(document) = OverlayDocument::parse_with(&bytes, &options) {
                for (place, found) in document.configurations().iter().enumerate() {
                    if let Ok(builder) = ConfigurationBuilder::from_configuration(found) {
                        let _ = builder.build();
                    }
                    let signed = document.with_signature(&found.instance_name, b"x").unwrap();
                    let after = OverlayDocument::parse_with(&signed, &options).unwrap();
                    prop_assert_eq!(&after.configurations()[place].raw, &found.raw);
                }
            }
        }
    }
}

// R6940-11.1-01
#[test]
fn every_prefix_of_a_sample_is_refused() {
    let bytes = sample("full.xml");
    let whole = bytes.trim_ascii_end().len();
    for length in 0..whole {
        assert!(OverlayDocument::parse(&bytes[..length]).is_err(), "{length}");
    }
}
