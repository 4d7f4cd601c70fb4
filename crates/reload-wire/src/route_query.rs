//! `RouteQueryReq` (section 6.4.2.4.1). The answer belongs to the overlay algorithm; CHORD-RELOAD
//! has `ChordRouteQueryAns`.

use bytes::Bytes;

use crate::{Decode, Decoded, Destination, Dialect, Encode, EncodeError, Writer, read};

/// Where would you send a message for this destination?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteQueryReq {
    /// Whether the responder shall send an Update.
    pub send_update: bool,
    /// The destination asked about.
    pub destination: Destination,
    /// Whatever the overlay algorithm puts here.
    pub overlay_specific_data: Bytes,
}

impl Decode for RouteQueryReq {
    const NAME: &'static str = "route_query_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, send_update) = read::boolean("send_update", input)?;
        let (rest, destination) = read::field("destination", dialect, rest)?;
        let (rest, overlay_specific_data) = read::opaque16("overlay_specific_data", rest)?;
        Ok((rest, Self { send_update, destination, overlay_specific_data }))
    }
}

impl Encode for RouteQueryReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.boolean(self.send_update)?;
        self.destination.encode(out)?;
        out.opaque16("overlay_specific_data", &self.overlay_specific_data)
    }
}
