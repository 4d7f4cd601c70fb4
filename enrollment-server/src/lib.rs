//! The certificate enrollment service (RFC 6940 section 11.3).
