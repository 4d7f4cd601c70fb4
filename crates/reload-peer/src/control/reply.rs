//! The good answers of a daemon, as they are printed with `--json`.

use serde::{Deserialize, Serialize};

use super::{SipCallsReply, SipEntry, SipLookupReply, SipRegisterReply, SipTraceReply, Value};

/// What came out of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the reply to the question of its name")]
pub(crate) enum Reply {
    Status(Box<StatusReply>),
    Links(LinksReply),
    Pipe(PipeReply),
    Ring(RingReply),
    Ping(Pong),
    Probe(Probed),
    Route(RouteReply),
    Locate(LocateReply),
    Store(StoreReply),
    Fetch(FetchReply),
    Stat(StatReply),
    Find(FindReply),
    SipRegister(SipRegisterReply),
    SipLookup(SipLookupReply),
    SipCalls(SipCallsReply),
    SipTrace(SipTraceReply),
}

/// To `Ping`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pong {
    /// The node that answered.
    pub node: String,
    /// Hops of the answer.
    pub hops: u8,
    /// Round trip.
    pub milliseconds: f64,
    /// Its clock minus ours; half of the round trip is in it.
    pub clock_milliseconds: i64,
}

/// To `Probe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Probed {
    /// The peer that answered.
    pub node: String,
    /// Hops of the answer.
    pub hops: u8,
    /// Round trip.
    pub milliseconds: f64,
    /// Its share of the overlay, in percent.
    pub share_percent: Option<f64>,
    /// Resources it holds.
    pub resources: Option<u32>,
    /// Seconds since it joined.
    pub uptime: Option<u32>,
}

/// To `Ring`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RingReply {
    /// The node that asked.
    pub this_node: String,
    /// In order of the ring, lowest Node-ID first.
    pub peers: Vec<RingEntry>,
}

/// One peer of the ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RingEntry {
    /// What it said of itself.
    #[serde(flatten)]
    pub probed: Probed,
    /// Whether it is the node that asked.
    pub this_node: bool,
}

/// To `Route`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteReply {
    /// The Resource-ID or Node-ID.
    pub target: String,
    /// From this node to the responsible one.
    pub path: Vec<RouteStep>,
}

/// One peer of a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteStep {
    /// The peer.
    pub node: String,
    /// How long its answer took; none for this node, which asks itself.
    pub milliseconds: Option<f64>,
}

/// To `Locate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LocateReply {
    /// The name as typed.
    pub name: String,
    /// Its Resource-ID.
    pub resource: String,
    /// The responsible peer.
    pub responsible: String,
    /// The peers that keep copies, nearest first.
    pub replicas: Vec<String>,
    /// Hops of the responsible peer's answer.
    pub hops: u8,
}

/// To `Store` and `Remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreReply {
    /// The Resource-ID.
    pub resource: String,
    /// The kind.
    pub kind: u32,
    /// The generation counter after the store.
    pub generation: u64,
    /// The peer that answered.
    pub responsible: String,
    /// The peers that keep copies.
    pub replicas: Vec<String>,
    /// Hops of the answer.
    pub hops: u8,
    /// Milliseconds since 1970 of the value; later than the clock if a later one was there.
    pub storage_time: Option<u64>,
}

/// To `Fetch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchReply {
    /// The Resource-ID.
    pub resource: String,
    /// The kind.
    pub kind: u32,
    /// Its generation counter.
    pub generation: u64,
    /// The peer that answered.
    pub from: String,
    /// Hops of the answer.
    pub hops: u8,
    /// The values that exist.
    pub values: Vec<FetchedEntry>,
    /// Values left out because their signature or certificate did not hold.
    pub discarded: usize,
}

/// One fetched value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchedEntry {
    /// Its array index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Its dictionary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// The value.
    pub value: Value,
    /// The user name or Node-ID in the certificate that signed it.
    pub owner: String,
    /// Milliseconds since 1970.
    pub storage_time: u64,
    /// Seconds it still lives.
    pub lifetime: u32,
}

/// To `Stat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatReply {
    /// The Resource-ID.
    pub resource: String,
    /// The kind.
    pub kind: u32,
    /// Its generation counter.
    pub generation: u64,
    /// The peer that answered.
    pub from: String,
    /// What is stored, removed values included.
    pub values: Vec<StatEntry>,
}

/// What is known of one value without the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatEntry {
    /// Its array index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Its dictionary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// False for a removed value.
    pub exists: bool,
    /// Bytes.
    pub size: u32,
    /// The digest of the value, hex.
    pub digest: String,
    /// Milliseconds since 1970.
    pub storage_time: u64,
    /// Seconds it still lives.
    pub lifetime: u32,
}

