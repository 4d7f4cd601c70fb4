//! CHORD-RELOAD, the topology plug-in of RFC 6940 section 10.
