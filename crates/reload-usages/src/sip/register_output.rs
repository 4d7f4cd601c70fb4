//! What comes out of a registration: requests, results, and why there is none.

use reload_node::{Request, RequestError};
use reload_wire::{EncodeError, ErrorCode};

use super::aor::{Aor, AorError};

/// Names what was asked for by a REGISTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterId(pub(super) u64);

/// Names a request to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegisterRequestId(pub(super) u64);

/// Why a user is not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The certificate of this node has no user name.
    #[error("the certificate of this node has no user name")]
    NoUser,
    /// The user name of the certificate is no AOR.
    #[error("the user name of this node is no SIP address: {0}")]
    UserName(AorError),
    /// The overlay does not have the Kind SIP-REGISTRATION.
    #[error("the overlay has no SIP registrations")]
    NoKind,
    /// The overlay takes no AORs of this domain (RFC 7904 section 3.4).
    #[error("the overlay takes no registrations of {0}")]
    Domain(Aor),
    /// The registration is too large, or has an empty destination list.
    #[error("the registration cannot be written: {0}")]
    Encoding(#[from] EncodeError),
    /// Too many REGISTERs wait.
    #[error("too many registrations are under way")]
    Busy,
    /// Its lifetime has ended.
    #[error("the registration has expired")]
    Expired,
    /// The Store failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The node has sent no request, or the answer is that to another one.
    #[error("the request could not be made")]
    NotMade,
}

/// What is to be done or to be known.
#[derive(Debug)]
pub enum RegisterOutput {
    /// To be asked of the node, and answered with [`super::SipRegistering::handle_finished`].
    Request(RegisterRequestId, Request),
    /// A registration or a removal has come about, and lives for so many seconds, or it has not.
    /// After a failure that may pass the Store is tried again all the same.
    Finished(RegisterId, Result<u32, RegisterError>),
    /// What was registered is not any longer, and nobody has asked for that.
    Ended(RegisterError),
}

impl RegisterError {
    /// Whether a value of a later storage time is in place.
    pub(super) fn is_too_old(&self) -> bool {
        matches!(self, Self::Request(RequestError::Refused { code, .. })
        if *code == ErrorCode::DATA_TOO_OLD)
    }

    /// Whether the same Store would fail again.
    pub(super) fn is_for_good(&self) -> bool {
        match self {
            Self::Request(RequestError::Refused { code, .. }) => {
                *code == ErrorCode::FORBIDDEN || *code == ErrorCode::DATA_TOO_LARGE
            }
            Self::Request(RequestError::TooLarge { .. } | RequestError::UnknownKind(_)) => true,
            _ => false,
        }
    }
}
