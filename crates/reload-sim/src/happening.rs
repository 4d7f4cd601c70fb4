//! What happens in the network: dials, arrivals, acknowledgements, and links that fail.

use std::sync::Arc;

use bytes::Bytes;
use reload_identity::VerifiedCertificate;
use reload_node::{LinkEvent, LinkId, Plan, Way};
use reload_wire::NodeId;

use crate::host::Condition;
use crate::link::{End, KEPT};
use crate::world::{HostId, World};

/// Something on the agenda of a host.
pub(crate) enum Happening {
    Timeout,
    Dialled { link: LinkId, plan: Plan },
    Refused { link: LinkId, reason: &'static str },
    Arrives { link: LinkId, number: u64, message: Bytes, lost: bool },
    Acknowledged { link: LinkId, number: u64 },
    Overdue { link: LinkId, number: u64 },
    GivenUp { link: LinkId },
    Reset { link: LinkId },
}

impl World {
    pub(crate) fn happen(&mut self, host: HostId, happening: Happening) {
        match happening {
            Happening::Timeout => self.on_timeout(host),
            Happening::Dialled { link, plan } => self.on_dialled(host, link, &plan),
            Happening::Refused { link, reason } => {
                if self.hosts[host].dialling.remove(&link) {
                    self.tell(host, link, down(reason, Vec::new()));
                }
            }
            Happening::Arrives { link, number, message, lost } => {
                self.on_arrival(host, link, number, message, lost);
            }
            Happening::Acknowledged { link, number } => self.on_acknowledged(host, link, number),
            Happening::Overdue { link, number } => self.on_overdue(host, link, number),
            Happening::GivenUp { link } => {
                if self.hosts[host].links.get(&link).is_some_and(|end| end.failing) {
                    self.lose(host, link, "no acknowledgement for 30 s");
                }
            }
            Happening::Reset { link } => self.lose(host, link, "connection reset"),
        }
    }

    fn on_timeout(&mut self, host: HostId) {
        let now = self.now;
        if self.hosts[host].alarm == Some(now.mono) {
            self.hosts[host].alarm = None;
            self.hosts[host].node.handle_timeout(now);
        }
    }

    /// The first packet of a dial has arrived at its target.
    fn on_dialled(&mut self, host: HostId, link: LinkId, plan: &Plan) {
        if !self.hosts[host].dialling.contains(&link) {
            return;
        }
        let addresses = match &plan.way {
            Way::Dial(addresses) => addresses,
            Way::Ice { ufrag, .. } => return self.on_checked(host, link, ufrag, plan),
        };
        let address = addresses.first().map(|dial| dial.address);
        let target = address.and_then(|address| self.places.get(&address)).copied();
        let Some(target) = target else { return self.refuse(host, link, "no such host") };
        let condition = match self.are_cut(host, target) {
            true => Condition::Silent,
            false => self.hosts[target].condition,
        };
        match condition {
            Condition::Running => self.connect(host, link, target, plan.expected()),
            Condition::Silent => {
                let at = plan.deadline;
                let life = self.hosts[host].life;
                let refused = Happening::Refused { link, reason: "no answer" };
                self.agenda.push(at, (host, life, refused));
            }
            Condition::Killed | Condition::Left => self.refuse(host, link, "connection refused"),
        }
    }

    /// One side of an ICE session has tried its pairs: they work once the other side has, too.
    fn on_checked(&mut self, host: HostId, link: LinkId, theirs: &Bytes, plan: &Plan) {
        let life = self.hosts[host].life;
        let other = self.sessions.get(theirs).copied();
        let other = other.filter(|(other, _, _)| !self.are_cut(host, *other));
        let Some((target, its_life, its_link)) = other else {
            let refused = Happening::Refused { link, reason: "ICE failed: no pair works" };
            return self.agenda.push(plan.deadline, (host, life, refused));
        };
        if self.checking.remove(&(target, its_life, its_link)) {
            if self.hosts[target].life == its_life && self.hosts[target].dialling.remove(&its_link)
            {
                self.join_ends(host, link, target, its_link);
            }
        } else {
            self.checking.insert((host, life, link));
        }
    }

