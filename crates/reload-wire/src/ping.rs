//! `PingReq` and `PingAns` (section 6.5.3).

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, UnixTime, Writer, read};

/// Are you there?
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PingReq {
    /// Meaningless bytes, to find out which sizes get through.
    pub padding: Bytes,
}

impl Decode for PingReq {
    const NAME: &'static str = "ping_req";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, padding) = read::opaque16("padding", input)?;
        Ok((rest, Self { padding }))
    }
}

impl Encode for PingReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque16("padding", &self.padding)
    }
}

/// Here I am.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingAns {
    /// A random number that tells answers apart.
    pub response_id: u64,
    /// When the answer was made.
    pub time: UnixTime,
}

impl Decode for PingAns {
    const NAME: &'static str = "ping_ans";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, response_id) = read::uint64("response_id", input)?;
        let (rest, time) = read::uint64("time", rest)?;
        Ok((rest, Self { response_id, time: UnixTime(time) }))
    }
}

impl Encode for PingAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint64(self.response_id)?;
        out.uint64(self.time.0)
    }
}
