//! Why a request to the storage fails, and the RFC's error code for it (section 6.3.3.1).

use reload_wire::{
    DecodeError, Dialect, Encode, EncodeError, ErrorCode, ErrorResponse, KindId, NodeId, StoreAns,
    UnixTime, UnknownKinds,
};

use crate::store::StoreFault;
use crate::values::ValueKey;

/// A request that is not granted. Nothing of it has been done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// An original Store or a Find for a resource of another peer (E68).
    #[error("this peer is not responsible for the resource")]
    NotResponsible,
    /// A copy from a node that has no place in the replica set (section 7.4.1.1).
    #[error("node {sender} is not a plausible sender of copies for this resource")]
    ImplausibleReplica {
        /// The signer of the request.
        sender: NodeId,
    },
    /// The same Kind twice in a Store or Find (sections 7.4.1.1 and 7.4.4.1).
    #[error("kind {0} occurs twice in the request")]
    RepeatedKind(KindId),
    /// Kinds that this peer doesn't know or can't store (section 7.4.1.2).
    #[error("unknown kinds in the request")]
    UnknownKinds(Vec<KindId>),
    /// The signer of a value may not write it (section 7.3).
    #[error("node {signer} may not write kind {kind} at this resource")]
    ValueForbidden {
        /// The Kind.
        kind: KindId,
        /// The signer of the value.
        signer: NodeId,
    },
    /// The signer of an original Store may not write the value, whoever signed that (section 7.3).
    #[error("the sender {sender} may not write kind {kind} at this resource")]
    SenderForbidden {
        /// The Kind.
        kind: KindId,
        /// The signer of the request.
        sender: NodeId,
    },
    /// The user name of a value's signer is in a domain that the overlay does not take (RFC 7904
    /// section 3.3).
    #[error("the overlay takes no kind {kind} from the domain of the user of node {signer}")]
    ForeignDomain {
        /// The Kind.
        kind: KindId,
        /// The signer of the value.
        signer: NodeId,
    },
    /// The certificate of a value's signer is past its end (section 7.1, E68).
    #[error("the certificate of node {signer}, which signed the value, has expired")]
    CertificateExpired {
        /// The signer of the value.
        signer: NodeId,
    },
    /// The generation counter is not the present one (E67). Carries the present ones.
    #[error("the generation counter is not the present one")]
    Generation(StoreAns),
    /// A copy with generation counter 0 (section 7.4.1.1).
    #[error("a copy of kind {0} has generation counter 0")]
    ZeroGeneration(KindId),
    /// The storage time is not greater than that of the value in place (E59).
    #[error("kind {kind}: a value of storage time {} ms is in place", .stored.0)]
    TooOld {
        /// The Kind.
        kind: KindId,
        /// The element.
        key: ValueKey,
        /// The storage time of the value in place.
        stored: UnixTime,
    },
    /// A value is larger than max-size of its Kind.
    #[error("kind {kind}: a value of {size} bytes, at most {max} are allowed")]
    ValueTooLarge {
        /// The Kind.
        kind: KindId,
        /// Bytes of the value.
        size: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// More values than max-count of the Kind or this peer's own limit (E65).
    #[error("kind {kind}: {count} values at this resource, at most {max} are allowed")]
    TooManyValues {
        /// The Kind.
        kind: KindId,
        /// How many there would be.
        count: usize,
        /// The most that is allowed.
        max: usize,
    },
    /// An append behind the last index that there is.
    #[error("kind {0}: the array has no index left")]
    ArrayFull(KindId),
    /// The peer holds as many bytes as it is willing to.
    #[error("this peer stores at most {limit} bytes for others")]
    BytesFull {
        /// The limit.
        limit: usize,
    },
    /// The peer holds as many resources as it is willing to.
    #[error("this peer stores at most {limit} resources for others")]
    ResourcesFull {
        /// The limit.
        limit: usize,
    },
    /// A specifier that doesn't fit the data model of its Kind (section 7.4.2.1).
    #[error("kind {kind}: bad specifier: {error}")]
    BadSpecifier {
        /// The Kind.
        kind: KindId,
        /// What is wrong.
        error: DecodeError,
    },
    /// A range that ends before it starts, or overlaps another (section 7.4.2.1).
    #[error("kind {0}: a range ends before it starts or overlaps another")]
    BadRanges(KindId),
    /// The answer is larger than the requester or the overlay takes (E31).
    #[error("the answer exceeds {limit} bytes")]
    AnswerTooLarge {
        /// The most that is allowed.
        limit: usize,
    },
    /// A structure that could not be written.
    #[error("the answer cannot be encoded: {0}")]
    Encoding(#[from] EncodeError),
    /// The store failed.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

impl Refusal {
    /// The error code of section 6.3.3.1.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotResponsible => ErrorCode::NOT_FOUND,
            Self::ImplausibleReplica { .. }
            | Self::ValueForbidden { .. }
            | Self::SenderForbidden { .. }
            | Self::ForeignDomain { .. }
            | Self::CertificateExpired { .. }
            | Self::ResourcesFull { .. }
            | Self::Fault(_) => ErrorCode::FORBIDDEN,
            Self::UnknownKinds(_) => ErrorCode::UNKNOWN_KIND,
            Self::Generation(_) => ErrorCode::GENERATION_COUNTER_TOO_LOW,
            Self::TooOld { .. } => ErrorCode::DATA_TOO_OLD,
            Self::ValueTooLarge { .. }
            | Self::TooManyValues { .. }
            | Self::ArrayFull(_)
            | Self::BytesFull { .. } => ErrorCode::DATA_TOO_LARGE,
            Self::AnswerTooLarge { .. } | Self::Encoding(_) => ErrorCode::RESPONSE_TOO_LARGE,
            Self::RepeatedKind(_)
            | Self::ZeroGeneration(_)
            | Self::BadSpecifier { .. }
            | Self::BadRanges(_) => ErrorCode::INVALID_MESSAGE,
        }
    }

    /// The error response: the code and its error_info, which is a structure for 0x5 and 0xC and
    /// text for people otherwise (sections 7.4.1.2 and 6.3.3.1).
    #[must_use]
    pub fn error_response(&self, _dialect: &Dialect) -> ErrorResponse {
        let info = match self {
            Self::Generation(present) => present.to_bytes().ok(),
            Self::UnknownKinds(kinds) => {
                UnknownKinds::first_of(kinds.iter().copied()).to_bytes().ok()
            }
            _ => None,
        };
        match info {
            Some(info) => ErrorResponse { code: self.code(), info },
            None => ErrorResponse::with_text(self.code(), &self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-7.4.1.2-07
    #[test]
    fn more_unknown_kinds_than_fit_are_cut() {
        let kinds = (0..70).map(KindId).collect();
        let response = Refusal::UnknownKinds(kinds).error_response(&Dialect::default());
        assert_eq!(response.info.len(), 1 + 4 * 63);
        assert_eq!(response.info[0], 252);
    }

    #[test]
    fn an_answer_that_does_not_fit_is_a_response_too_large() {
        let response = Refusal::AnswerTooLarge { limit: 9 }.error_response(&Dialect::default());
        assert_eq!(response.code, ErrorCode::RESPONSE_TOO_LARGE);
        assert_eq!(response.text(), Some("the answer exceeds 9 bytes"));
    }
}
