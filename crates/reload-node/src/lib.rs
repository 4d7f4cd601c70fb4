//! The RELOAD node without I/O (RFC 6940 section 6).
