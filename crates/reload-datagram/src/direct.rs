//! Links without ICE (sections 6.5.1.11 and 6.6.6): the DTLS handshake is the check of the address.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use reload_link::DtlsRole;
use reload_node::DialAddress;
use reload_wire::{Now, OverlayLinkType};

use crate::link::{Link, Path};
use crate::shared::Shared;
use crate::sockets::unspecified;

/// An address in use or being tried, and those to try yet.
#[derive(Debug)]
pub(crate) struct Direct {
    /// Ours, unspecified until something came from the other side.
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    rest: VecDeque<SocketAddr>,
    /// When the next address has its turn.
    pub(crate) until: Option<Instant>,
    failures: Vec<String>,
}

impl Direct {
    /// One that was accepted.
    pub(crate) fn accepted(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, rest: VecDeque::new(), until: None, failures: Vec::new() }
    }

    /// The addresses of a plan that are ours to dial, in its order.
    pub(crate) fn of_plan(addresses: &[DialAddress]) -> Option<Self> {
        let ours = |dial: &&DialAddress| dial.link == OverlayLinkType::DTLS_UDP_SR_NO_ICE;
        let mut rest: VecDeque<_> =
            addresses.iter().filter(ours).map(|dial| dial.address).collect();
        let remote = rest.pop_front()?;
        let local = unspecified(remote);
        Some(Self { local, remote, rest, until: None, failures: Vec::new() })
    }

    pub(crate) fn too_late(&self) -> String {
        let mut lines = self.failures.clone();
        lines.push(format!("no DTLS with {}: no answer in time", self.remote));
        lines.join("; ")
    }

    /// Each address gets an equal part of the time that is left.
    fn share(&mut self, now: Instant, deadline: Option<Instant>) {
        let shares = u32::try_from(self.rest.len() + 1).unwrap_or(u32::MAX);
        let left = deadline.map(|at| at.saturating_duration_since(now));
        self.until = left.filter(|_| shares > 1).map(|left| now + left / shares);
    }
}

impl Link {
    /// Dials the address whose turn it is.
    pub(crate) fn dial(&mut self, now: Now, shared: &mut Shared) {
        let Path::Direct(direct) = &mut self.path else { return };
        direct.share(now.mono, self.deadline);
        let remote = direct.remote;
        self.listen_to(shared, remote);
        self.associate(now, shared, DtlsRole::Client);
    }

    /// The address at hand has failed: the next one, or the end.
    pub(crate) fn dial_next(&mut self, now: Now, shared: &mut Shared, reason: String) {
        let Path::Direct(direct) = &mut self.path else { return };
        direct.failures.push(format!("no DTLS with {}: {reason}", direct.remote));
        let Some(next) = direct.rest.pop_front() else {
            let reason = direct.failures.join("; ");
            return self.end(shared, reason, Vec::new());
        };
        (direct.remote, direct.local) = (next, unspecified(next));
        self.association = None;
        self.forget_addresses(shared);
        self.dial(now, shared);
    }

    pub(crate) fn next_address_if_due(&mut self, now: Now, shared: &mut Shared) {
        let Path::Direct(direct) = &self.path else { return };
        if !self.is_up() && direct.until.is_some_and(|at| at <= now.mono) {
            self.dial_next(now, shared, "no answer in time".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_link_types_are_left_to_the_driver() {
        let dial = |port, link| DialAddress { address: ([192, 0, 2, 1], port).into(), link };
        let tls = dial(1, OverlayLinkType::TLS_TCP_FH_NO_ICE);
        assert!(Direct::of_plan(&[tls]).is_none());
        let dtls = dial(2, OverlayLinkType::DTLS_UDP_SR_NO_ICE);
        assert_eq!(Direct::of_plan(&[tls, dtls]).unwrap().remote, dtls.address);
    }
}
