//! An ICE session, a good one at the other end, and a STUN server, with a script between them.
//!
//! Rules: no panic; what it keeps and says is bounded; deadlines lie ahead; bytes come up from pairs that
//! were checked only; without the password nobody moves the pair away from the good end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_ice::{IceCredentials, IceEvent, IceSession, IceSettings, answer_binding};
use reload_wire::{CandType, IceCandidate, OverlayLinkType};
use stun_types::attribute::Username;
use stun_types::message::{
    IntegrityAlgorithm, MessageWrite, MessageWriteExt, ShortTermCredentials,
};

use super::stun::{address, message, try_binding};
use super::{Way, spoil};
use crate::link::beginning;
use crate::script::Script;

const STEPS: usize = 64;
/// Datagrams and events of one input, at most.
const OUTPUTS: usize = 256;
/// Candidates and pairs that a session keeps, at most; it bounds itself below.
const KEPT: usize = 128;
const NEAR: [u8; 4] = [192, 0, 2, 1];
const FAR: [u8; 4] = [192, 0, 2, 2];
const STUN: [u8; 4] = [192, 0, 2, 3];

/// From, to, bytes.
type Packet = (SocketAddr, SocketAddr, Bytes);

struct Play {
    now: Instant,
    near: IceSession,
    far: IceSession,
    names: [IceCredentials; 2],
    to_near: Way<Packet>,
    to_far: Way<Packet>,
    /// Somebody with the password has spoken, or candidates of others came.
    betrayed: bool,
    over: bool,
}

pub(super) fn play(script: &mut Script<'_>) {
    let mut play = Play::new(script.or_zero());
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, script);
    }
    play.rest();
}

impl Play {
    fn new(choice: u8) -> Self {
        let now = beginning();
        let names = [
            IceCredentials::new("near", "a password of the near one"),
            IceCredentials::new("fars", "a password of the far one"),
        ];
        let stun = if choice & 1 == 0 { Vec::new() } else { vec![at(STUN)] };
        let session = |ip, name: usize, controlling| {
            let mut settings = IceSettings::new(names[name].clone(), controlling, vec![at(ip)]);
            settings.stun_servers.clone_from(&stun);
            IceSession::new(now, settings, [u8::from(controlling); 32])
        };
        let near = session(NEAR, 0, choice & 2 == 0);
        // Both control, or neither, if the script wants the conflict solved.
        let far = session(FAR, 1, (choice & 2 == 0) == (choice & 12 == 12));
        let mut play = Self {
            now,
            near,
            far,
            names,
            to_near: Way::default(),
            to_far: Way::default(),
            betrayed: false,
            over: false,
        };
        play.drain();
        play
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 14 {
            0 => {
                let (from, data) = (address(script), script.bytes());
                self.hear(from, data);
            }
            1 => self.signed(script),
            2 => self.to_near.next().iter().for_each(|it| self.hear(it.0, &it.2)),
            3 => self.to_near.next().iter().for_each(|it| self.hear(it.0, &spoil(&it.2, script))),
            4 => {
                let again = self.to_near.again(script.or_zero());
                let from = script.or_zero() & 1 == 0;
                let other = address(script);
                again.iter().for_each(|it| self.hear(if from { it.0 } else { other }, &it.2));
            }
            5 => {
                let again = self.to_near.again(script.or_zero());
                again.iter().for_each(|it| self.hear(it.0, &spoil(&it.2, script)));
            }
            6 => drop(self.to_near.next()),
            7 => drop(self.to_far.next()),
            8 => self.wait_for_deadline(),
            9 => self.wait(Duration::from_millis(u64::from(script.uint16()))),
            10 => self.near.send(self.now, &[22; 30]),
            11 => self.meet(script),
            12 => self.odd(script),
            _ => self.exchange(),
        }
        self.drain();
    }

    /// The candidates of the good end come, or others.
    fn meet(&mut self, script: &mut Script<'_>) {
        let (near, far) = (candidate(at(NEAR)), candidate(at(FAR)));
        self.far.set_remote(self.now, self.names[0].clone(), &[near]);
        let mut candidates = vec![far];
        let more = script.or_zero() % 8;
        self.betrayed |= more > 0;
        for _ in 0..more {
            candidates.push(candidate(address(script)));
        }
        self.near.set_remote(self.now, self.names[1].clone(), &candidates);
    }

    /// What happens to hosts now and then.
    fn odd(&mut self, script: &mut Script<'_>) {
        match script.or_zero() % 4 {
            0 => self.near.set_hosts(self.now, &[]),
            1 => self.near.set_hosts(self.now, &[at(NEAR), at([192, 0, 2, 9])]),
            2 if script.or_zero() == 77 => {
                self.near.close(self.now);
                self.over = true;
            }
            _ => self.near.set_hosts(self.now, &[at(NEAR)]),
        }
    }

