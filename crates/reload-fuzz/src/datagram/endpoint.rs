//! All links of a node, with a good node at the other end and a script between them: links are gathered,
//! planned, dialled, used, closed and moved while datagrams are lost, spoilt and forged.
//!
//! Rules: no panic; the endpoint comes to rest after every input and its deadlines lie ahead; sockets are
//! opened and closed once; a link is up once; what others can make it hold is bounded; messages are those
//! that the other end sent.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reload_datagram::SocketId;
use reload_ice::TurnLogin;
use reload_node::{
    DialAddress, Gathering, IceGathering, LinkId, LinkPurpose, Plan, Security, Way as PlanWay,
};
use reload_wire::{CandType, IceCandidate, NodeId, Now, OverlayLinkType};

use super::host::{Host, Packet};
use super::overlay::{overlay, start};
use super::stun::address;
use super::{Way, spoil};
use crate::script::Script;

const STEPS: usize = 40;
/// Links that a script plans, by number.
const LINKS: u64 = 6;

/// Plays a script into an endpoint.
pub fn endpoint_inputs(data: &[u8]) {
    let mut script = Script(data);
    let mut play = Play::new(script.or_zero());
    for _ in 0..STEPS {
        let Some(step) = script.byte() else { break };
        play.step(step, &mut script);
    }
    play.rest();
}

struct Play {
    now: Now,
    near: Host,
    far: Host,
    to_near: Way<Packet>,
    to_far: Way<Packet>,
    number: u32,
}

impl Play {
    fn new(choice: u8) -> Self {
        let (now, ice) = (start(), choice & 1 == 0);
        let (near, far) = (Host::new(now, 0, ice), Host::new(now, 1, ice));
        let (to_near, to_far) = (Way::default(), Way::default());
        let mut play = Self { now, near, far, to_near, to_far, number: 0 };
        if choice & 2 != 0 {
            let server = play.far.address();
            play.near.endpoint.set_stun_servers(vec![server]);
        }
        play.drain();
        play
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 18 {
            0 => self.gather(script),
            1 => self.attach(script),
            2 => self.dial(script),
            3 => {
                let (from, data) = (self.source(script), script.bytes().to_vec());
                let to = self.target(script.or_zero());
                self.hear(from, to, &data);
            }
            4 => {
                let next = self.to_near.next();
                next.iter().for_each(|it| self.hear(it.0, it.1, &it.2));
            }
            5 => {
                let next = self.to_near.next();
                next.iter().for_each(|it| self.hear(it.0, it.1, &spoil(&it.2, script)));
            }
            6 => {
                let again = self.to_near.again(script.or_zero());
                let from = self.source(script);
                again.iter().for_each(|it| self.hear(from, it.1, &it.2));
            }
            7 => {
                let again = self.to_near.again(script.or_zero());
                again.iter().for_each(|it| self.hear(it.0, it.1, &spoil(&it.2, script)));
            }
            8 => drop(self.to_near.next()),
            9 => drop(self.to_far.next()),
            10 => self.wait_for_deadline(),
            11 => self.wait(Duration::from_millis(u64::from(script.uint16()))),
            12 => self.send(true, script),
            13 => self.send(false, script),
            14 => self.end(script),
            15 => self.odd(script),
            _ => self.run(1 + script.or_zero() % 16),
        }
        self.drain();
    }

    /// One side asks for a way, and may leave it there.
    fn gather(&mut self, script: &mut Script<'_>) {
        let (link, choice) = (link(script.or_zero()), script.or_zero());
        let controlling = choice & 1 == 0;
        if knows(&self.near, self.now, link) {
            return; // a node names a link once
        }
        let gathering = gathering(link, 0, [controlling, choice & 2 != 0, choice & 4 == 0]);
        self.near.endpoint.gather(self.now, link, gathering);
        self.drain();
        if choice & 8 != 0 {
            let mut candidates = Vec::new();
            for _ in 0..script.or_zero() % 6 {
                candidates.push(candidate(address(script)));
            }
            let way = PlanWay::Ice { ufrag: ufrag(link, 1), password: password(), candidates };
            self.near.endpoint.connect(self.now, link, self.plan(way, None));
        }
    }

