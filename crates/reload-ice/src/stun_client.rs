//! A plain STUN client on one socket (RFC 8489): how a server sees the socket, asked again and again so
//! that a NAT keeps its binding. What peers are grouped by (section 6.5.1.4); not a check of ICE.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::IceTransmit;
use crate::binding::{BindingRequest, plain};

/// Asks one server how it sees one of our addresses.
#[derive(Debug)]
pub struct StunClient {
    local: SocketAddr,
    server: SocketAddr,
    interval: Duration,
    random: StdRng,
    state: State,
    mapped: Option<SocketAddr>,
    event: Option<StunEvent>,
    transmit: Option<IceTransmit>,
}

/// What a [`StunClient`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunEvent {
    /// The server sees us so; told first and whenever it changes.
    Mapped(SocketAddr),
    /// The server does not answer, or refuses. It is asked again after the interval.
    Silent,
}

impl StunClient {
    /// Starts asking; `interval` is between an answer and the next question: 15 s or more, or the time
    /// that a NAT holds a binding for (RFC 8445 section 11).
    #[must_use]
    pub fn new(
        now: Instant,
        local: SocketAddr,
        server: SocketAddr,
        interval: Duration,
        seed: [u8; 32],
    ) -> Self {
        let (local, server) = (plain(local), plain(server));
        let mut random = StdRng::from_seed(seed);
        let state = State::Asking(BindingRequest::new(now, local, server, &mut random));
        let mut client = Self {
            local,
            server,
            interval,
            random,
            state,
            mapped: None,
            event: None,
            transmit: None,
        };
        client.handle_timeout(now);
        client
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// How the server saw us last.
    #[must_use]
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// Whether a datagram is the answer we wait for.
    #[must_use]
    pub fn accepts(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        match &self.state {
            State::Asking(it) => it.matches(plain(local), plain(remote), datagram),
            State::Resting(_) => false,
        }
    }

    /// Takes a datagram that is accepted; others do nothing.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) {
        let State::Asking(request) = &self.state else { return };
        if !request.matches(plain(local), plain(remote), datagram) {
            return;
        }
        match request.answer(datagram) {
            None => return,
            Some(Err(())) => self.event = Some(StunEvent::Silent),
            Some(Ok(mapped)) if self.mapped == Some(mapped) => (),
            Some(Ok(mapped)) => {
                self.mapped = Some(mapped);
                self.event = Some(StunEvent::Mapped(mapped));
            }
        }
        self.state = State::Resting(now + self.interval);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Resting(until) if now < *until => (),
            State::Resting(_) => {
                let (local, server) = (self.local, self.server);
                let request = BindingRequest::new(now, local, server, &mut self.random);
                self.state = State::Asking(request);
                self.handle_timeout(now);
            }
            State::Asking(it) if now >= it.next() && it.sent() >= MOST_TRANSMISSIONS => {
                self.event = Some(StunEvent::Silent);
                self.state = State::Resting(now + self.interval);
            }
            State::Asking(it) => {
                if let Some(transmit) = it.due(now) {
                    self.transmit = Some(transmit);
                }
            }
        }
    }

    /// When [`StunClient::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asking(it) => Some(it.next()),
            State::Resting(until) => Some(*until),
        }
    }

    /// A datagram to send.
    pub fn poll_transmit(&mut self) -> Option<IceTransmit> {
        self.transmit.take()
    }

    /// What was found.
    pub fn poll_event(&mut self) -> Option<StunEvent> {
        self.event.take()
    }
}

#[derive(Debug)]
enum State {
    Asking(BindingRequest),
    Resting(Instant),
}

const MOST_TRANSMISSIONS: u32 = 5; // 15.5 s in all; RFC 8489 section 6.2.1 has seven, which is long for us

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer_binding;

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_changed_mapping_is_told_and_a_dead_server_too() {
        let mut now = Instant::now();
        let (local, server) = ("10.0.0.1:9".parse().unwrap(), "192.0.2.2:1".parse().unwrap());
        let mut client = StunClient::new(now, local, server, Duration::from_secs(15), [3; 32]);
        let mut events = Vec::new();
        let seen: [SocketAddr; 3] =
            ["198.51.100.1:1", "198.51.100.1:1", "198.51.100.1:2"].map(|it| it.parse().unwrap());
        for source in seen {
            let request = client.poll_transmit().unwrap();
            assert_eq!((request.local, request.remote), (local, server));
            let answer = answer_binding(&request.data, source).unwrap();
            assert!(client.accepts(local, server, &answer));
            assert!(!client.accepts(local, local, &answer), "not from the server");
            client.handle_datagram(now, local, server, &answer);
            events.extend(client.poll_event());
            now = client.next_timeout().unwrap();
            client.handle_timeout(now);
            assert!(client.next_timeout().unwrap() > now);
        }
        assert_eq!(events, [StunEvent::Mapped(seen[0]), StunEvent::Mapped(seen[2])]);
        let mut sent = 0;
        while client.poll_event().is_none() {
            sent += usize::from(client.poll_transmit().is_some());
            now = client.next_timeout().unwrap();
            client.handle_timeout(now);
        }
        assert_eq!(sent, 5);
        assert_eq!(client.mapped(), Some(seen[2]));
    }
}
