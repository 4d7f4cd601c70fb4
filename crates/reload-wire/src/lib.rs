//! The bytes of RELOAD (RFC 6940): header, contents, security block, methods, frames.