    /// Both sides gather, tell each other, and connect.
    fn attach(&mut self, script: &mut Script<'_>) {
        let (link, choice) = (link(script.or_zero()), script.or_zero());
        let (near_controls, application) = (choice & 1 == 0, choice & 2 != 0);
        if knows(&self.near, self.now, link) || knows(&self.far, self.now, link) {
            return;
        }
        for (who, host, controlling) in
            [(0, &mut self.near, near_controls), (1, &mut self.far, !near_controls)]
        {
            host.candidates.remove(&link);
            let gathering = gathering(link, who, [controlling, application, true]);
            host.endpoint.gather(self.now, link, gathering);
        }
        self.drain();
        self.run(if choice & 4 == 0 { 2 } else { 12 });
        let ends = &overlay().ends;
        let offers = [&self.near, &self.far].map(|host| host.candidates.get(&link).cloned());
        let [Some(near), Some(far)] = offers else { return };
        let way = |who, candidates| PlanWay::Ice {
            ufrag: ufrag(link, who),
            password: password(),
            candidates,
        };
        let plans = [
            self.plan(way(1, far), Some(ends[1].0)),
            self.plan(way(0, near), Some(ends[usize::from(choice & 8 != 0)].0)),
        ];
        let [ours, theirs] = plans;
        self.near.endpoint.connect(self.now, link, ours);
        self.far.endpoint.connect(self.now, link, theirs);
    }

    fn dial(&mut self, script: &mut Script<'_>) {
        let (link, choice) = (link(script.or_zero()), script.or_zero());
        let type_of = match choice & 6 {
            6 => OverlayLinkType::DTLS_UDP_SR,
            _ => OverlayLinkType::DTLS_UDP_SR_NO_ICE,
        };
        if knows(&self.near, self.now, link) || knows(&self.far, self.now, link) {
            return;
        }
        let (near, far) = (self.near.address(), self.far.address());
        let to = |address| DialAddress { address, link: type_of };
        if choice & 1 == 0 {
            let mut addresses = vec![to(far)];
            if choice & 8 != 0 {
                addresses.insert(0, to(address(script)));
            }
            let expected = (choice & 16 == 0).then(|| overlay().ends[1].0);
            let plan = self.plan(PlanWay::Dial(addresses), expected);
            self.near.endpoint.connect(self.now, link, plan);
        } else {
            let plan = self.plan(PlanWay::Dial(vec![to(near)]), None);
            self.far.endpoint.connect(self.now, link, plan);
        }
    }

    fn send(&mut self, near: bool, script: &mut Script<'_>) {
        let number = usize::from(script.or_zero());
        let host = if near { &mut self.near } else { &mut self.far };
        let all: Vec<LinkId> = host.endpoint.links(self.now).iter().map(|it| it.link).collect();
        let Some(link) = number.checked_rem(all.len()).map(|it| all[it]) else { return };
        self.number += 1;
        let mut data = self.number.to_be_bytes().to_vec();
        data.resize(4 + usize::from(script.uint16() % 1400), 3);
        let sent = host.endpoint.send(self.now, link, Bytes::from(data)).is_ok();
        assert!(!sent || host.up.contains(&link), "sent on a link that is not up");
        if sent {
            host.sent.insert(self.number);
        }
    }

    fn end(&mut self, script: &mut Script<'_>) {
        let (near, choice) = (script.or_zero() & 1 == 0, script.or_zero());
        let host = if near { &mut self.near } else { &mut self.far };
        let id = link(choice);
        host.endpoint.close(self.now, id);
        host.up.remove(&id);
        host.candidates.remove(&id);
    }

    /// What happens to hosts now and then.
    fn odd(&mut self, script: &mut Script<'_>) {
        let now = self.now;
        let near = &mut self.near;
        match script.or_zero() % 8 {
            0 => near.endpoint.set_addresses(now, SocketId::OVERLAY, Vec::new()),
            1 => {
                near.ip = [192, 0, 2, 8 + script.or_zero() % 4].into();
                for (socket, port) in near.ports.clone() {
                    let address = SocketAddr::new(near.ip, port);
                    near.endpoint.set_addresses(now, socket, vec![address]);
                }
            }
            2 => {
                let socket = SocketId(u32::from(script.or_zero() % 4));
                near.endpoint.handle_socket_failed(now, socket, "a script");
            }
            3 => {
                let servers = (0..script.or_zero() % 4).map(|_| address(script)).collect();
                near.endpoint.set_stun_servers(servers);
            }
            4 => {
                let login = |server| TurnLogin {
                    server,
                    username: "user".to_owned(),
                    password: "secret".to_owned(),
                };
                let servers = (0..script.or_zero() % 3).map(|_| login(address(script))).collect();
                near.endpoint.set_turn_servers(now, servers);
            }
            5 => near.endpoint.set_max_message_size(u32::from(script.uint16())),
            6 => near.endpoint.set_no_ice(script.or_zero() & 1 == 0),
            _ => near.endpoint.handle_timeout(now),
        }
    }

