//! Decoded structures as the neutral tables that the vectors use.

use bytes::Bytes;
use reload_wire::*;
use toml::{Table, Value};

/// A value in the form of the vectors.
pub(crate) trait Fields {
    fn fields(&self) -> Value;
}

/// A table with one key: an alternative of a choice and its value.
fn choice(name: &str, value: Value) -> Value {
    Value::Table(Table::from_iter([(name.to_owned(), value)]))
}

/// A table of all fields of a structure.
macro_rules! fields {
    ($($type:ident { $($field:ident),* })*) => { $(
        impl Fields for $type {
            fn fields(&self) -> Value {
                #[allow(unused_mut)]
                let mut table = Table::new();
                $(table.insert(stringify!($field).to_owned(), self.$field.fields());)*
                Value::Table(table)
            }
        }
    )* };
}

/// Numbers of up to 32 bits are integers.
macro_rules! integers {
    ($($type:ty: $this:ident => $number:expr;)*) => { $(
        impl Fields for $type {
            fn fields(&self) -> Value {
                let $this = self;
                Value::Integer(i64::from($number))
            }
        }
    )* };
}

/// Bytes, identifiers and 64-bit numbers are text of hexadecimal digits.
macro_rules! texts {
    ($($type:ty: $this:ident => $text:expr;)*) => { $(
        impl Fields for $type {
            fn fields(&self) -> Value {
                let $this = self;
                Value::String($text)
            }
        }
    )* };
}

integers! {
    u8: it => *it;
    u16: it => *it;
    u32: it => *it;
    KindId: it => it.0;
    MessageCode: it => it.0;
    ErrorCode: it => it.0;
    OverlayLinkType: it => it.0;
    ProbeInformationType: it => it.0;
    HashAlgorithm: it => it.0;
    SignatureAlgorithm: it => it.0;
    CandType: it => it.number();
}

texts! {
    u64: it => format!("{it:016x}");
    UnixTime: it => format!("{:016x}", it.0);
    TransactionId: it => it.to_string();
    Bytes: it => format!("{it:x}");
    NodeId: it => it.to_string();
    ResourceId: it => it.to_string();
}

