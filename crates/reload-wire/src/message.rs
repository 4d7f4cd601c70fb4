//! A whole message (section 6.3): header, contents, security block. Keeps the bytes of the contents
//! as they arrived, because the signature covers those and no re-encoding.

use bytes::Bytes;

use crate::{
    Decode, DecodeError, Dialect, Encode, EncodeError, Fault, ForwardingHeader, MessageCode,
    MessageContents, SecurityBlock, Writer,
};

/// The parts of a whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageParts {
    /// The forwarding header.
    pub header: ForwardingHeader,
    /// The message contents exactly as they arrived.
    pub contents_raw: Bytes,
    /// The message contents.
    pub contents: MessageContents,
    /// The security block.
    pub security: SecurityBlock,
}

impl MessageParts {
    /// Reads a whole message. The body and [`MessageParts::contents_raw`] share its memory.
    ///
    /// # Errors
    /// The bytes are no message, or only a fragment of one.
    pub fn decode(dialect: &Dialect, message: &Bytes) -> Result<Self, DecodeError> {
        let (header, rest) = ForwardingHeader::split(dialect, message)?;
        Self::from_split(dialect, header, &rest)
    }

    /// Reads what follows a header that was split off.
    ///
    /// # Errors
    /// The rest is not contents and a security block, or only a fragment of them. Bytes are counted
    /// from the start of the message, as its header tells its length.
    pub fn from_split(
        dialect: &Dialect,
        header: ForwardingHeader,
        rest: &Bytes,
    ) -> Result<Self, DecodeError> {
        let total = usize::try_from(header.length).unwrap_or(usize::MAX);
        let in_message = |error: DecodeError| error.rooted("message", total);
        if !header.fragment.is_whole() {
            let error = DecodeError::new(Fault::Fragment, rest).inside("fragment");
            return Err(in_message(error));
        }
        let (contents, taken) =
            MessageContents::decode_shared(dialect, rest).map_err(in_message)?;
        let security = SecurityBlock::decode_exact(dialect, rest.get(taken..).unwrap_or_default())
            .map_err(in_message)?;
        Ok(Self { header, contents_raw: rest.slice(..taken), contents, security })
    }

    /// The message as bytes, with the contents as they are in [`MessageParts::contents_raw`].
    ///
    /// # Errors
    /// The message would have more than `limit` bytes.
    pub fn to_bytes(&self, limit: u32) -> Result<Bytes, EncodeError> {
        let mut rest = Writer::with_limit(usize::try_from(limit).unwrap_or(usize::MAX));
        rest.bytes(&self.contents_raw)?;
        self.security.encode(&mut rest)?;
        self.header.join(&rest.finish(), limit)
    }
}

/// The message code of what follows a header, if this is the first or only fragment.
#[must_use]
pub fn peek_message_code(rest: &[u8]) -> Option<MessageCode> {
    let code = rest.first_chunk::<2>()?;
    Some(MessageCode(u16::from_be_bytes(*code)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fragment, TransactionId};

    fn header(fragment: Fragment) -> ForwardingHeader {
        ForwardingHeader {
            overlay: 1,
            configuration_sequence: 0,
            ttl: 1,
            fragment,
            length: 0,
            transaction_id: TransactionId(1),
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: Vec::new(),
            options: Vec::new(),
        }
    }

    #[test]
    fn a_fragment_is_no_whole_message() {
        let header = header(Fragment { last: true, offset: 256 });
        let message = header.join(b"rest", 100).unwrap();
        let error = MessageParts::decode(&Dialect::default(), &message).unwrap_err();
        assert_eq!((error.fault(), error.field().as_str()), (Fault::Fragment, "message.fragment"));
    }

    #[test]
    fn a_message_above_its_limit_is_not_written() {
        let message = crate::MessageContents::new(MessageCode::PING_REQUEST, Bytes::new());
        let rest = message.to_bytes().unwrap();
        let header = header(Fragment::WHOLE);
        assert_eq!(header.join(&rest, 48).unwrap().len(), 48);
        assert_eq!(header.join(&rest, 47), Err(EncodeError::Limit { limit: 47 }));
    }
}
