//! The calls that go through the proxy: what a person is shown, and what is known about each dialog.

use std::time::SystemTime;

use reload_wire::NodeId;

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its Call-ID.
    pub call_id: String,
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// How far it is.
    pub state: CallState,
    /// When it began.
    pub since: SystemTime,
    /// The nodes at the other end.
    pub peers: Vec<NodeId>,
    /// How the media goes, if that is known.
    pub media: Option<String>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallState {
    /// Nobody has answered yet.
    Calling,
    /// It rings.
    Ringing,
    /// They talk.
    Answered,
}