    /// Somebody has the password.
    fn signed(&mut self, script: &mut Script<'_>) {
        let (from, kind) = (address(script), script.or_zero());
        let kind = [0x0001, 0x0101, 0x0111, 0x0011].get(usize::from(kind)).copied();
        let kind = kind.unwrap_or_else(|| script.uint16() & 0x3fff);
        let Some(mut message) = message(script, kind) else { return };
        let name = format!("{}:{}", "near", if script.or_zero() & 1 == 0 { "fars" } else { "x" });
        let _ = Username::new(&name).map(|name| message.add_attribute(&name));
        let own = &self.names[usize::from(kind & 0x0100 != 0)].password;
        let key = ShortTermCredentials::new(String::from_utf8_lossy(own).into_owned());
        let _ = message.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1);
        let _ = message.add_fingerprint();
        self.betrayed = true;
        self.hear(from, &message.finish());
    }

    fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        try_binding(from, datagram);
        let known = self.near.accepts(at(NEAR), from, datagram);
        let arrived = self.near.handle_datagram(self.now, at(NEAR), from, datagram);
        if let Some(arrived) = arrived {
            assert!(known && !self.over, "it comes up and was not accepted");
            assert_eq!((arrived.remote, &arrived.data[..]), (from, datagram));
        }
        self.drain();
    }

    /// All that waits goes both ways, once.
    fn exchange(&mut self) {
        for _ in 0..self.to_far.queue.len() {
            let Some((from, to, data)) = self.to_far.next() else { break };
            if to == at(FAR) {
                self.far.handle_datagram(self.now, to, from, &data);
            } else if to == at(STUN)
                && let Some(answer) = answer_binding(&data, from)
            {
                self.to_near.push((to, from, answer));
            }
        }
        self.drain();
        for _ in 0..self.to_near.queue.len() {
            let Some((from, to, data)) = self.to_near.next() else { break };
            if to == at(NEAR) {
                self.hear(from, &data);
            } else if to == at(STUN)
                && let Some(answer) = answer_binding(&data, from)
            {
                self.far.handle_datagram(self.now, from, to, &answer);
            }
        }
        self.drain();
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        if self.near.next_timeout().is_some_and(|at| at <= self.now) {
            self.near.handle_timeout(self.now);
            self.drain();
            let next = self.near.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "woken for nothing");
        }
        self.far.handle_timeout(self.now);
        self.drain();
    }

    fn wait_for_deadline(&mut self) {
        let next = [self.near.next_timeout(), self.far.next_timeout()];
        if let Some(next) = next.into_iter().flatten().min() {
            self.wait(next.saturating_duration_since(self.now));
        }
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(it) = self.near.poll_transmit() {
            count += 1;
            assert!(count <= OUTPUTS && !it.data.is_empty(), "too much is sent");
            self.to_far.push((it.local, it.remote, it.data));
        }
        while let Some(event) = self.near.poll_event() {
            count += 1;
            assert!(count <= OUTPUTS, "too much is told");
            self.on_event(&event);
        }
        while let Some(it) = self.far.poll_transmit() {
            self.to_near.push((it.local, it.remote, it.data));
        }
        while self.far.poll_event().is_some() {}
        let report = self.near.report();
        let kept = [report.local.len(), report.remote.len(), report.pairs.len()];
        assert!(kept.iter().all(|it| *it <= KEPT), "{kept:?}");
    }

    fn on_event(&mut self, event: &IceEvent) {
        assert!(!self.over, "after its end: {event:?}");
        match event {
            IceEvent::Selected(pair) => {
                assert!(self.betrayed || pair.remote == at(FAR), "moved to {}", pair.remote);
            }
            IceEvent::ConsentLost | IceEvent::Failed { .. } => self.over = true,
            IceEvent::Gathered(candidates) => assert!(candidates.len() <= KEPT),
        }
    }

    /// Deadlines lie ahead, to the end.
    fn rest(&mut self) {
        for _ in 0..32 {
            self.exchange();
            self.wait_for_deadline();
        }
    }
}

fn at(ip: [u8; 4]) -> SocketAddr {
    SocketAddr::from((ip, 4000))
}

fn candidate(address: SocketAddr) -> IceCandidate {
    IceCandidate {
        addr_port: address.into(),
        overlay_link: OverlayLinkType::DTLS_UDP_SR,
        foundation: Bytes::from_static(b"1"),
        priority: 1 << 24,
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_leads_two_sessions_to_a_pair() {
        let mut script = Script(&[0]);
        let mut play = Play::new(1);
        for step in [13, 8, 13, 11, 13, 8, 13, 8, 13, 8, 13, 8, 13] {
            play.step(step, &mut script);
        }
        assert_eq!(play.near.selected().map(|it| it.remote), Some(at(FAR)));
    }
}
