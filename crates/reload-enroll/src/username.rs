//! The user name of an overlay: the one rfc822Name of a certificate (RFC 6940 section 11.3).
//! Only legal characters are let in. It is not a full RFC 5322 address parser, and no string
//! preparation: names are compared as binary objects.

use std::fmt;
use std::str::FromStr;

/// Longest local part of a mailbox (RFC 5321 section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest domain (RFC 5321 section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// Longest label of a domain (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// A user name such as `alice@example.org`: a dot-atom, `@`, and a host name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// Why a text is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserNameError {
    /// There is no `@`, or nothing on one side of it.
    #[error("the user name does not have the form name@domain")]
    Form,
    /// A character an rfc822Name must not hold, such as NUL, a blank or anything beyond ASCII.
    #[error("the user name holds a character that is not legal in a mailbox")]
    Character,
    /// One of its sides is longer than a mailbox allows.
    #[error("the user name is too long")]
    TooLong,
}

impl UserName {
    /// Checks the characters and lengths of `text`.
    ///
    /// # Errors
    /// [`UserNameError`] when `text` does not have the form of a mailbox.
    pub fn new(text: &str) -> Result<Self, UserNameError> {
        let (local, domain) = text.rsplit_once('@').ok_or(UserNameError::Form)?;
        if local.len() > MAX_LOCAL || domain.len() > MAX_DOMAIN {
            return Err(UserNameError::TooLong);
        }
        check_local(local)?;
        check_domain(domain)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as it stands in the certificate.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_local(local: &str) -> Result<(), UserNameError> {
    if local.split('.').any(str::is_empty) {
        return Err(UserNameError::Form);
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte);
    if local.bytes().all(legal) { Ok(()) } else { Err(UserNameError::Character) }
}

fn check_domain(domain: &str) -> Result<(), UserNameError> {
    for label in domain.split('.') {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(UserNameError::Form);
        }
        if label.len() > MAX_LABEL {
            return Err(UserNameError::TooLong);
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(UserNameError::Character);
        }
    }
    Ok(())
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl AsRef<str> for UserName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_user_names() {
        for name in ["alice@example.org", "a.b+c@x", "o'brien@a-b.example", "x@1.2"] {
            assert_eq!(UserName::new(name).unwrap().as_str(), name);
        }
    }

    // R6940-11.3-19
    #[test]
    fn nul_blank_and_foreign_letters_are_refused() {
        for name in ["ali\0ce@example.org", "al ice@x", "alice@exa\0mple", "ålice@x", "a\"b@x"] {
            assert_eq!(UserName::new(name), Err(UserNameError::Character), "{name:?}");
        }
        assert_eq!(UserName::new("alice@x\n"), Err(UserNameError::Character));
        assert_eq!(UserName::new("alice@bob@x"), Err(UserNameError::Character));
    }

    #[test]
    fn both_sides_must_be_there() {
        for name in ["", "alice", "@x", "alice@", "a..b@x", ".a@x", "a@x..y", "a@-x"] {
            assert_eq!(UserName::new(name), Err(UserNameError::Form), "{name:?}");
        }
    }

    #[test]
    fn long_names_are_refused() {
        let name = format!("{}@x", "a".repeat(65));
        assert_eq!(UserName::new(&name), Err(UserNameError::TooLong));
        let name = format!("a@{}", "b".repeat(64));
        assert_eq!(UserName::new(&name), Err(UserNameError::TooLong));
    }
}
