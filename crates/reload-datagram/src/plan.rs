//! What the node asks for: to gather, and to form a link (sections 6.5.1.5 and 6.5.1.11); and what becomes
//! of the sockets that needs.

use std::net::SocketAddr;
use std::time::Duration;

use reload_ice::IceCredentials;
use reload_node::{Gathering, LinkEvent, LinkId, LinkPurpose, Plan, Way};
use reload_wire::Now;

use crate::candidates::no_ice_candidates;
use crate::direct::Direct;
use crate::endpoint::Endpoint;
use crate::ice_link::IceLink;
use crate::link::{Link, Path};
use crate::output::{EndpointOutput, SocketId};
use crate::sockets::unspecified;

/// For the driver to open a socket.
const SOCKET_TIME: Duration = Duration::from_secs(5);
/// From the candidates to the plan: the longest an Attach can be on its way, with all its tries (6.2.1).
const PLAN_TIME: Duration = Duration::from_secs(60);
/// How long the socket of an AppAttach without ICE is listened on: ours, see [`Gathering::own_socket`].
const LISTEN_TIME: Duration = Duration::from_secs(15);

impl Endpoint {
    pub(crate) fn on_gather(&mut self, now: Now, id: LinkId, gathering: Gathering) {
        if self.links.contains_key(&id) {
            return; // the node asks once
        }
        let socket = match gathering.own_socket {
            true => self.shared.sockets.open(id),
            false => SocketId::OVERLAY,
        };
        let mut link = Link::opening(id, socket, gathering.clone());
        link.deadline = Some(now.mono + SOCKET_TIME);
        if gathering.own_socket {
            self.shared.output(EndpointOutput::OpenSocket(socket));
            link.settle(now, &mut self.shared);
        } else {
            self.begin_gathering(now, &mut link, &gathering);
        }
        self.links.insert(id, link);
    }

    /// The socket is there.
    fn begin_gathering(&mut self, now: Now, link: &mut Link, gathering: &Gathering) {
        let shared = &mut self.shared;
        match &gathering.ice {
            Some(ice) if !shared.settings.no_ice => {
                let turn = !shared.settings.turn_servers.is_empty();
                let path = IceLink::gather(now, shared, link.socket, ice);
                shared.routes.name(ice.ufrag.clone(), link.id);
                link.path = Path::Ice(Box::new(path));
                link.deadline = Some(now.mono + PLAN_TIME);
                if turn && link.socket == SocketId::OVERLAY {
                    shared.allocate(now);
                    if let Some(relayed) = shared.relayed() {
                        link.set_relayed(now, shared, &relayed);
                    }
                }
            }
            Some(_) => {
                shared.tell(link.id, LinkEvent::Candidates(Vec::new())); // all ICE or all No-ICE
                link.gone = true;
            }
            None => {
                let candidates = no_ice_candidates(shared.sockets.addresses(link.socket));
                shared.tell(link.id, LinkEvent::Candidates(candidates));
                let own = gathering.own_socket;
                link.path = if own { Path::Listening } else { Path::Waiting };
                link.deadline = Some(now.mono + if own { LISTEN_TIME } else { PLAN_TIME });
                // Nothing to remember: whoever dials is accepted under a name of its own.
                link.gone = !own && link.purpose == LinkPurpose::Overlay;
            }
        }
        link.settle(now, shared);
    }

    /// A link has one plan: one offer, one answer (section 6.5.1.12).
    pub(crate) fn on_plan(&mut self, now: Now, id: LinkId, plan: Plan) {
        if self.links.get(&id).is_some_and(Link::is_planned) {
            return;
        }
        let by_path = plan.security.is_path();
        match &plan.way {
            Way::Ice { ufrag, password, candidates } => {
                let gathered = |link: &&mut Link| {
                    matches!(link.path, Path::Ice(_))
                        && (!by_path || link.socket != SocketId::OVERLAY)
                };
                let Some(link) = self.links.get_mut(&id).filter(gathered) else {
                    return self.refuse(now, id, "nothing was gathered for it");
                };
                link.follow(&plan);
                let remote = IceCredentials { ufrag: ufrag.clone(), password: password.clone() };
                link.check(now, &mut self.shared, remote, candidates);
            }
            Way::Dial(_) if by_path => {
                self.refuse(now, id, "without ICE nothing assures the other end but a handshake");
            }
            Way::Dial(addresses) => {
                let Some(direct) = Direct::of_plan(addresses) else {
                    return self.refuse(now, id, "no address that DTLS could dial");
                };
                let link = self.links.entry(id).or_insert_with(|| {
                    Link::new(id, LinkPurpose::Overlay, SocketId::OVERLAY, Path::Waiting)
                });
                if !matches!(link.path, Path::Listening | Path::Waiting) {
                    return self.refuse(now, id, "an address to dial, and ICE was gathered for");
                }
                link.path = Path::Direct(direct);
                link.follow(&plan);
                link.dial(now, &mut self.shared);
                link.settle(now, &mut self.shared);
            }
        }
    }

    pub(crate) fn on_addresses(&mut self, now: Now, id: SocketId, addresses: Vec<SocketAddr>) {
        if self.shared.sockets.addresses(id) == addresses
            || !self.shared.sockets.set_addresses(id, addresses.clone())
        {
            return;
        }
        let links = self.links.values().filter(|link| link.socket == id);
        for link in links.map(|link| link.id).collect::<Vec<_>>() {
            self.on_moved(now, link, &addresses);
        }
        if id == SocketId::OVERLAY && !addresses.is_empty() {
            self.shared.allocate_anew(now);
            self.tell_relayed(now);
        }
    }

    /// The socket of a link has its first addresses, or others.
    fn on_moved(&mut self, now: Now, id: LinkId, addresses: &[SocketAddr]) {
        let Some(mut link) = self.links.remove(&id) else { return };
        match &mut link.path {
            Path::Opening(gathering) => {
                let gathering = gathering.clone();
                self.begin_gathering(now, &mut link, &gathering);
            }
            Path::Ice(_) => link.set_hosts(now, &mut self.shared, addresses),
            Path::Direct(direct) => {
                let ours = direct.local.ip();
                let kept = addresses.iter().any(|address| address.ip() == ours);
                if !kept && !ours.is_unspecified() {
                    direct.local = unspecified(direct.remote); // for its goodbye
                    link.lose(now, &mut self.shared, &format!("our address {ours} is gone"));
                }
            }
            Path::Listening | Path::Waiting => {}
        }
        self.links.insert(id, link);
    }

    pub(crate) fn on_socket_failed(&mut self, now: Now, id: SocketId, reason: &str) {
        let links = self.links.values_mut().filter(|link| link.socket == id);
        for link in links {
            if matches!(link.path, Path::Opening(_)) {
                self.shared.tell(link.id, LinkEvent::Candidates(Vec::new()));
                link.close(now, &mut self.shared);
            } else {
                link.lose(now, &mut self.shared, &format!("its socket failed: {reason}"));
            }
        }
    }

    /// The plan cannot be carried out: that is the end of what was gathered for it.
    fn refuse(&mut self, now: Now, id: LinkId, reason: &str) {
        if let Some(link) = self.links.get_mut(&id) {
            return link.lose(now, &mut self.shared, reason);
        }
        let (reason, unacknowledged) = (reason.to_owned(), Vec::new());
        self.shared.tell(id, LinkEvent::Down { reason, unacknowledged });
    }
}
