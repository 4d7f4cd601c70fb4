//! `ErrorResponse` (section 6.3.3.1) and the one set form of its `error_info` that is not text or
//! another method's answer: the list of unknown Kinds (section 7.4.1.2).

use bytes::Bytes;

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, ErrorCode, KindId, Writer, read};

/// The body of a message with the code `error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// What went wrong.
    pub code: ErrorCode,
    /// UTF-8 text, a `StoreAns` (`Error_Generation_Counter_Too_Low`) or [`UnknownKinds`].
    pub info: Bytes,
}

impl ErrorResponse {
    /// An error with a text for people, cut at a character to what the length field holds.
    #[must_use]
    pub fn with_text(code: ErrorCode, text: &str) -> Self {
        let end = text.floor_char_boundary(usize::from(u16::MAX));
        Self { code, info: Bytes::copy_from_slice(&text.as_bytes()[..end]) }
    }

    /// The text for people, if the info is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let structured =
            matches!(self.code, ErrorCode::GENERATION_COUNTER_TOO_LOW | ErrorCode::UNKNOWN_KIND);
        if structured { None } else { std::str::from_utf8(&self.info).ok() }
    }
}

impl Decode for ErrorResponse {
    const NAME: &'static str = "error_response";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, code) = read::uint16("error_code", input)?;
        let (rest, info) = read::opaque16("error_info", rest)?;
        Ok((rest, Self { code: ErrorCode(code), info }))
    }
}

impl Encode for ErrorResponse {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.uint16(self.code.0)?;
        out.opaque16("error_info", &self.info)
    }
}

/// The `error_info` of `Error_Unknown_Kind`: `KindId unknown_kinds<0..2^8-1>` (section 7.4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownKinds(pub Vec<KindId>);

impl UnknownKinds {
    /// As many Kind-IDs as 255 bytes hold.
    pub const MAX: usize = 63;

    /// The first [`UnknownKinds::MAX`] of these Kinds; more do not fit and are left out.
    #[must_use]
    pub fn first_of(kinds: impl IntoIterator<Item = KindId>) -> Self {
        Self(kinds.into_iter().take(Self::MAX).collect())
    }
}

impl Decode for UnknownKinds {
    const NAME: &'static str = "unknown_kinds";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kinds) = read::list8("kinds", dialect, input)?;
        Ok((rest, Self(kinds)))
    }
}

impl Encode for UnknownKinds {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list8("unknown_kinds", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_63_unknown_kinds_are_named() {
        let kinds = UnknownKinds::first_of((0..100).map(KindId));
        assert_eq!(kinds.0.len(), 63);
        assert_eq!(kinds.to_bytes().unwrap().len(), 1 + 63 * 4);
        assert!(UnknownKinds(vec![KindId(1); 64]).to_bytes().is_err());
    }

    #[test]
    fn text_is_cut_at_a_character() {
        let response = ErrorResponse::with_text(ErrorCode::NOT_FOUND, &"ä".repeat(40_000));
        assert_eq!(response.info.len(), 65_534);
        assert!(response.text().is_some() && response.to_bytes().is_ok());
    }
}
