//! All links of the UDP sockets of a node, without I/O.
