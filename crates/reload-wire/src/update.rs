//! `UpdateAns` (section 6.4.2.3). The request belongs to the overlay algorithm; CHORD-RELOAD has
//! `ChordUpdate`.

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, Writer};

/// The Update was taken note of; an empty message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpdateAns;

impl Decode for UpdateAns {
    const NAME: &'static str = "update_ans";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        Ok((input, Self))
    }
}

impl Encode for UpdateAns {
    fn encode(&self, _: &mut Writer) -> Result<(), EncodeError> {
        Ok(())
    }
}
