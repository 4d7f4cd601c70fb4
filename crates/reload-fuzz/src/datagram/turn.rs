//! A TURN service, and clients that have a login and use it as a script says.
//!
//! Rules: no panic; quotas hold; sockets are asked for and closed once; nothing goes to addresses that
//! are not relayed to; whoever has no login gets an answer not much longer than his question.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_ice::{RelaySocket, TurnOutput, TurnQuotas, TurnService};
use stun_types::attribute::{Nonce, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWrite, MessageWriteExt,
};

use super::stun::{address, message, try_binding};
use super::{Way, spoil};
use crate::link::beginning;
use crate::script::Script;

const STEPS: usize = 64;
/// What one input asks for, at most.
const OUTPUTS: usize = 32;
const REALM: &str = "example.org";

struct Play {
    now: Instant,
    service: TurnService,
    open: BTreeSet<RelaySocket>,
    sockets: Vec<RelaySocket>,
    nonce: String,
    /// What came, to be sent again.
    heard: Way<(SocketAddr, Bytes)>,
    /// No more sockets can be opened.
    full: bool,
    count: u16,
    /// Datagrams that went to peers.
    relayed: usize,
}

fn quotas() -> TurnQuotas {
    TurnQuotas {
        users: 3,
        allocations: 4,
        permissions: 3,
        channels: 3,
        bytes_per_second: 2000,
        ..TurnQuotas::default()
    }
}

pub(super) fn play(script: &mut Script<'_>) {
    let mut play = Play::new();
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, script);
    }
    play.rest();
}

impl Play {
    fn new() -> Self {
        let now = beginning();
        let server = SocketAddr::from(([203, 0, 113, 2], 3478));
        let mut service = TurnService::new(now, server, REALM, quotas(), [5; 32]);
        service.add_user(now, "user0", "secret", Duration::from_secs(3600));
        Self {
            now,
            service,
            open: BTreeSet::new(),
            sockets: Vec::new(),
            nonce: String::new(),
            heard: Way::default(),
            full: false,
            count: 0,
            relayed: 0,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 10 {
            0 => {
                let (from, data) = (client(script), script.bytes());
                self.hear(from, data);
            }
            1..=3 => self.signed(script),
            4 => {
                let again = self.heard.again(script.or_zero());
                again.iter().for_each(|it| self.hear(it.0, &spoil(&it.1, script)));
            }
            5 => {
                let number = usize::from(script.or_zero()).checked_rem(self.sockets.len());
                let socket = number.map_or(RelaySocket(99), |it| self.sockets[it]);
                let (from, data) = (address(script), script.bytes());
                self.service.handle_relay_datagram(self.now, socket, from, data);
                self.drain(None);
            }
            6 => {
                let number = 0x4000 + u16::from(script.or_zero() % 16);
                let (from, data) = (client(script), script.bytes());
                let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
                let head = [number.to_be_bytes(), length.to_be_bytes()].concat();
                self.hear(from, &[&head[..], data].concat());
            }
            7 => self.wait(Duration::from_millis(u64::from(script.uint16()) * 20)),
            8 => self.wait_for_deadline(),
            _ => match script.or_zero() % 3 {
                0 => self.full = !self.full,
                1 => {
                    let name = format!("user{}", script.or_zero() % 6);
                    let lifetime = Duration::from_secs(u64::from(script.uint16()));
                    self.service.add_user(self.now, &name, "secret", lifetime);
                }
                _ => self.service.handle_allocated(self.now, RelaySocket(1), None),
            },
        }
        assert!(self.service.users() <= 3 && self.service.allocations() <= 4);
        self.drain(None);
    }

    /// Somebody with a login.
    fn signed(&mut self, script: &mut Script<'_>) {
        const KINDS: [u16; 6] = [0x0003, 0x0004, 0x0008, 0x0009, 0x0016, 0x0001];
        let (from, kind) = (client(script), script.or_zero());
        let kind = KINDS.get(usize::from(kind % 8)).copied();
        let kind = kind.unwrap_or_else(|| script.uint16() & 0x3fff);
        let Some(mut message) = message(script, kind) else { return };
        let name = format!("user{}", script.or_zero() % 4);
        let _ = Username::new(&name).map(|it| message.add_attribute(&it));
        let _ = Realm::new(REALM).map(|it| message.add_attribute(&it));
        let _ = Nonce::new(&self.nonce).map(|it| message.add_attribute(&it));
        let key = LongTermKeyCredentials::new(name, "secret".to_owned(), REALM.to_owned());
        let _ = message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1);
        let message = message.finish();
        self.heard.push((from, message.clone().into()));
        let _ = self.heard.next();
        self.hear(from, &message);
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        try_binding(from, datagram);
        if self.service.accepts(from, datagram) {
            self.service.handle_datagram(self.now, from, datagram);
        }
        self.drain(Some((from, datagram.len())));
    }

