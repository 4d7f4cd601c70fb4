//! A picture of the node for people and programs.

use std::net::SocketAddr;
use std::time::Duration;

use reload_topology::View;
use reload_wire::NodeId;

use crate::LinkId;

/// The node at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub node_id: NodeId,
    /// The tables of the topology plug-in.
    pub view: View,
    /// Every link, in the order of its name.
    pub links: Vec<LinkStatus>,
    /// Requests under way.
    pub transactions: usize,
    /// Resources with at least one value here.
    pub resources: usize,
    /// Values here.
    pub values: usize,
    /// Bytes of values here.
    pub stored_bytes: usize,
    /// Seconds since this node became what it is.
    pub uptime: u32,
    /// The sequence number of the configuration.
    pub sequence: u16,
    /// What was counted.
    pub counters: Counters,
}

/// One link.
#[derive(Clone, Debug)]
pub struct LinkStatus {
    /// Its name, as the driver knows it.
    pub link: LinkId,
    /// The node at the other end, once known.
    pub node: Option<NodeId>,
    /// Its address, once up.
    pub remote: Option<SocketAddr>,
    /// The bytes that one datagram of it carries; none on a stream.
    pub mtu: Option<usize>,
    /// Whether it was formed with ICE.
    pub ice: bool,
    /// How long it has been up.
    pub age: Duration,
    /// `planned`, `up`, `failing` or `draining`.
    pub state: &'static str,
}

/// What a node counts. Nothing here is ever reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that came in over links.
    pub received: u64,
    /// Messages that went out over links, forwarded ones included.
    pub sent: u64,
    /// Messages cut into fragments for a link (section 6.7).
    pub fragmented: u64,
    /// Messages sent on for others.
    pub forwarded: u64,
    /// Requests of others answered with success.
    pub answered: u64,
    /// Requests of others answered with an error.
    pub refused: u64,
    /// Own requests answered.
    pub completed: u64,
    /// Own requests that failed.
    pub failed: u64,
    /// End-to-end retransmissions (section 6.2.1).
    pub retransmitted: u64,
    /// Messages sent another way because a link failed.
    pub rerouted: u64,
    /// Repeated requests that met their remembered answer.
    pub repeated: u64,
    /// Dropped: bytes that are no RELOAD message of this overlay.
    pub noise: u64,
    /// Dropped: no way to the destination.
    pub unroutable: u64,
    /// Dropped: signature or certificate did not hold.
    pub unverified: u64,
    /// Dropped: answers that fit no request, or come from the wrong node (section 6.3.4).
    pub stray: u64,
    /// Requests sent on with an opaque id in their via list (section 6.1.2).
    pub lists_compressed: u64,
    /// Messages whose opaque id was put back (section 6.1.3).
    pub lists_restored: u64,
    /// Dropped: an opaque id that this node has not given out, or one of a link that is gone.
    pub lists_refused: u64,
    /// Limit: fragments dropped, of which as many bytes as may be are held.
    pub fragments_dropped: u64,
    /// Limit: requests not taken on, own ones and those of others that lead to more, since as many
    /// as may be are under way.
    pub transactions_refused: u64,
    /// Limit: links refused or closed, of which there are too many, in all or to one node.
    pub links_refused: u64,
    /// Limit: messages dropped, of which too many wait for their check, of one link or in all.
    pub checks_dropped: u64,
    /// Limit: answers dropped, of which too many wait for their signature, or too large.
    pub answers_dropped: u64,
    /// Limit: requests refused to nodes that make too many in a second.
    pub requests_throttled: u64,
    /// Limit: Stores refused for too many values of a Kind at one resource.
    pub values_refused: u64,
    /// Limit: Stores refused since this peer holds as much as it may.
    pub store_full: u64,
}

impl Counters {
    /// What all limits together have refused or dropped.
    #[must_use]
    pub const fn overload(&self) -> u64 {
        self.fragments_dropped
            + self.transactions_refused
            + self.links_refused
            + self.checks_dropped
            + self.answers_dropped
            + self.requests_throttled
            + self.values_refused
            + self.store_full
    }
}
