//! Types that other crates are about to have; gone when they have them.
#![allow(missing_docs)]

use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnLogin {
    pub server: SocketAddr,
    pub username: String,
    pub password: String,
}
