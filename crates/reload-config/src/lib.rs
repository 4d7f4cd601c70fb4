//! The overlay configuration document (RFC 6940 section 11.1).