    fn plan(&self, way: PlanWay, expected: Option<NodeId>) -> Plan {
        let (security, deadline) =
            (Security::Handshake(expected), self.now.mono + Duration::from_secs(15));
        Plan { way, security, deadline }
    }

    /// The good end often, anybody sometimes.
    fn source(&self, script: &mut Script<'_>) -> SocketAddr {
        match script.or_zero() % 4 {
            0 => address(script),
            1 => SocketAddr::new(self.far.ip, 40_001),
            _ => self.far.address(),
        }
    }

    fn target(&self, choice: u8) -> SocketAddr {
        let ports: Vec<u16> = self.near.ports.values().copied().collect();
        let port = ports.get(usize::from(choice) % ports.len()).copied();
        SocketAddr::new(self.near.ip, port.unwrap_or(1))
    }

    fn hear(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        if let Some(socket) = self.near.socket_at(to) {
            self.near.endpoint.handle_datagram(self.now, socket, to, from, datagram);
            self.drain();
        }
    }

    /// The network works for a while.
    fn run(&mut self, rounds: u8) {
        for _ in 0..rounds {
            for _ in 0..self.to_far.queue.len() {
                let Some((from, to, data)) = self.to_far.next() else { break };
                if let Some(socket) = self.far.socket_at(to) {
                    self.far.endpoint.handle_datagram(self.now, socket, to, from, &data);
                    self.drain();
                }
            }
            for _ in 0..self.to_near.queue.len() {
                let Some((from, to, data)) = self.to_near.next() else { break };
                self.hear(from, to, &data);
            }
            self.wait(Duration::from_millis(20));
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
        for near in [true, false] {
            let host = if near { &mut self.near } else { &mut self.far };
            if host.deadline.is_some_and(|at| at <= self.now.mono) {
                host.endpoint.handle_timeout(self.now);
                self.drain();
                let host = if near { &self.near } else { &self.far };
                assert!(host.deadline.is_none_or(|it| it > self.now.mono), "woken for nothing");
            }
        }
    }

    fn wait_for_deadline(&mut self) {
        let next = [self.near.deadline, self.far.deadline].into_iter().flatten().min();
        if let Some(next) = next {
            self.wait(next.saturating_duration_since(self.now.mono));
        }
    }

    fn drain(&mut self) {
        self.near.drain(self.now, &mut self.to_far, &self.far.sent);
        self.far.drain(self.now, &mut self.to_near, &self.near.sent);
    }

    fn rest(&mut self) {
        self.run(4);
        for _ in 0..24 {
            self.wait_for_deadline();
        }
        let _ = (self.near.endpoint.links(self.now), self.near.endpoint.counters());
    }
}

fn knows(host: &Host, now: Now, link: LinkId) -> bool {
    host.endpoint.links(now).iter().any(|it| it.link == link)
}

fn link(number: u8) -> LinkId {
    LinkId::planned(u64::from(number) % LINKS)
}

fn gathering(link: LinkId, who: usize, how: [bool; 3]) -> Gathering {
    let [controlling, application, ice] = how;
    let purpose = match application {
        true => LinkPurpose::Application(61_443),
        false => LinkPurpose::Overlay,
    };
    let ice =
        ice.then(|| IceGathering { ufrag: ufrag(link, who), password: password(), controlling });
    Gathering { purpose, ice, own_socket: application }
}

/// Who: 0 is the near one.
fn ufrag(link: LinkId, who: usize) -> Bytes {
    let number: String = format!("{link:?}").chars().filter(char::is_ascii_digit).collect();
    Bytes::from(format!("name{who}x{number}"))
}

fn password() -> Bytes {
    Bytes::from_static(b"a-password-of-both-that-is-long")
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
    fn a_script_brings_links_up_by_ice_and_by_dialling_and_uses_them() {
        // attach, attach for an application, dial, be dialled: each with a message both ways
        for (choice, way) in [(0, [1, 1, 4]), (0, [1, 2, 6]), (1, [2, 3, 0]), (1, [2, 4, 1])] {
            let mut play = Play::new(choice);
            let [step, link, how] = way;
            play.step(step, &mut Script(&[link, how]));
            play.step(16, &mut Script(&[15]));
            play.step(16, &mut Script(&[15]));
            assert_eq!([play.near.up.len(), play.far.up.len()], [1, 1], "{way:?}");
            play.step(12, &mut Script(&[0, 0, 90]));
            play.step(13, &mut Script(&[0, 0, 90]));
            play.run(4);
            let came = |host: &Host| host.heard.len() + host.received.len();
            assert_eq!([came(&play.near), came(&play.far)], [1, 1], "{way:?}");
        }
    }
}
