//! The bodies of CHORD-RELOAD: `ChordUpdate` (section 10.7), `ChordRouteQueryAns` (10.8) and
//! `ChordLeaveData` (10.9). What they cause belongs to the Chord crate.

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Fault, NodeId, Writer, read};

const PEER_READY: u8 = 1;
const NEIGHBORS: u8 = 2;
const FULL: u8 = 3;
const FROM_SUCC: u8 = 1;
const FROM_PRED: u8 = 2;

/// The body of an Update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChordUpdate {
    /// Seconds since the sender came up.
    pub uptime: u32,
    /// Why it is sent, and with what.
    pub kind: ChordUpdateKind,
}

/// The types of Update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChordUpdateKind {
    /// The sender is a peer and can be routed through.
    PeerReady,
    /// To members of the neighbor table.
    Neighbors {
        /// The sender's predecessors, nearest first.
        predecessors: Vec<NodeId>,
        /// The sender's successors, nearest first.
        successors: Vec<NodeId>,
    },
    /// To those who asked for it.
    Full {
        /// The sender's predecessors, nearest first.
        predecessors: Vec<NodeId>,
        /// The sender's successors, nearest first.
        successors: Vec<NodeId>,
        /// The sender's finger table, ascending as numbers.
        fingers: Vec<NodeId>,
    },
}

impl Decode for ChordUpdate {
    const NAME: &'static str = "chord_update";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, uptime) = read::uint32("uptime", input)?;
        let (after, kind) = read::uint8("type", rest)?;
        let (rest, kind) = match kind {
            PEER_READY => (after, ChordUpdateKind::PeerReady),
            NEIGHBORS => neighbors(dialect, after)?,
            FULL => full(dialect, after)?,
            _ => return read::fail("type", Fault::NotAllowed, rest),
        };
        Ok((rest, Self { uptime, kind }))
    }
}

fn neighbors<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, ChordUpdateKind> {
    let (rest, predecessors) = read::list16("predecessors", dialect, input)?;
    let (rest, successors) = read::list16("successors", dialect, rest)?;
    Ok((rest, ChordUpdateKind::Neighbors { predecessors, successors }))
}

fn full<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, ChordUpdateKind> {
    let (rest, predecessors) = read::list16("predecessors", dialect, input)?;
    let (rest, successors) = read::list16("successors", dialect, rest)?;
    let (rest, fingers) = read::list16("fingers", dialect, rest)?;
    Ok((rest, ChordUpdateKind::Full { predecessors, successors, fingers }))
}

impl Encode for ChordUpdate {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint32(self.uptime)?;
        match &self.kind {
            ChordUpdateKind::PeerReady => out.uint8(PEER_READY),
            ChordUpdateKind::Neighbors { predecessors, successors } => {
                out.uint8(NEIGHBORS)?;
                out.list16("predecessors", predecessors)?;
                out.list16("successors", successors)
            }
            ChordUpdateKind::Full { predecessors, successors, fingers } => {
                out.uint8(FULL)?;
                out.list16("predecessors", predecessors)?;
                out.list16("successors", successors)?;
                out.list16("fingers", fingers)
            }
        }
    }
}

/// The body of a RouteQuery answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChordRouteQueryAns {
    /// Where the responder would have sent the message.
    pub next_peer: NodeId,
}

impl Decode for ChordRouteQueryAns {
    const NAME: &'static str = "chord_route_query_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, next_peer) = read::field("next_peer", dialect, input)?;
        Ok((rest, Self { next_peer }))
    }
}

impl Encode for ChordRouteQueryAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.next_peer.encode(out)
    }
}

/// The overlay-specific data of a Leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChordLeaveData {
    /// A successor of the receiver leaves; its successors.
    FromSucc(Vec<NodeId>),
    /// A predecessor of the receiver leaves; its predecessors.
    FromPred(Vec<NodeId>),
}

impl Decode for ChordLeaveData {
    const NAME: &'static str = "chord_leave_data";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::uint8("type", input)?;
        match kind {
            FROM_SUCC => read::list16("successors", dialect, rest)
                .map(|(rest, nodes)| (rest, Self::FromSucc(nodes))),
            FROM_PRED => read::list16("predecessors", dialect, rest)
                .map(|(rest, nodes)| (rest, Self::FromPred(nodes))),
            _ => read::fail("type", Fault::NotAllowed, input),
        }
    }
}

impl Encode for ChordLeaveData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        match self {
            Self::FromSucc(nodes) => {
                out.uint8(FROM_SUCC)?;
                out.list16("successors", nodes)
            }
            Self::FromPred(nodes) => {
                out.uint8(FROM_PRED)?;
                out.list16("predecessors", nodes)
            }
        }
    }
}