    fn refuse(&mut self, host: HostId, link: LinkId, reason: &'static str) {
        let at = self.now.mono + self.weather.nearest;
        let life = self.hosts[host].life;
        self.agenda.push(at, (host, life, Happening::Refused { link, reason }));
    }

    fn connect(&mut self, host: HostId, link: LinkId, target: HostId, expected: Option<NodeId>) {
        let theirs = Arc::clone(self.certificate(target));
        if expected.is_some_and(|expected| !theirs.node_ids().contains(&expected)) {
            return self.refuse(host, link, "another node answers there");
        }
        self.hosts[target].accepted += 1;
        let accepted = LinkId::accepted(self.hosts[target].accepted);
        self.join_ends(host, link, target, accepted);
    }

    /// A link is up at both ends.
    fn join_ends(&mut self, host: HostId, link: LinkId, target: HostId, accepted: LinkId) {
        let theirs = Arc::clone(self.certificate(target));
        let latency = self.latency();
        let at = self.now.mono;
        self.hosts[host].dialling.remove(&link);
        self.hosts[host].links.insert(link, End::new(target, accepted, latency, at));
        self.hosts[target].links.insert(accepted, End::new(host, link, latency, at));
        let (ours, from) = (Arc::clone(self.certificate(host)), self.hosts[host].address);
        let remote = self.hosts[target].address;
        self.tell(host, link, LinkEvent::Up { certificate: theirs, remote, mtu: None });
        self.tell(target, accepted, LinkEvent::Up { certificate: ours, remote: from, mtu: None });
        self.drain(target);
    }

    fn certificate(&self, host: HostId) -> &Arc<VerifiedCertificate> {
        self.hosts[host].node.certificate()
    }

    fn on_arrival(&mut self, host: HostId, link: LinkId, number: u64, message: Bytes, lost: bool) {
        let Some(end) = self.hosts[host].links.get(&link) else { return };
        let (other, other_link, latency) = (end.other, end.other_link, end.latency);
        let life = self.hosts[other].life;
        let acknowledged = Happening::Acknowledged { link: other_link, number };
        self.agenda.push(self.now.mono + latency, (other, life, acknowledged));
        if !lost {
            self.tell(host, link, LinkEvent::Message(message));
        }
    }

    fn on_acknowledged(&mut self, host: HostId, link: LinkId, number: u64) {
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        if end.acknowledge(number) {
            self.tell(host, link, LinkEvent::Restored);
        }
    }

    fn on_overdue(&mut self, host: HostId, link: LinkId, number: u64) {
        let at = self.now.mono + KEPT;
        let life = self.hosts[host].life;
        let Some(end) = self.hosts[host].links.get_mut(&link) else { return };
        if !end.waits_for(number) {
            return;
        }
        let unacknowledged = end.hand_back();
        if !end.failing {
            end.failing = true;
            self.agenda.push(at, (host, life, Happening::GivenUp { link }));
            self.tell(host, link, LinkEvent::Failing { unacknowledged });
        }
    }

    fn lose(&mut self, host: HostId, link: LinkId, reason: &'static str) {
        let Some(mut end) = self.hosts[host].links.remove(&link) else { return };
        let waiting = end.hand_back();
        self.tell(host, link, down(reason, waiting));
    }

    pub(crate) fn tell(&mut self, host: HostId, link: LinkId, event: LinkEvent) {
        let now = self.now;
        self.hosts[host].node.handle_link(now, link, event);
    }
}

fn down(reason: &'static str, unacknowledged: Vec<Bytes>) -> LinkEvent {
    LinkEvent::Down { reason: reason.to_owned(), unacknowledged }
}