/// To `Find`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindReply {
    /// The Resource-ID asked for.
    pub resource: String,
    /// The peer that answered.
    pub from: String,
    /// By kind.
    pub results: Vec<FindEntry>,
}

/// What was found of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FindEntry {
    /// The kind.
    pub kind: u32,
    /// The closest Resource-ID with values of it at that peer, if any.
    pub closest: Option<String>,
}

/// To `Status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it; the unit is in the name")]
pub(crate) struct StatusReply {
    pub node_id: String,
    pub user: Option<String>,
    pub overlay: String,
    /// The last 32 bits of SHA-1 of the name, as every message carries them.
    pub overlay_hash: String,
    pub configuration_sequence: u16,
    /// `idle`, `joining`, `peer`, `client` or `leaving`.
    pub phase: String,
    /// The last step of the join.
    pub join_step: Option<String>,
    pub admitting_peer: Option<String>,
    pub listen: Vec<String>,
    /// The TURN server of this peer, if it is one (section 9).
    #[serde(default)]
    pub turn_server: Option<TurnServerEntry>,
    /// The TURN servers through which others can reach this node.
    #[serde(default)]
    pub relayed_by: Vec<RelayedByEntry>,
    /// Its SIP side, if it serves phones.
    #[serde(default)]
    pub sip: Option<SipEntry>,
    pub uptime_seconds: u32,
    pub predecessors: Vec<String>,
    pub successors: Vec<String>,
    pub fingers: Vec<Finger>,
    /// The Resource-IDs it is responsible for: after the first, up to the second.
    pub responsible: Option<(String, String)>,
    pub links: Vec<LinkEntry>,
    pub transactions: usize,
    pub resources: usize,
    pub values: usize,
    pub stored_bytes: usize,
    pub counters: std::collections::BTreeMap<String, u64>,
}

/// The TURN server of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) struct TurnServerEntry {
    pub address: String,
    /// Records of it in the overlay.
    pub records: usize,
    /// Nodes that have a login.
    pub users: usize,
    pub allocations: usize,
    pub bytes_to_peers: u64,
    pub bytes_to_clients: u64,
    pub dropped: u64,
}

/// A TURN server that relays for this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RelayedByEntry {
    /// Its address.
    pub server: String,
    /// The peer that runs it; none for one that was configured.
    pub node: Option<String>,
}

/// One finger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finger {
    /// The number i of section 10.7.4.2.
    pub number: u8,
    /// The peer.
    pub node: String,
}

/// To `Links`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LinksReply {
    /// This node.
    pub this_node: String,
    /// The addresses of this machine at which its UDP sockets are.
    pub hosts: Vec<String>,
    /// Where others see its UDP socket, if not at one of these.
    #[serde(default)]
    pub reflexive: Vec<String>,
    /// The addresses at TURN servers that relay to its UDP socket now.
    #[serde(default)]
    pub relayed: Vec<String>,
    /// Every link, those of applications after those of the overlay.
    pub links: Vec<LinkEntry>,
}

/// To `Pipe`: it is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PipeReply {
    /// The node at the other end.
    pub node: String,
    /// The user name in its certificate.
    pub user: Option<String>,
    /// The Application-ID.
    pub application: u16,
}

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it; the unit is in the name")]
pub(crate) struct LinkEntry {
    pub node: Option<String>,
    pub user: Option<String>,
    /// The Application-ID; none of a link of the overlay.
    pub application: Option<u16>,
    /// `TLS-TCP-FH-NO-ICE`, `DTLS-UDP-SR` or `DTLS-UDP-SR-NO-ICE`.
    pub kind: String,
    /// `in` or `out`; with ICE there is no such thing.
    pub direction: String,
    pub state: String,
    pub local: Option<String>,
    pub remote: Option<String>,
    /// With ICE: `host`, `srflx`, `relay` or `prflx`, of the chosen pair.
    pub local_candidate: Option<String>,
    pub remote_candidate: Option<String>,
    /// The version of TLS, or the cipher suite of DTLS.
    pub tls: Option<String>,
    pub rtt_milliseconds: Option<f64>,
    pub frames_sent: Option<u64>,
    /// Of those, frames that no ACK came for; over datagrams only, as what follows.
    pub frames_lost: Option<u64>,
    pub frames_resent: Option<u64>,
    /// Bytes that one datagram carries.
    pub mtu: Option<usize>,
    /// How often the path changed.
    pub moves: Option<u32>,
    pub age_seconds: Option<u64>,
}
