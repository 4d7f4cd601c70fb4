//! What may come back, and whether that is what came. Every answer is checked whole: header, lists,
//! options, signature and signer, code and body.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use reload_identity::{Trust, verify_message};
use reload_wire::{
    Decode, Destination, Dialect, ErrorCode, ErrorResponse, ForwardingHeader, MessageCode,
    MessageParts, NodeId, UnixTime,
};

/// What must come of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The answer of the method.
    Answer,
    /// An error response with this code.
    Error(ErrorCode),
    /// An error response; the RFC names no code.
    AnyError,
    /// Nothing, while a Ping behind it is answered.
    Silence,
    /// The end of the link.
    Closed,
}

/// An answer that was checked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its header.
    pub header: ForwardingHeader,
    /// Its code.
    pub code: MessageCode,
    /// Its body.
    pub body: Bytes,
    /// The whole as it came behind the header: contents and security block.
    pub rest: Bytes,
}

/// Who may answer what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) trust: &'a Trust,
    pub(crate) answered_by: NodeId,
    pub(crate) overlay: u32,
    pub(crate) initial_ttl: u8,
    pub(crate) now: UnixTime,
}

impl Answer {
    /// Reads and checks it.
    pub(crate) fn read(message: &Bytes, asked: Asked<'_>) -> Result<Self> {
        let (_, rest) = ForwardingHeader::split(asked.dialect, message)?;
        let parts = MessageParts::decode(asked.dialect, message)?;
        let header = parts.header.clone();
        ensure!(header.overlay == asked.overlay, "the answer is of another overlay");
        ensure!(header.ttl <= asked.initial_ttl, "the answer has ttl {}", header.ttl);
        // 6.3.2.3: the three flags are never set in a response
        let flags = header.options.iter().find(|option| option.flags & 7 != 0);
        ensure!(flags.is_none(), "the answer has the option {flags:?}");
        let first = header.destination_list.first();
        ensure!(matches!(first, Some(Destination::Node(_))), "the answer goes to {first:?}");
        let (code, body) = (parts.contents.code, parts.contents.body.clone());
        let verified = verify_message(parts, asked.trust, &[], asked.now)?;
        let signer = verified.signer().node_id;
        ensure!(signer == asked.answered_by, "the answer is signed by {signer}");
        Ok(Self { header, code, body, rest })
    }

    /// The error it is.
    ///
    /// # Errors
    /// If it is none.
    pub fn error(&self) -> Result<ErrorResponse> {
        ensure!(self.code == MessageCode::ERROR, "answered with {}", self.code);
        let error = ErrorResponse::decode_exact(&Dialect::default(), &self.body);
        error.context("no ErrorResponse")
    }

    /// The body, decoded.
    ///
    /// # Errors
    /// If it is something else.
    pub fn decode<T: Decode>(&self) -> Result<T> {
        T::decode_exact(&Dialect::default(), &self.body).context("the body of the answer")
    }

    /// Whether it is what must come for a request of that code.
    pub(crate) fn judge(&self, expect: Expect, request: MessageCode) -> Result<()> {
        match expect {
            Expect::Answer if self.code == MessageCode::ERROR => bail!("{}", self.told()?),
            Expect::Answer => {
                ensure!(self.code == request.answer(), "answered with {}", self.code);
                Ok(())
            }
            Expect::Error(code) => {
                let found = self.error()?;
                ensure!(found.code == code, "{}, not {code}", self.told()?);
                Ok(())
            }
            Expect::AnyError => self.error().map(|_| ()),
            Expect::Silence | Expect::Closed => bail!("answered with {}", self.told()?),
        }
    }

    fn told(&self) -> Result<String> {
        if self.code != MessageCode::ERROR {
            return Ok(self.code.to_string());
        }
        let error = self.error()?;
        Ok(format!("{} ({})", error.code, String::from_utf8_lossy(&error.info)))
    }
}
