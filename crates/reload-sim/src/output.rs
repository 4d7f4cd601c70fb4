//! What the nodes ask for, done: links planned, messages sent, jobs run at once.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use reload_node::{Event, IceGathering, LinkEvent, LinkId, Output, Plan};
use reload_topology::TopologyEvent;
use reload_wire::{CandType, IceCandidate, IpAddressPort, OverlayLinkType};

use crate::happening::Happening;
use crate::host::Condition;
use crate::link::TIMEOUT;
use crate::world::{HostId, World};

impl World {
    /// Does everything that the node of a host asks for.
    pub(crate) fn drain(&mut self, host: HostId) {
        loop {
            match self.hosts[host].node.poll_output() {
                Output::Gather(link, gathering) => self.on_gather(host, link, gathering.ice),
                Output::Connect(link, plan) => self.on_connect(host, link, plan),
                Output::Send(link, message) => self.on_send(host, link, message),
                Output::Close(link) => self.on_close(host, link),
                Output::Crypto(id, job) => {
                    let now = self.now;
                    let result = job.run();
                    self.hosts[host].node.handle_crypto(now, id, result);
                }
                Output::Event(event) => self.on_event(host, event),
                Output::Idle(deadline) => {
                    return self.set_alarm(host, deadline.map(|deadline| deadline.at));
                }
            }
        }
    }

    fn set_alarm(&mut self, host: HostId, at: Option<Instant>) {
        let Some(at) = at.map(|at| at.max(self.now.mono)) else { return };
        let entry = &mut self.hosts[host];
        if entry.is_running() && entry.alarm.is_none_or(|planned| at != planned) {
            entry.alarm = Some(at);
            self.agenda.push(at, (host, entry.life, Happening::Timeout));
        }
    }

    fn on_gather(&mut self, host: HostId, link: LinkId, ice: Option<IceGathering>) {
        let overlay_link = match ice {
            Some(ice) => {
                let life = self.hosts[host].life;
                self.sessions.insert(ice.ufrag, (host, life, link));
                OverlayLinkType::DTLS_UDP_SR
            }
            None => OverlayLinkType::TLS_TCP_FH_NO_ICE,
        };
        let candidate = IceCandidate {
            addr_port: IpAddressPort::from(self.hosts[host].address),
            overlay_link,
            foundation: Bytes::from_static(b"1"),
            priority: 1,
            kind: CandType::Host,
            related: None,
            extensions: Vec::new(),
        };
        self.tell(host, link, LinkEvent::Candidates(vec![candidate]));
    }

    fn on_connect(&mut self, host: HostId, link: LinkId, plan: Plan) {
        // a handshake takes two round trips
        let at = self.now.mono + self.latency() * 4;
        let entry = &mut self.hosts[host];
        entry.dialling.insert(link);
        self.agenda.push(at, (host, entry.life, Happening::Dialled { link, plan }));
    }

    fn on_send(&mut self, host: HostId, link: LinkId, message: Bytes) {
        let now = self.now.mono;
        let lost = self.rng.random_bool(self.weather.loss);
        let life = self.hosts[host].life;
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        let (number, arrival) = end.send(now, message.clone());
        let (other, other_link) = (end.other, end.other_link);
        let overdue = arrival + end.latency + TIMEOUT;
        self.agenda.push(overdue, (host, life, Happening::Overdue { link, number }));
        if self.are_cut(host, other) {
            return;
        }
        let other_life = self.hosts[other].life;
        let arrives = Happening::Arrives { link: other_link, number, message, lost };
        self.agenda.push(arrival, (other, other_life, arrives));
    }

    fn on_close(&mut self, host: HostId, link: LinkId) {
        self.hosts[host].dialling.remove(&link);
        self.sessions.retain(|_, (at, _, of)| (*at, *of) != (host, link));
        let Some(end) = self.hosts[host].links.remove(&link) else { return };
        let at = end.last_arrival.max(self.now.mono + end.latency);
        let life = self.hosts[end.other].life;
        self.agenda.push(at, (end.other, life, Happening::Reset { link: end.other_link }));
    }

    fn on_event(&mut self, host: HostId, event: Event) {
        match event {
            Event::Finished(id, result) => {
                self.hosts[host].finished.insert(id, result);
            }
            Event::Asked { asking, node, application } => {
                self.hosts[host].asked.push((asking, node, application));
            }
            Event::Topology(TopologyEvent::Joined) => self.hosts[host].joined = true,
            Event::Topology(TopologyEvent::Isolated) => self.hosts[host].joined = false,
            Event::Topology(TopologyEvent::Left) => self.crash(host, Condition::Left),
            _ => {}
        }
    }

    pub(crate) fn latency(&mut self) -> Duration {
        self.rng.random_range(self.weather.nearest..=self.weather.farthest)
    }
}
