//! SIP URIs (RFC 3261 section 19.1), as far as AORs and GRUUs need them: no tel URIs, no passwords.
//! What is read is bounded, and nothing is decoded here.

use std::fmt;

/// The longest URI that is read: a GRUU holds a destination list.
const MAX_LENGTH: usize = 8192;
/// Parameters of a URI.
const MAX_PARAMETERS: usize = 32;

/// How SIP travels: told by the scheme of a URI, and by the Application-ID of a connection (RFC 7904
/// section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`, over (D)TLS.
    Sips,
}

impl Scheme {
    /// The Application-ID of AppAttach (RFC 7904 section 5.1).
    #[must_use]
    pub const fn application(self) -> u16 {
        match self {
            Self::Sip => 5060,
            Self::Sips => 5061,
        }
    }

    /// The scheme of an Application-ID; none of another application.
    #[must_use]
    pub const fn of_application(application: u16) -> Option<Self> {
        match application {
            5060 => Some(Self::Sip),
            5061 => Some(Self::Sips),
            _ => None,
        }
    }

    /// `sip` or `sips`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
        }
    }
}

/// A URI as it is written, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SipUri {
    text: String,
    scheme: Option<Scheme>,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    parameters: Vec<(String, Option<String>)>,
}

/// Why a text is no SIP URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It is longer than 8192 bytes, or has more than 32 parameters.
    #[error("the SIP URI is too long")]
    TooLong,
    /// A character that no URI has, or a `%` without two hexadecimal digits.
    #[error("the SIP URI holds a character that must be escaped, or a bad escape")]
    Character,
    /// The part before the `@` is empty, or has an `@` or a password in it.
    #[error("the user of the SIP URI is none")]
    User,
    /// The host or the port is none.
    #[error("the host or port of the SIP URI is none")]
    Host,
    /// A parameter without a name, or given twice.
    #[error("a parameter of the SIP URI has no name or is given twice")]
    Parameter,
}

impl SipUri {
    /// Reads a URI; without a scheme it is an AOR as RFC 7904 has it.
    ///
    /// # Errors
    /// [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_LENGTH {
            return Err(UriError::TooLong);
        }
        check_characters(text)?;
        let (scheme, rest) = split_scheme(text);
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(check_user(user)?.to_owned()), rest),
            None => (None, rest),
        };
        let rest = rest.split_once('?').map_or(rest, |(before, _headers)| before);
        let (place, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let (host, port) = split_port(place)?;
        Ok(Self {
            scheme,
            user,
            host: check_host(host)?,
            port,
            parameters: read_parameters(parameters)?,
            text: text.to_owned(),
        })
    }

    /// The scheme, if it has one.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// What stands before the `@`, with its escapes.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if it is given.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The value of a parameter, which may be empty; the name in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_deref().unwrap_or_default())
    }

    pub(super) fn has_parameters(&self) -> bool {
        !self.parameters.is_empty()
    }

    pub(super) fn without_scheme(&self) -> &str {
        split_scheme(&self.text).1
    }

    /// The text as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// ASCII without blanks, quotes, angle brackets and controls; whole escapes.
fn check_characters(text: &str) -> Result<(), UriError> {
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
    let mut parts = text.split('%');
    let escape = |part: &str| {
        part.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
    };
    let whole = parts.next().is_some() && parts.all(escape);
    if whole && text.bytes().all(legal) { Ok(()) } else { Err(UriError::Character) }
}

fn split_scheme(text: &str) -> (Option<Scheme>, &str) {
    for scheme in [Scheme::Sip, Scheme::Sips] {
        let length = scheme.name().len();
        if let (Some(name), Some(rest)) = (text.get(..length), text.get(length..))
            && name.eq_ignore_ascii_case(scheme.name())
            && let Some(rest) = rest.strip_prefix(':')
        {
            return (Some(scheme), rest);
        }
    }
    (None, text)
}

fn check_user(user: &str) -> Result<&str, UriError> {
    let wrong = user.is_empty() || user.contains(['@', ':', '[', ']']);
    if wrong { Err(UriError::User) } else { Ok(user) }
}

fn split_port(place: &str) -> Result<(&str, Option<u16>), UriError> {
    let end =
        if place.starts_with('[') { place.find(']').map(|at| at + 1) } else { place.find(':') };
    let (host, rest) = place.split_at(end.unwrap_or(place.len()));
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or(UriError::Host)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|_| is_number);
    port.map(|port| (host, Some(port))).ok_or(UriError::Host)
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn check_host(host: &str) -> Result<String, UriError> {
    let inside = host.strip_prefix('[').map(|it| it.strip_suffix(']').unwrap_or_default());
    let good = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_domain(host),
    };
    if good { Ok(host.to_ascii_lowercase()) } else { Err(UriError::Host) }
}

/// Labels of letters, digits and hyphens, with the lengths of DNS.
pub(super) fn is_domain(host: &str) -> bool {
    let legal = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && bytes.first() != Some(&b'-')
            && bytes.last() != Some(&b'-')
    };
    host.len() <= 255 && host.split('.').all(legal)
}

fn read_parameters(text: &str) -> Result<Vec<(String, Option<String>)>, UriError> {
    let mut parameters: Vec<(String, Option<String>)> = Vec::new();
    for part in text.split(';').filter(|_| !text.is_empty()) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (part, None),
        };
        let name = name.to_ascii_lowercase();
        if parameters.len() >= MAX_PARAMETERS {
            return Err(UriError::TooLong);
        }
        if name.is_empty() || parameters.iter().any(|(known, _)| *known == name) {
            return Err(UriError::Parameter);
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}
