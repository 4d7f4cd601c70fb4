//! `LeaveReq` and `LeaveAns` (section 6.4.2.2). What the overlay puts into the request is its own
//! business; CHORD-RELOAD puts `ChordLeaveData` there.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, NodeId, Writer, read};

/// A node leaves the overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveReq {
    /// The node that leaves.
    pub leaving_peer_id: NodeId,
    /// Whatever the overlay algorithm puts here.
    pub overlay_specific_data: Bytes,
}

impl Decode for LeaveReq {
    const NAME: &'static str = "leave_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, leaving_peer_id) = read::field("leaving_peer_id", dialect, input)?;
        let (rest, overlay_specific_data) = read::opaque16("overlay_specific_data", rest)?;
        Ok((rest, Self { leaving_peer_id, overlay_specific_data }))
    }
}

impl Encode for LeaveReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.leaving_peer_id.encode(out)?;
        out.opaque16("overlay_specific_data", &self.overlay_specific_data)
    }
}

/// The Leave was taken note of; an empty message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaveAns;

impl Decode for LeaveAns {
    const NAME: &'static str = "leave_ans";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        Ok((input, Self))
    }
}

impl Encode for LeaveAns {
    fn encode(&self, _: &mut Writer) -> Result<(), EncodeError> {
        Ok(())
    }
}
