//! One Attach or AppAttach (sections 6.5.1.3 to 6.5.1.14).

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use reload_wire::IceCandidate;

use crate::{
    Arrived, IceCredentials, IceEvent, IceReport, IceSettings, IceTransmit, Relayed, SelectedPair,
};

/// One Attach or AppAttach.
#[derive(Debug)]
pub struct IceSession {
    settings: IceSettings,
}

impl IceSession {
    /// Starts gathering.
    #[must_use]
    pub fn new(now: Instant, settings: IceSettings, seed: [u8; 32]) -> Self {
        let _ = (now, seed);
        Self { settings }
    }

    /// The credentials and candidates of the other side have come: checks begin.
    pub fn set_remote(
        &mut self,
        now: Instant,
        remote: IceCredentials,
        candidates: &[IceCandidate],
    ) {
        let _ = (now, remote, candidates);
    }

    /// The relayed addresses of the [`crate::Relays`] that are shared, or those left of them.
    pub fn set_relayed(&mut self, now: Instant, relayed: &[Relayed]) {
        let _ = (now, relayed);
    }

    /// The addresses of the host have changed: paths from those that are gone are given up, and new ones
    /// are tried.
    pub fn set_hosts(&mut self, now: Instant, hosts: &[SocketAddr]) {
        let _ = (now, hosts);
    }

    /// Whether a datagram belongs to this session.
    #[must_use]
    pub fn accepts(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        let _ = (local, remote, datagram);
        false
    }

    /// Takes a datagram; `Some` is payload for the layer above.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<Arrived> {
        let _ = (now, local, remote, datagram);
        None
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When to call [`IceSession::handle_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// A datagram to send.
    pub fn poll_transmit(&mut self) -> Option<IceTransmit> {
        None
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        None
    }

    /// Sends bytes of the layer above over the selected pair.
    pub fn send(&mut self, now: Instant, data: &[u8]) {
        let _ = (now, Bytes::copy_from_slice(data), &self.settings);
    }

    /// Gives the allocations of its own back; send what [`IceSession::poll_transmit`] has before it goes.
    pub fn close(&mut self, now: Instant) {
        let _ = now;
    }

    /// The pair in use.
    #[must_use]
    pub fn selected(&self) -> Option<SelectedPair> {
        None
    }

    /// What is known, for people to read.
    #[must_use]
    pub fn report(&self) -> IceReport {
        IceReport::default()
    }
}
