//! Addresses of record as RFC 7904 has them (sections 2 and 7): the user name of a certificate, without
//! scheme, parameters, headers, port and escapes; the domain in lower case.

use std::fmt;

use reload_wire::ResourceId;

use super::uri::{Scheme, SipUri, UriError, is_domain};

/// The longest user part, in bytes.
const MAX_USER: usize = 255;

/// A canonical AOR: the Resource Name of its registrations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aor {
    text: String,
    /// Where the `@` before the domain stands.
    at: usize,
}

/// Why a text is no AOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AorError {
    /// It is no SIP URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// It names no user.
    #[error("the SIP address names no user")]
    NoUser,
    /// Its user is not UTF-8, holds a control character, or is longer than 255 bytes.
    #[error("the user of the SIP address is not a name")]
    User,
    /// Its domain is no domain name.
    #[error("the domain of the SIP address is not a domain name")]
    Domain,
    /// The user name of a certificate whose domain has upper-case letters: nobody could find it.
    #[error("the user name has a domain in upper case, and AORs have it in lower case")]
    NotCanonical,
}

impl Aor {
    /// The AOR in a SIP or SIPS URI, or in the form `user@domain`.
    ///
    /// # Errors
    /// [`AorError`].
    pub fn parse(text: &str) -> Result<Self, AorError> {
        Self::of_uri(&SipUri::parse(text)?)
    }

    /// The AOR of a URI: scheme, parameters, headers and port are left out, escapes are decoded.
    ///
    /// # Errors
    /// [`AorError`].
    pub fn of_uri(uri: &SipUri) -> Result<Self, AorError> {
        let user = decode(uri.user().ok_or(AorError::NoUser)?)?;
        Self::new(&user, uri.host())
    }

    /// The AOR that a user name of a certificate is: the name byte by byte, `%` is no escape in it.
    ///
    /// # Errors
    /// [`AorError`] if it is none, or not a canonical one.
    pub fn of_user_name(name: &str) -> Result<Self, AorError> {
        let (user, domain) = name.rsplit_once('@').ok_or(AorError::NoUser)?;
        let aor = Self::new(user, domain)?;
        if aor.text == name { Ok(aor) } else { Err(AorError::NotCanonical) }
    }

    fn new(user: &str, domain: &str) -> Result<Self, AorError> {
        if user.is_empty() {
            return Err(AorError::NoUser);
        }
        if user.len() > MAX_USER || user.chars().any(char::is_control) {
            return Err(AorError::User);
        }
        if !is_domain(domain) {
            return Err(AorError::Domain);
        }
        let domain = domain.to_ascii_lowercase();
        Ok(Self { text: format!("{user}@{domain}"), at: user.len() })
    }

    /// The text, as certificates have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands behind the last `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The URI of this AOR, with escapes where they are needed.
    #[must_use]
    pub fn to_uri(&self, scheme: Scheme) -> String {
        format!("{}:{}@{}", scheme.name(), self.escaped_user(), self.domain())
    }

    pub(super) fn escaped_user(&self) -> String {
        let mut out = String::new();
        for byte in self.user().bytes() {
            // unreserved and user-unreserved (RFC 3261 section 25.1)
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
                out.push(char::from(byte));
            } else {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
        out
    }

    /// Where its registrations are stored.
    pub fn resource(&self, hash: impl Fn(&[u8]) -> ResourceId) -> ResourceId {
        hash(self.text.as_bytes())
    }
}

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Decodes the escapes (RFC 7904 section 7, RFC 3986).
fn decode(text: &str) -> Result<String, AorError> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(UriError::Character)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| UriError::Character)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| AorError::User)
}
