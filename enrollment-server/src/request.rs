//! Reading a certificate signing request for an account (RFC 6940 section 11.3, E19): only its key
//! and the user name it asks for count. Whatever else it asks for is ignored.

use bytes::Bytes;
use reload_enroll::EnrollmentFailure;
use reload_identity::{IssueError, SigningRequest};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestRefusal {
    /// It cannot be read, is not signed by its key, or its key is not taken.
    #[error(transparent)]
    Csr(#[from] IssueError),
    /// It asks for a name that is not the account's.
    #[error("the user name {0:?} is not that of the account")]
    UserName(String),
}

impl RequestRefusal {
    /// The token it is answered with.
    pub(crate) fn failure(&self) -> EnrollmentFailure {
        match self {
            Self::Csr(_) => EnrollmentFailure::BadCsr,
            Self::UserName(_) => EnrollmentFailure::UsernameNotAvailable,
        }
    }
}

/// The public key (DER subjectPublicKeyInfo) to certify for `user`.
///
/// A common name without `@`, as general tools fill in, is no user name; the account's name is
/// taken then, as if the request had named none (E19).
pub(crate) fn read(csr: &[u8], user: &str) -> Result<Bytes, RequestRefusal> {
    let request = SigningRequest::read(csr)?;
    match request.user() {
        Some(asked) if asked.contains('@') && asked != user => {
            Err(RequestRefusal::UserName(asked.to_owned()))
        }
        _ => Ok(request.spki().clone()),
    }
}
