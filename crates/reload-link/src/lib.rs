//! One overlay link without I/O: framing, acknowledgements, round-trip timer (RFC 6940 section 6.6).
