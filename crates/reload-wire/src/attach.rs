//! `AttachReqAns` (section 6.5.1.1): the request and the answer of Attach have one structure.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, IceCandidate, Writer, read};

/// What a node offers or answers for a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachReqAns {
    /// The ICE user name fragment.
    pub ufrag: Bytes,
    /// The ICE password.
    pub password: Bytes,
    /// `passive` in a request, `active` in an answer (RFC 4145).
    pub role: Bytes,
    /// Where the node can be reached.
    pub candidates: Vec<IceCandidate>,
    /// Whether the receiver shall send an Update once the link is up.
    pub send_update: bool,
}

impl Decode for AttachReqAns {
    const NAME: &'static str = "attach_req_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, ufrag) = read::opaque8("ufrag", input)?;
        let (rest, password) = read::opaque8("password", rest)?;
        let (rest, role) = read::opaque8("role", rest)?;
        let (rest, candidates) = read::list16("candidates", dialect, rest)?;
        let (rest, send_update) = read::boolean("send_update", rest)?;
        Ok((rest, Self { ufrag, password, role, candidates, send_update }))
    }
}

impl Encode for AttachReqAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque8("ufrag", &self.ufrag)?;
        out.opaque8("password", &self.password)?;
        out.opaque8("role", &self.role)?;
        out.list16("candidates", &self.candidates)?;
        out.boolean(self.send_update)
    }
}
