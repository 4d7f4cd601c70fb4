//! A DTLS engine, the record filter in front of it, and the gate for strangers, with a good engine at the
//! other end and a script between them.
//!
//! Rules: no panic; it connects and ends at most once, and says nothing after its end; data is what the
//! other end sent, each record once; once both ends are connected, nothing that comes without the keys
//! ends the link or silences it; deadlines lie ahead.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_link::{
    CertificateCheck, DtlsEngine, DtlsEvent, DtlsRole, DtlsSettings, Hello, HelloGate, dtls_with,
    is_client_hello,
};

use super::overlay::{overlay, start};
use super::{Way, spoil};
use crate::script::Script;

/// Inputs of one script.
const STEPS: usize = 48;
/// Datagrams and events of one input, at most.
const OUTPUTS: usize = 64;
const FAR: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 6084);

/// Plays a script into a DTLS engine.
pub fn dtls_records(data: &[u8]) {
    let mut script = Script(data);
    let mut play = Play::new(script.or_zero());
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, &mut script);
    }
    play.rest();
}

struct Play {
    now: Instant,
    gate: HelloGate,
    /// None until a stranger has come back with his cookie.
    near: Option<End>,
    far: End,
    to_near: Way<Bytes>,
    to_far: Way<Bytes>,
    /// Data is numbered.
    number: u16,
}

struct End {
    engine: Box<dyn DtlsEngine>,
    connected: bool,
    closed: Option<String>,
    hung_up: bool,
    sent: BTreeSet<u16>,
    received: BTreeSet<u16>,
}

fn anybody() -> CertificateCheck {
    Arc::new(|_| Ok(()))
}

impl Play {
    fn new(choice: u8) -> Self {
        let now = start().mono;
        let gated = choice & 3 == 3;
        let role = if choice & 1 == 0 { DtlsRole::Client } else { DtlsRole::Server };
        let other = if choice & 1 == 0 { DtlsRole::Server } else { DtlsRole::Client };
        let mut play = Self {
            now,
            gate: HelloGate::new(&[9; 32], now),
            near: (!gated).then(|| End::new(role, 0, now)),
            far: End::new(other, 1, now),
            to_near: Way::default(),
            to_far: Way::default(),
            number: 0,
        };
        play.drain();
        play
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 14 {
            0 => self.hear(script.bytes()),
            1 => {
                let record = record(script);
                self.hear(&record);
            }
            2 => self.deliver(),
            3 => self.to_near.next().iter().for_each(|it| self.hear(&spoil(it, script))),
            4 => {
                let again = self.to_near.again(script.or_zero());
                again.iter().for_each(|it| self.hear(it));
            }
            5 => {
                let again = self.to_near.again(script.or_zero());
                again.iter().for_each(|it| self.hear(&spoil(it, script)));
            }
            6 => drop(self.to_near.next()),
            7 => drop(self.to_far.next()),
            8 => self.wait_for_deadline(),
            9 => self.wait(Duration::from_millis(u64::from(script.uint16()))),
            10 => drop(self.send(true, script.or_zero())),
            11 => drop(self.send(false, script.or_zero())),
            12 if script.or_zero() == 77 => self.hang_up(script.or_zero() & 1 == 0),
            _ => self.settle(),
        }
    }

    /// A datagram reaches the engine under test, or the gate before it.
    fn hear(&mut self, datagram: &[u8]) {
        let _ = is_client_hello(datagram);
        match &mut self.near {
            Some(near) => near.engine.handle_datagram(self.now, datagram),
            None => match self.gate.judge(self.now, FAR, datagram) {
                Hello::Challenge(answer) => {
                    assert!(answer.len() <= datagram.len(), "strangers make us send more");
                    self.to_far.push(answer);
                }
                Hello::Proven(proven) => {
                    let (identity, settings) = (&overlay().ends[0].1, DtlsSettings::default());
                    let engine = proven.accept(identity, anybody(), &settings, self.now);
                    self.near = Some(End::of(engine.expect("the identity suits")));
                }
                Hello::Noise => {}
            },
        }
        self.drain();
    }

