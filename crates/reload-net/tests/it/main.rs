//! The driver over real sockets on loopback: handshakes, refusals, limits, links, HTTPS.
#![allow(missing_docs, clippy::unwrap_used)]

mod datagrams;
mod discovery;
mod foreign;
mod handshake;
mod https;
mod kit;
mod limits;
mod links;
mod nodes;
mod pipes;
mod raw;
mod refusals;
mod ring;
mod sip;
mod wiretap;
