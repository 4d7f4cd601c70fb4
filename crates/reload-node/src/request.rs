//! What an application asks of a node, and what it gets back.

use std::time::Duration;

use bytes::Bytes;
use reload_identity::FetchedKind;
use reload_wire::{
    AppAttachReqAns, DataValue, Destination, ErrorCode, FindAns, KindId, ModelSpecifier, NodeId,
    ProbeInformation, ProbeInformationType, ResourceId, StatAns, StoreAns, UnixTime,
};

use crate::LinkId;

/// Names a request of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A request of the application. Each ends in exactly one [`crate::Event::Finished`].
#[derive(Clone, Debug)]
pub enum Request {
    /// Ping (section 6.5.3).
    Ping {
        /// The destination list.
        to: Vec<Destination>,
        /// Bytes of padding.
        padding: u16,
    },
    /// Probe (section 6.4.2.5).
    Probe {
        /// The destination list.
        to: Vec<Destination>,
        /// What to ask for.
        information: Vec<ProbeInformationType>,
    },
    /// RouteQuery (section 6.4.2.4).
    RouteQuery {
        /// The peer to ask.
        to: Vec<Destination>,
        /// Where it would send a message for this.
        target: Destination,
    },
    /// Store values at one resource, signed by this node (section 7.4.1). Also removes (7.4.1.3).
    Store {
        /// The resource.
        resource: ResourceId,
        /// The values; those of one kind stand together.
        values: Vec<NewValue>,
    },
    /// Fetch (section 7.4.2).
    Fetch {
        /// The resource.
        resource: ResourceId,
        /// What to fetch.
        specifiers: Vec<Specifier>,
    },
    /// Stat (section 7.4.3).
    Stat {
        /// The resource.
        resource: ResourceId,
        /// What to look at.
        specifiers: Vec<Specifier>,
    },
    /// Find (section 7.4.4).
    Find {
        /// The resource.
        resource: ResourceId,
        /// The kinds, each once.
        kinds: Vec<KindId>,
    },
    /// Attach (section 6.5.1): a link of the overlay to a node, or to the peer that is responsible
    /// for a resource.
    Attach {
        /// The destination list.
        to: Vec<Destination>,
    },
    /// AppAttach (section 6.5.2).
    AppAttach {
        /// The destination list.
        to: Vec<Destination>,
        /// The Application-ID (section 14.5).
        application: u16,
        /// Form the connection. Otherwise the answer itself is what is wanted.
        connect: bool,
    },
}

/// A value to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewValue {
    /// Its kind.
    pub kind: KindId,
    /// The expected generation counter, or 0 for any (section 7.4.1.1). The first value of a kind counts.
    pub generation: u64,
    /// Where it goes within the kind.
    pub place: Place,
    /// The value. `exists` = false removes what is there.
    pub value: DataValue,
    /// Seconds it shall live.
    pub lifetime: u32,
    /// The storage time; now, if none is given.
    pub storage_time: Option<UnixTime>,
}

/// Where a value stands within its kind, by data model (section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one value of a single-value kind.
    Single,
    /// An array index; 0xffffffff appends.
    Index(u32),
    /// A dictionary key.
    Key(Bytes),
}

/// Which values of a kind to fetch or to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specifier {
    /// The kind.
    pub kind: KindId,
    /// The generation counter last seen: if nothing changed, no values come back. 0 for always.
    pub generation: u64,
    /// Which values.
    pub which: ModelSpecifier,
}

/// A good answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The node that signed it.
    pub from: NodeId,
    /// Hops it took on its way back.
    pub hops: u8,
    /// From the first transmission to the answer.
    pub elapsed: Duration,
    /// What it says.
    pub reply: Reply,
}

/// What an answer says, by method.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a Ping.
    Pong {
        /// The random number of this answer.
        response_id: u64,
        /// The other side's clock.
        time: UnixTime,
    },
    /// To a Probe.
    Probed(Vec<ProbeInformation>),
    /// To a RouteQuery: the next peer.
    Routed(NodeId),
    /// To a Store.
    Stored(StoreAns),
    /// To a Fetch: only values whose signatures were found good, by kind.
    Fetched(Vec<FetchedKind>),
    /// To a Stat.
    Stats(StatAns),
    /// To a Find.
    Found(FindAns),
    /// To an Attach: a link to this node is up.
    Attached(NodeId),
    /// To an AppAttach: the connection is up. It belongs to the driver.
    AppAttached {
        /// Its link.
        link: LinkId,
        /// The node at the other end.
        node: NodeId,
    },
    /// To an AppAttach that does not connect: the answer as it came.
    AppAnswered(AppAttachReqAns),
}

/// Why a request of the application failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Five transmissions, no answer (section 6.2.1).
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// An error response.
    #[error("refused with {}: {text}", .code.name())]
    Refused {
        /// The code.
        code: ErrorCode,
        /// Its text, or an explanation of its error_info.
        text: String,
        /// Its error_info as it came.
        info: Bytes,
        /// Who said so.
        from: NodeId,
    },
    /// The answer does not decode, or does not fit the request.
    #[error("the answer is damaged: {0}")]
    BadAnswer(String),
    /// The request does not fit max-message-size.
    #[error("the request would take {size} bytes, and the overlay allows {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// max-message-size.
        limit: usize,
    },
    /// The overlay does not have this kind, or it has another data model.
    #[error("kind {0} is not defined in this overlay, or has another data model")]
    UnknownKind(KindId),
    /// No connection came about.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The node is leaving or has left.
    #[error("the node is leaving the overlay")]
    Leaving,
}

/// Too many requests are under way at this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests are under way")]
pub struct Busy;
