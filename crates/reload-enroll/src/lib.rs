//! The enrollment exchange (RFC 6940 section 11.3) as values.
