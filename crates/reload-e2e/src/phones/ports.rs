//! Ports for programs that can not tell which one they took.

use anyhow::{Context, Result};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::Site;

/// A port that was free a moment ago, both of UDP and of TCP.
pub(super) fn free_port(site: &Site) -> Result<u16> {
    const ATTEMPTS: usize = 20;
    for _ in 0..ATTEMPTS {
        let any = SocketAddr::new(site.address(), 0);
        let port = site.inside(move || TcpListener::bind(any))?.local_addr()?.port();
        let same = SocketAddr::new(site.address(), port);
        if site.inside(move || UdpSocket::bind(same)).is_ok() {
            return Ok(port);
        }
    }
    None.context("no port is free for UDP and TCP")
}
