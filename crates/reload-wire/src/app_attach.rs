//! `AppAttachReq` and `AppAttachAns` (section 6.5.2): both have the same fields, and so one type.

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, IceCandidate, Writer, read};

/// What a node offers or answers for a connection of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppAttachReqAns {
    /// The ICE user name fragment.
    pub ufrag: Bytes,
    /// The ICE password.
    pub password: Bytes,
    /// The Application-ID (section 14.5).
    pub application: u16,
    /// `passive` in a request, `active` in an answer (RFC 4145).
    pub role: Bytes,
    /// Where the node can be reached.
    pub candidates: Vec<IceCandidate>,
}

impl Decode for AppAttachReqAns {
    const NAME: &'static str = "app_attach_req_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, ufrag) = read::opaque8("ufrag", input)?;
        let (rest, password) = read::opaque8("password", rest)?;
        let (rest, application) = read::uint16("application", rest)?;
        let (rest, role) = read::opaque8("role", rest)?;
        let (rest, candidates) = read::list16("candidates", dialect, rest)?;
        Ok((rest, Self { ufrag, password, application, role, candidates }))
    }
}

impl Encode for AppAttachReqAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.opaque8("ufrag", &self.ufrag)?;
        out.opaque8("password", &self.password)?;
        out.uint16(self.application)?;
        out.opaque8("role", &self.role)?;
        out.list16("candidates", &self.candidates)
    }
}
