//! The proxy as phones and peers see it: real datagrams in plain text on the side of the phones, an
//! overlay in memory on the other.
#![allow(missing_docs, clippy::unwrap_used)]

mod bed;
mod calls;
mod failing;
mod forks;
mod identity;
mod load;
mod media;
mod media_calls;
mod outside;
mod overlay;
mod phone;
mod tricks;
