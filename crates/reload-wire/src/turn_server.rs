//! `TurnServer` (section 9): what a TURN server stores under the Kind TURN-SERVICE.

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, IpAddressPort, Writer, read};

/// Where a TURN server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    /// The number that was hashed with the Node-ID, from 1.
    pub iteration: u8,
    /// The address of the server.
    pub server_address: IpAddressPort,
}

impl Decode for TurnServer {
    const NAME: &'static str = "turn_server";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, iteration) = read::uint8("iteration", input)?;
        let (rest, server_address) = read::field("server_address", dialect, rest)?;
        Ok((rest, Self { iteration, server_address }))
    }
}

impl Encode for TurnServer {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint8(self.iteration)?;
        self.server_address.encode(out)
    }
}
