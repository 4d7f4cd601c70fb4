//! AppAttach: connections of applications, agreed through the overlay (section 6.5.2).

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{AppAttachReqAns, Decode, ErrorCode, IceCandidate, Now};

use crate::Node;
use crate::deliver::Caller;

/// What this node does with an AppAttach of others for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Form the connection: [`crate::Event::Pipe`].
    Connect,
    /// Let the application answer, and form no connection: [`crate::Event::Asked`].
    Ask,
}

/// Names an AppAttach that the application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskingId(pub u64);

/// The answer of an application to an AppAttach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationAnswer {
    /// Goes into the field of this name.
    pub ufrag: Bytes,
    /// Goes into the field of this name.
    pub password: Bytes,
    /// Where the other side finds what it asked for.
    pub candidates: Vec<IceCandidate>,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Somebody wants a connection of an application (section 6.5.2.2): none is offered here.
    pub(crate) fn on_app_attach(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        match AppAttachReqAns::decode_exact(&self.dialect, body) {
            Ok(_) => self.refuse(now, caller, ErrorCode::NOT_FOUND, "application not offered here"),
            Err(error) => self.refuse_damaged(now, caller, &error),
        }
    }
}
