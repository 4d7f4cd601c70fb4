//! The answers of an enrollment server (RFC 6940 section 11.3): a certificate with status 200, or
//! an error token with 403. It is not the check of that certificate, which is `certificate.rs`.

use bytes::Bytes;

/// Why an enrollment server refused a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrollmentFailure {
    /// The account name and password combination was not valid.
    #[error("the enrollment server refused the user name or the password")]
    FailedAuthentication,
    /// The requested user name in the CSR was not acceptable.
    #[error("the enrollment server does not give this user name to this account")]
    UsernameNotAvailable,
    /// The number of Node-IDs requested was not acceptable.
    #[error("the enrollment server does not give as many Node-IDs as asked")]
    NodeIdsNotAvailable,
    /// There was some other problem with the CSR.
    #[error("the enrollment server refused the certificate signing request")]
    BadCsr,
    /// Anything else, a token we do not know included: "a failure for an unknown reason" (11.3).
    #[error("the enrollment server failed for an unknown reason (HTTP status {status})")]
    Unknown {
        /// The HTTP status of the answer.
        status: u16,
    },
}

impl EnrollmentFailure {
    /// The token as section 11.3 prints it; none for an unknown reason.
    #[must_use]
    pub fn token(&self) -> Option<&'static str> {
        match self {
            Self::FailedAuthentication => Some("failed_authentication"),
            Self::UsernameNotAvailable => Some("username_not_available"),
            Self::NodeIdsNotAvailable => Some("Node-IDs_not_available"),
            Self::BadCsr => Some("bad_CSR"),
            Self::Unknown { .. } => None,
        }
    }

    /// Reads the body of a refusal: without regard to case, blanks around it and the two spellings
    /// of the Node-ID token (E22).
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let token = body.trim_ascii();
        let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        if is("failed_authentication") {
            Self::FailedAuthentication
        } else if is("username_not_available") {
            Self::UsernameNotAvailable
        } else if is("Node-IDs_not_available") || is("nodeids_not_available") {
            Self::NodeIdsNotAvailable
        } else if is("bad_CSR") {
            Self::BadCsr
        } else {
            Self::Unknown { status }
        }
    }
}

/// What an enrollment server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrollmentAnswer {
    /// A DER certificate, not yet checked: see [`crate::check_certificate`].
    Certificate(Bytes),
    /// The server refused.
    Refused(EnrollmentFailure),
}

/// Reads status, content type and body of the answer to an enrollment request (11.3).
///
/// A 200 of another media type is no certificate and counts as a failure for an unknown reason.
#[must_use]
pub fn read_answer(status: u16, content_type: Option<&str>, body: Bytes) -> EnrollmentAnswer {
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    if status == 200 && media_type.trim().eq_ignore_ascii_case(crate::CERTIFICATE_TYPE) {
        return EnrollmentAnswer::Certificate(body);
    }
    if status == 403 {
        return EnrollmentAnswer::Refused(EnrollmentFailure::read(status, &body));
    }
    EnrollmentAnswer::Refused(EnrollmentFailure::Unknown { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &'static [u8]) -> EnrollmentFailure {
        match read_answer(403, Some("text/plain"), Bytes::from_static(body)) {
            EnrollmentAnswer::Refused(failure) => failure,
            EnrollmentAnswer::Certificate(_) => panic!("a 403 is no certificate"),
        }
    }

    #[test]
    fn tokens_are_those_of_the_rfc() {
        assert_eq!(refusal(b"failed_authentication"), EnrollmentFailure::FailedAuthentication);
        assert_eq!(refusal(b"username_not_available"), EnrollmentFailure::UsernameNotAvailable);
        assert_eq!(refusal(b"Node-IDs_not_available"), EnrollmentFailure::NodeIdsNotAvailable);
        assert_eq!(refusal(b"bad_CSR"), EnrollmentFailure::BadCsr);
    }

    #[test]
    fn tokens_are_read_in_any_case_and_both_spellings() {
        assert_eq!(refusal(b"nodeids_not_available\r\n"), EnrollmentFailure::NodeIdsNotAvailable);
        assert_eq!(refusal(b" NODE-IDS_NOT_AVAILABLE "), EnrollmentFailure::NodeIdsNotAvailable);
        assert_eq!(refusal(b"BAD_csr"), EnrollmentFailure::BadCsr);
    }

    // R6940-11.3-24
    #[test]
    fn unknown_token_is_an_unknown_reason() {
        assert_eq!(refusal(b"out_of_paper"), EnrollmentFailure::Unknown { status: 403 });
        assert_eq!(refusal(b"\xff\x00"), EnrollmentFailure::Unknown { status: 403 });
        assert_eq!(refusal(b""), EnrollmentFailure::Unknown { status: 403 });
    }

    #[test]
    fn every_token_written_is_read_back() {
        for failure in [
            EnrollmentFailure::FailedAuthentication,
            EnrollmentFailure::UsernameNotAvailable,
            EnrollmentFailure::NodeIdsNotAvailable,
            EnrollmentFailure::BadCsr,
        ] {
            let token = failure.token().unwrap();
            assert_eq!(EnrollmentFailure::read(403, token.as_bytes()), failure);
        }
    }

    #[test]
    fn only_200_with_the_certificate_type_is_a_certificate() {
        let body = Bytes::from_static(b"\x30\x00");
        let good = read_answer(200, Some("Application/pkix-cert; x=y"), body.clone());
        assert_eq!(good, EnrollmentAnswer::Certificate(body.clone()));
        let unknown = |status| EnrollmentAnswer::Refused(EnrollmentFailure::Unknown { status });
        assert_eq!(read_answer(200, Some("text/html"), body.clone()), unknown(200));
        assert_eq!(read_answer(200, None, body.clone()), unknown(200));
        assert_eq!(read_answer(500, Some("application/pkix-cert"), body), unknown(500));
    }
}
