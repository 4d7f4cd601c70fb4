//! The calls that go through the proxy, as a person is shown them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use reload_wire::NodeId;
use rsipstack::sip::{HeadersExt, Request};

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

/// The calls that there are now, by Call-ID.
pub(crate) struct Calls {
    table: Mutex<BTreeMap<String, Call>>,
    limit: usize,
}

impl Calls {
    pub(crate) fn new(limit: usize) -> Self {
        Self { table: Mutex::default(), limit }
    }

    /// An INVITE is sent on.
    pub(crate) fn begin(&self, invite: &Request, caller: Option<NodeId>) {
        let Ok(call_id) = invite.call_id_header() else { return };
        let text = |uri: Result<rsipstack::sip::Uri, _>| match uri {
            Ok::<_, rsipstack::sip::Error>(uri) => uri.to_string(),
            Err(_) => String::new(),
        };
        let call = Call {
            call_id: call_id.value().to_owned(),
            from: text(invite.from_header().and_then(|from| from.uri())),
            to: text(invite.to_header().and_then(|to| to.uri())),
            state: CallState::Calling,
            since: SystemTime::now(),
            peers: caller.into_iter().collect(),
            media: None,
        };
        let mut table = self.table();
        if table.len() < self.limit {
            table.insert(call.call_id.clone(), call);
        }
    }

    /// Somebody has answered it. Who has said yes is the other end.
    pub(crate) fn answer(&self, call_id: &str, node: Option<NodeId>, code: u16) {
        let mut table = self.table();
        let Some(call) = table.get_mut(call_id) else { return };
        let state = match code {
            200..=299 => CallState::Answered,
            101..=199 => CallState::Ringing,
            _ => return,
        };
        if state == CallState::Answered && call.state < state && node.is_some() {
            call.peers.clear();
        }
        call.state = call.state.max(state);
        if let Some(node) = node.filter(|node| !call.peers.contains(node))
            && (state == CallState::Answered || call.state < CallState::Answered)
        {
            call.peers.push(node);
        }
    }

    /// It is over.
    pub(crate) fn end(&self, call_id: &str) {
        self.table().remove(call_id);
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self) -> Vec<Call> {
        let mut calls: Vec<_> = self.table().values().cloned().collect();
        calls.sort_by_key(|call| call.since);
        calls
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Call>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