    fn drain(&mut self, question: Option<(SocketAddr, usize)>) {
        let mut count = 0;
        while let Some(output) = self.service.poll_output() {
            count += 1;
            assert!(count <= OUTPUTS, "no rest");
            match output {
                TurnOutput::AllocateSocket(socket) => {
                    self.count += 1;
                    let address = SocketAddr::from(([203, 0, 113, 2], 50_000 + self.count));
                    assert!(self.open.insert(socket), "asked for twice");
                    self.sockets.push(socket);
                    self.service.handle_allocated(
                        self.now,
                        socket,
                        Some(address).filter(|_| !self.full),
                    );
                    if self.full {
                        self.open.remove(&socket);
                    }
                }
                TurnOutput::CloseSocket(socket) => {
                    assert!(self.open.remove(&socket), "closed, and was not open");
                }
                TurnOutput::ToClient { remote, data } => self.on_answer(question, remote, &data),
                TurnOutput::ToPeer { socket, remote, .. } => {
                    self.relayed += 1;
                    assert!(self.open.contains(&socket), "from a socket that is closed");
                    assert!(is_public(remote.ip()), "relayed to {remote}");
                }
            }
        }
        assert!(self.open.len() <= quotas().allocations, "sockets are kept");
    }

    fn on_answer(&mut self, question: Option<(SocketAddr, usize)>, to: SocketAddr, data: &Bytes) {
        if let Ok(answer) = Message::from_bytes(data)
            && let Ok(nonce) = answer.attribute::<Nonce>()
        {
            nonce.nonce().clone_into(&mut self.nonce);
        }
        if let Some((from, length)) = question {
            assert_eq!(from, to, "an answer to somebody else");
            assert!(data.len() <= length + 160, "{} for {length}", data.len());
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        if self.service.next_timeout().is_some_and(|at| at <= self.now) {
            self.service.handle_timeout(self.now);
            self.drain(None);
            let next = self.service.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "woken for nothing");
        }
    }

    fn wait_for_deadline(&mut self) {
        if let Some(next) = self.service.next_timeout() {
            self.wait(next.saturating_duration_since(self.now));
        }
    }

    /// Everything ends in time.
    fn rest(&mut self) {
        for _ in 0..64 {
            self.wait_for_deadline();
        }
        assert_eq!((self.service.allocations(), self.service.next_timeout()), (0, None));
        assert!(self.open.is_empty(), "sockets are left");
    }
}

fn client(script: &mut Script<'_>) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, script.or_zero() % 6], 4000))
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !ip.is_private() && !ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified()
        }
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gets_an_allocation_and_has_it_relay() {
        let mut play = Play::new();
        for seed in super::super::seeds::turn_parts() {
            let mut script = Script(seed);
            while let Some(step) = script.byte() {
                play.step(step, &mut script);
            }
        }
        assert!(play.relayed > 0, "nothing went to a peer");
    }
}
