//! The attribute by which two proxies agree to carry the media of a call. It stands at the session level:
//!
//! ```text
//! a=reload-relay:1 5f3c9a01 needed
//! ```
//!
//! The version of the datagrams on the media pipe, the token under which the proxy that wrote the line
//! takes datagrams of this call (8 hexadecimal digits), and a word: "needed" if the media has to be carried,
//! "possible" if the phones seem to reach each other but the other proxy may still ask for it. A proxy that
//! carries the media says so with such a line of its own in the SDP of its phone; without one the media goes
//! between the phones. All addresses stay as the phones wrote them, so whoever does not know the line, and
//! ignores it as RFC 8866 section 5.13 has it, is left with an ordinary session description.

use std::fmt;

/// What a proxy says about relaying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RelayAttribute {
    /// Where it takes datagrams.
    pub(super) token: Token,
    /// Whether there is no way without.
    pub(super) need: Need,
}

/// The name of a call on a media pipe, given by the proxy that takes the datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Token(pub(super) u32);

/// Whether media is to be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It has to be.
    Needed,
    /// It can be.
    Possible,
}

impl RelayAttribute {
    /// What stands in front.
    pub(super) const PREFIX: &[u8] = b"a=reload-relay:";

    /// The value of the attribute; nothing if it is of another version.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(value).ok()?.split(' ');
        if words.next()? != "1" {
            return None;
        }
        let token = words.next().filter(|word| word.len() == 8)?;
        let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
        let token = is_hex.then(|| u32::from_str_radix(token, 16).ok()).flatten()?;
        let need = match words.next()? {
            "needed" => Need::Needed,
            "possible" => Need::Possible,
            _ => return None,
        };
        words.next().is_none().then_some(Self { token: Token(token), need })
    }
}

impl fmt::Display for RelayAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let need = match self.need {
            Need::Needed => "needed",
            Need::Possible => "possible",
        };
        write!(f, "a=reload-relay:1 {:08x} {need}", self.token.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_as_it_is_written() {
        let line = RelayAttribute { token: Token(0x5f3c_9a01), need: Need::Needed };
        assert_eq!(line.to_string(), "a=reload-relay:1 5f3c9a01 needed");
        assert_eq!(RelayAttribute::parse(b"1 5f3c9a01 needed"), Some(line));
        let line = RelayAttribute { token: Token(7), need: Need::Possible };
        assert_eq!(line.to_string(), "a=reload-relay:1 00000007 possible");
        assert_eq!(RelayAttribute::parse(b"1 00000007 possible"), Some(line));
    }

    #[test]
    fn what_is_not_of_this_version_is_no_attribute() {
        for value in [
            "",
            "1",
            "2 5f3c9a01 needed",
            "1 5f3c9a0 needed",
            "1 +f3c9a01 needed",
            "1 5f3c9a01 maybe",
            "1 5f3c9a01",
            "1 5f3c9a01 needed more",
            "1  5f3c9a01 needed",
        ] {
            assert_eq!(RelayAttribute::parse(value.as_bytes()), None, "{value:?}");
        }
    }
}
