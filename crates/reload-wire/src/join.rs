//! `JoinReq` and `JoinAns` (section 6.4.2.1). What the overlay puts into them is its own business.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, NodeId, Writer, read};

/// A new peer takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReq {
    /// The Node-ID that the sender wants to assume.
    pub joining_peer_id: NodeId,
    /// Whatever the overlay algorithm puts here.
    pub overlay_specific_data: Bytes,
}

impl Decode for JoinReq {
    const NAME: &'static str = "join_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, joining_peer_id) = read::field("joining_peer_id", dialect, input)?;
        let (rest, overlay_specific_data) = read::opaque16("overlay_specific_data", rest)?;
        Ok((rest, Self { joining_peer_id, overlay_specific_data }))
    }
}

impl Encode for JoinReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.joining_peer_id.encode(out)?;
        out.opaque16("overlay_specific_data", &self.overlay_specific_data)
    }
}

/// The new peer may have its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinAns {
    /// Whatever the overlay algorithm puts here.
    pub overlay_specific_data: Bytes,
}

impl Decode for JoinAns {
    const NAME: &'static str = "join_ans";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, overlay_specific_data) = read::opaque16("overlay_specific_data", input)?;
        Ok((rest, Self { overlay_specific_data }))
    }
}

impl Encode for JoinAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque16("overlay_specific_data", &self.overlay_specific_data)
    }
}
