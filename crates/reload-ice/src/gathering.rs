//! Gathering (section 6.5.1.5, RFC 8445 section 5.1.1): who is asked, and how long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use crate::IceTransmit;
use crate::binding::{BindingRequest, plain};
use crate::scope::{reachable, usable};

/// The questions that are open. All go out at once: there are few.
#[derive(Debug)]
pub(crate) struct Gathering {
    until: Instant,
    requests: Vec<BindingRequest>,
    /// Whether relayed addresses may still come.
    pub(crate) relays: bool,
}

/// A reflexive address: how `server` sees `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reflexive {
    pub(crate) address: SocketAddr,
    pub(crate) base: SocketAddr,
    pub(crate) server: SocketAddr,
}

impl Gathering {
    pub(crate) fn new(
        now: Instant,
        hosts: &[SocketAddr],
        servers: &[SocketAddr],
        random: &mut impl Rng,
    ) -> Self {
        let mut requests = Vec::new();
        for server in servers.iter().copied().map(plain).take(MOST_SERVERS) {
            let bases = hosts.iter().copied().filter(|it| reachable(*it, server));
            requests.extend(bases.map(|base| BindingRequest::new(now, base, server, random)));
        }
        requests.truncate(MOST_REQUESTS);
        Self { until: now + GATHER_LIMIT, requests, relays: false }
    }

    pub(crate) fn accepts(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.requests.iter().any(|it| it.matches(local, remote, datagram))
    }

    /// Takes an answer.
    pub(crate) fn handle(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<Reflexive> {
        let at = self.requests.iter().position(|it| it.matches(local, remote, datagram))?;
        let answer = self.requests[at].answer(datagram)?;
        let asked = self.requests.swap_remove(at);
        let address = plain(answer.ok()?);
        let fits = usable(address) && address.is_ipv4() == asked.base.is_ipv4();
        fits.then_some(Reflexive { address, base: asked.base, server: asked.server })
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut impl Extend<IceTransmit>) {
        out.extend(self.requests.iter_mut().filter_map(|it| it.due(now)));
    }

    pub(crate) fn is_done(&self, now: Instant) -> bool {
        now >= self.until || (self.requests.is_empty() && !self.relays)
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        let next = self.requests.iter().map(BindingRequest::next).min();
        next.map_or(self.until, |it| it.min(self.until))
    }
}

/// The hosts that can be candidates, once each.
pub(crate) fn usable_hosts(hosts: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for host in hosts.iter().copied().map(plain) {
        if usable(host) && !found.contains(&host) && found.len() < MOST_HOSTS {
            found.push(host);
        }
    }
    found
}

/// How long servers may take: three transmissions, at 0, 0.5 and 1.5 s, and a round trip.
pub(crate) const GATHER_LIMIT: Duration = Duration::from_millis(1750);
const MOST_HOSTS: usize = 8;
const MOST_SERVERS: usize = 4;
const MOST_REQUESTS: usize = 16; // at once; RFC 8445 section 14.2 would pace them 50 ms apart
