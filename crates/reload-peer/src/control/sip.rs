//! The good answers about SIP, as they are printed with `--json`.

use serde::{Deserialize, Serialize};

/// The SIP side of a node, in `Status` and in the line that tells that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipEntry {
    /// The user whose phones are served.
    pub aor: String,
    /// What to type into a phone as its user.
    pub user: String,
    /// As its domain.
    pub domain: String,
    /// Whether it needs a password.
    pub password: bool,
    /// As its proxy.
    pub listening: SipListening,
    /// The phones that are registered.
    pub phones: Vec<PhoneEntry>,
    /// How many calls there are.
    pub calls: usize,
}

/// Where phones reach a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipListening {
    /// By UDP.
    pub udp: String,
    /// By TCP.
    pub tcp: String,
    /// By TLS.
    pub tls: Option<String>,
}

/// A phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PhoneEntry {
    /// Its Contact.
    pub contact: String,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: String,
    /// Seconds until it has to register again.
    pub expires: u32,
    /// What it says that it is.
    pub user_agent: Option<String>,
}

/// To `SipRegister` and `SipForward`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipRegisterReply {
    /// The user.
    pub aor: String,
    /// This node.
    pub node: String,
    /// Its GRUU, without a scheme.
    pub gruu: String,
    /// Whether this node stands in the overlay under that user.
    pub stored: bool,
    /// Seconds that what stands there lives. A forward is stored again in time.
    pub expires: Option<u64>,
    /// Where calls go instead of to the phones.
    pub forward: Option<String>,
    /// Why the last Store failed.
    pub failure: Option<String>,
    /// The phones.
    pub phones: Vec<PhoneEntry>,
}

/// To `SipLookup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipLookupReply {
    /// The address, in its canonical form if it is an AOR.
    pub address: String,
    /// `registered`, `gruu` or `outside`: how it is reached.
    pub way: String,
    /// What is registered under it.
    pub registrations: Vec<SipRegistrationEntry>,
    /// The devices that a call goes to in the end.
    pub devices: Vec<SipDeviceEntry>,
    /// The addresses outside of the overlay that it goes to.
    pub outside: Vec<String>,
    /// Forwards on the way.
    pub forwards: Vec<SipForwardEntry>,
    /// What could not be looked up, and why.
    pub failed: Vec<SipFailedEntry>,
    /// Registrations that cannot be used.
    pub skipped: usize,
    /// Forwards that lead back.
    pub loops: usize,
    /// Whether a limit cut something off.
    pub cut: bool,
}

/// One registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipRegistrationEntry {
    /// The node that has stored it.
    pub node: String,
    /// The user name in its certificate.
    pub owner: String,
    /// Seconds it still lives.
    pub lifetime: u32,
    /// The address that calls are sent on to.
    pub forward: Option<String>,
    /// The way to the device, if it is none.
    pub route: Option<Vec<String>>,
    /// The contact preferences.
    pub preferences: Option<String>,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipDeviceEntry {
    /// Whose it is.
    pub aor: String,
    /// The Node-ID; none where it is hidden.
    pub node: Option<String>,
    /// `sip`, `sips` or `both`.
    pub schemes: String,
    /// Seconds that its registration still lives; none of a GRUU.
    pub lifetime: Option<u32>,
}

/// One forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipForwardEntry {
    /// Whose calls.
    pub from: String,
    /// Where they go.
    pub to: String,
}

/// An address that could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipFailedEntry {
    /// The address.
    pub aor: String,
    /// Why.
    pub reason: String,
}

/// To `SipCalls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipCallsReply {
    /// Those that go on.
    pub calls: Vec<CallEntry>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallEntry {
    /// Its Call-ID.
    pub call_id: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// `calling`, `ringing` or `answered`.
    pub state: String,
    /// Seconds since it began.
    pub seconds: u64,
    /// The nodes at the other end.
    pub peers: Vec<String>,
    /// How the sound goes, if that is known.
    pub media: Option<String>,
}

/// To `SipTrace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipTraceReply {
    /// Oldest first.
    pub messages: Vec<SipMessageEntry>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SipMessageEntry {
    /// Milliseconds since 1970.
    pub at: u64,
    /// `in` or `out`.
    pub direction: String,
    /// `phone`, `peer` or `outside`.
    pub neighbor: String,
    /// Its address, or the Node-ID of a peer.
    pub address: String,
    /// The message without what proves a password.
    pub message: String,
}