    /// All that waits goes both ways, once.
    fn deliver(&mut self) {
        for _ in 0..self.to_far.queue.len() {
            let Some(datagram) = self.to_far.next() else { break };
            self.far.engine.handle_datagram(self.now, &datagram);
        }
        for _ in 0..self.to_near.queue.len() {
            let Some(datagram) = self.to_near.next() else { break };
            self.hear(&datagram);
        }
        self.drain();
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..32 {
            if self.to_far.queue.is_empty() && self.to_near.queue.is_empty() {
                return;
            }
            self.deliver();
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now += span;
        let ends = self.near.iter_mut().chain([&mut self.far]);
        for end in ends {
            if end.engine.next_timeout().is_some_and(|at| at <= self.now) {
                end.engine.handle_timeout(self.now);
                let next = end.engine.next_timeout();
                assert!(next.is_none_or(|next| next > self.now), "woken for nothing");
            }
        }
        self.drain();
    }

    fn wait_for_deadline(&mut self) {
        let ends = self.near.iter().chain([&self.far]);
        let next = ends.filter_map(|end| end.engine.next_timeout()).min();
        if let Some(next) = next {
            self.wait(next.saturating_duration_since(self.now));
        }
    }

    /// Sends numbered data; says whether it could.
    fn send(&mut self, near: bool, length: u8) -> bool {
        let end = if near { self.near.as_mut() } else { Some(&mut self.far) };
        let Some(end) = end else { return false };
        self.number += 1;
        let mut data = self.number.to_be_bytes().to_vec();
        data.resize(2 + usize::from(length) * 4, length);
        let sent = end.engine.send(self.now, &data).is_ok();
        assert_eq!(sent, end.connected && end.closed.is_none() && !end.hung_up);
        if sent {
            end.sent.insert(self.number);
        }
        self.drain();
        sent
    }

    fn hang_up(&mut self, near: bool) {
        let end = if near { self.near.as_mut() } else { Some(&mut self.far) };
        if let Some(end) = end {
            end.engine.close(self.now);
            end.hung_up = true;
        }
        self.drain();
    }

    fn drain(&mut self) {
        let sealed = self.is_sealed();
        if let Some(near) = &mut self.near {
            near.drain(&mut self.to_far, &self.far.sent);
            self.far.drain(&mut self.to_near, &near.sent);
        } else {
            self.far.drain(&mut self.to_near, &BTreeSet::new());
        }
        if sealed {
            let near = self.near.as_ref().and_then(|near| near.closed.as_ref());
            assert_eq!(near.or(self.far.closed.as_ref()), None, "ended without the keys");
        }
    }

    /// Both ends have the keys, and neither has said goodbye.
    fn is_sealed(&self) -> bool {
        let holds = |end: &End| end.connected && end.closed.is_none() && !end.hung_up;
        self.near.as_ref().is_some_and(holds) && holds(&self.far)
    }

    /// A link that is up still works.
    fn rest(&mut self) {
        self.settle();
        if self.is_sealed() {
            let number = self.number;
            assert!(self.send(true, 1) && self.send(false, 1));
            self.settle();
            let near = self.near.as_ref().map(|near| &near.received);
            assert!(near.is_some_and(|it| it.contains(&(number + 2))), "silenced");
            assert!(self.far.received.contains(&(number + 1)), "not heard any more");
        }
        for _ in 0..16 {
            self.wait_for_deadline();
        }
    }
}

impl End {
    fn new(role: DtlsRole, who: usize, now: Instant) -> Self {
        let (identity, settings) = (&overlay().ends[who].1, DtlsSettings::default());
        let engine = dtls_with(role, identity, anybody(), &settings, now);
        Self::of(engine.expect("the identity suits"))
    }

    fn of(engine: Box<dyn DtlsEngine>) -> Self {
        let (sent, received) = (BTreeSet::new(), BTreeSet::new());
        Self { engine, connected: false, closed: None, hung_up: false, sent, received }
    }

    fn drain(&mut self, out: &mut Way<Bytes>, theirs: &BTreeSet<u16>) {
        let mut count = 0;
        while let Some(datagram) = self.engine.poll_transmit() {
            count += 1;
            assert!(!datagram.is_empty() && count <= OUTPUTS, "too much is sent");
            out.push(datagram);
        }
        while let Some(event) = self.engine.poll_event() {
            count += 1;
            assert!(count <= 2 * OUTPUTS, "too much is told");
            assert!(self.closed.is_none(), "after its end: {event:?}");
            match event {
                DtlsEvent::Connected { chain, .. } => {
                    assert!(!self.connected && !chain.is_empty(), "connected twice, or by nobody");
                    self.connected = true;
                }
                DtlsEvent::Data(data) => {
                    assert!(self.connected, "data before the end of the handshake");
                    let number = data.first_chunk().map(|it| u16::from_be_bytes(*it));
                    let number = number.filter(|number| theirs.contains(number));
                    let number = number.expect("nobody has sent this");
                    assert!(self.received.insert(number), "handed up twice: {number}");
                }
                DtlsEvent::Closed { reason } => self.closed = Some(reason),
            }
        }
    }
}

/// A record with a header as it should be.
fn record(script: &mut Script<'_>) -> Vec<u8> {
    let kind = 20 + script.or_zero() % 5;
    let (epoch, sequence) = (script.or_zero() % 3, script.uint32());
    let payload = script.bytes();
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut record = vec![kind, 254, 253, 0, epoch, 0, 0];
    record.extend(sequence.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(payload);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_and_the_gate_come_to_a_link_that_carries_data() {
        for choice in 0..4 {
            let mut play = Play::new(choice);
            play.settle();
            assert!(play.is_sealed(), "{choice}");
            play.rest();
            assert_eq!(play.far.received.len(), 1);
        }
    }
}
