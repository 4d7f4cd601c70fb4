//! The tokio driver of a node: sockets, TLS, timers, HTTPS.
