//! ICE agent, STUN and TURN without I/O, as RELOAD uses them (RFC 6940 section 6.5.1).