impl Fields for bool {
    fn fields(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl<T: Fields> Fields for Vec<T> {
    fn fields(&self) -> Value {
        Value::Array(self.iter().map(Fields::fields).collect())
    }
}

impl<T: Fields> Fields for Option<T> {
    fn fields(&self) -> Value {
        self.as_ref().map_or_else(|| Value::String("none".to_owned()), Fields::fields)
    }
}

fields! {
    ForwardingHeader {
        overlay, configuration_sequence, ttl, fragment, length, transaction_id,
        max_response_length, via_list, destination_list, options
    }
    Fragment { last, offset }
    ForwardingOption { kind, flags, data }
    MessageContents { code, body, extensions }
    MessageExtension { kind, critical, contents }
    ErrorResponse { code, info }
    SecurityBlock { certificates, signature }
    GenericCertificate { kind, certificate }
    Signature { algorithm, identity, value }
    SignatureAndHashAlgorithm { hash, signature }
    JoinReq { joining_peer_id, overlay_specific_data }
    JoinAns { overlay_specific_data }
    LeaveReq { leaving_peer_id, overlay_specific_data }
    LeaveAns {}
    UpdateAns {}
    ConfigUpdateAns {}
    RouteQueryReq { send_update, destination, overlay_specific_data }
    ProbeReq { requested_info }
    ProbeAns { probe_info }
    AttachReqAns { ufrag, password, role, candidates, send_update }
    AppAttachReqAns { ufrag, password, application, role, candidates }
    IceCandidate { addr_port, overlay_link, foundation, priority, kind, related, extensions }
    IceExtension { name, value }
    PingReq { padding }
    PingAns { response_id, time }
    StoredData { storage_time, lifetime, value, signature }
    DataValue { exists, value }
    StoreReq { resource, replica_number, kind_data }
    StoreKindData { kind, generation_counter, values }
    StoreAns { kind_responses }
    StoreKindResponse { kind, generation_counter, replicas }
    StoredDataSpecifier { kind, generation, model_specifier }
    ArrayRange { first, last }
    FetchReq { resource, specifiers }
    FetchAns { kind_responses }
    FetchKindResponse { kind, generation, values }
    StatReq { resource, specifiers }
    StatAns { kind_responses }
    StatKindResponse { kind, generation, values }
    StoredMetaData { storage_time, lifetime, metadata }
    MetaData { exists, value_length, hash_algorithm, hash_value }
    FindReq { resource, kinds }
    FindAns { results }
    FindKindData { kind, closest }
    ChordUpdate { uptime, kind }
    ChordRouteQueryAns { next_peer }
    TurnServer { iteration, server_address }
}

impl Fields for UnknownKinds {
    fn fields(&self) -> Value {
        choice("kinds", self.0.fields())
    }
}

/// An unknown alternative: its number and its bytes.
fn unknown(kind: u8, data: &Bytes) -> Value {
    let pair = [("kind".to_owned(), kind.fields()), ("data".to_owned(), data.fields())];
    choice("unknown", Value::Table(Table::from_iter(pair)))
}

impl Fields for Destination {
    fn fields(&self) -> Value {
        match self {
            Self::Node(id) => choice("node", id.fields()),
            Self::Resource(id) => choice("resource", id.fields()),
            Self::Opaque(id) => choice("opaque", id.fields()),
            Self::Unknown { kind, data } => unknown(*kind, data),
        }
    }
}

impl Fields for SignerIdentity {
    fn fields(&self) -> Value {
        let hashed = |name, algorithm: &HashAlgorithm, hash: &Bytes| {
            let pair = [("hash_alg", algorithm.fields()), ("hash", hash.fields())];
            let pair = pair.map(|(key, value)| (key.to_owned(), value));
            choice(name, Value::Table(Table::from_iter(pair)))
        };
        match self {
            Self::CertHash { hash_alg, hash } => hashed("cert_hash", hash_alg, hash),
            Self::CertHashNodeId { hash_alg, hash } => hashed("cert_hash_node_id", hash_alg, hash),
            Self::None => Value::String("none".to_owned()),
            Self::Unknown { kind, data } => unknown(*kind, data),
        }
    }
}

impl Fields for SipRegistration {
    fn fields(&self) -> Value {
        match self {
            Self::Uri(uri) => choice("uri", uri.fields()),
            Self::Route { contact_prefs, destination_list } => {
                let prefs = ("contact_prefs".to_owned(), contact_prefs.fields());
                let list = ("destination_list".to_owned(), destination_list.fields());
                choice("route", Value::Table(Table::from_iter([prefs, list])))
            }
            Self::Unknown { kind, data } => unknown(*kind, data),
        }
    }
}

impl Fields for ProbeInformation {
    fn fields(&self) -> Value {
        match self {
            Self::ResponsibleSet(number) => choice("responsible_set", number.fields()),
            Self::NumResources(number) => choice("num_resources", number.fields()),
            Self::Uptime(number) => choice("uptime", number.fields()),
            Self::Unknown { kind, data } => unknown(kind.0, data),
        }
    }
}

impl Fields for IpAddressPort {
    fn fields(&self) -> Value {
        match self {
            Self::Unknown { kind, data } => unknown(*kind, data),
            known => Value::String(known.to_string()),
        }
    }
}

impl Fields for ConfigUpdateReq {
    fn fields(&self) -> Value {
        match self {
            Self::Config(document) => choice("config", document.fields()),
            Self::Kinds(kinds) => choice("kinds", kinds.fields()),
            Self::Unknown { kind, data } => unknown(*kind, data),
        }
    }
}

impl Fields for FramedMessage {
    fn fields(&self) -> Value {
        let (name, pair) = match self {
            Self::Data { sequence, message } => {
                ("data", [("sequence", sequence.fields()), ("message", message.fields())])
            }
            Self::Ack { ack_sequence, received } => {
                ("ack", [("ack_sequence", ack_sequence.fields()), ("received", received.fields())])
            }
        };
        let pair = pair.map(|(key, value)| (key.to_owned(), value));
        choice(name, Value::Table(Table::from_iter(pair)))
    }
}

/// A table of a place and a value, or the value alone.
fn placed(place: Option<(&str, Value)>, value: Value) -> Value {
    let Some((name, place)) = place else {
        return choice("value", value);
    };
    let pair = [(name.to_owned(), place), ("value".to_owned(), value)];
    Value::Table(Table::from_iter(pair))
}

impl Fields for StoredDataValue {
    fn fields(&self) -> Value {
        match self {
            Self::Single(value) => placed(None, value.fields()),
            Self::Array { index, value } => placed(Some(("index", index.fields())), value.fields()),
            Self::Dictionary { key, value } => placed(Some(("key", key.fields())), value.fields()),
        }
    }
}

impl Fields for MetaDataValue {
    fn fields(&self) -> Value {
        match self {
            Self::Single(value) => placed(None, value.fields()),
            Self::Array { index, value } => placed(Some(("index", index.fields())), value.fields()),
            Self::Dictionary { key, value } => placed(Some(("key", key.fields())), value.fields()),
        }
    }
}

impl Fields for ModelSpecifier {
    fn fields(&self) -> Value {
        match self {
            Self::Single => Value::Table(Table::new()),
            Self::Array(ranges) => choice("indices", ranges.fields()),
            Self::Dictionary(keys) => choice("keys", keys.fields()),
        }
    }
}

impl Fields for ChordUpdateKind {
    fn fields(&self) -> Value {
        let lists = |names: &[(&str, &Vec<NodeId>)]| {
            let named = names.iter().map(|(name, nodes)| ((*name).to_owned(), nodes.fields()));
            Value::Table(named.collect())
        };
        match self {
            Self::PeerReady => Value::String("peer_ready".to_owned()),
            Self::Neighbors { predecessors, successors } => choice(
                "neighbors",
                lists(&[("predecessors", predecessors), ("successors", successors)]),
            ),
            Self::Full { predecessors, successors, fingers } => choice(
                "full",
                lists(&[
                    ("predecessors", predecessors),
                    ("successors", successors),
                    ("fingers", fingers),
                ]),
            ),
        }
    }
}

impl Fields for ChordLeaveData {
    fn fields(&self) -> Value {
        match self {
            Self::FromSucc(nodes) => choice("from_succ", nodes.fields()),
            Self::FromPred(nodes) => choice("from_pred", nodes.fields()),
        }
    }
}
