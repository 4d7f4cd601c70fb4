//! The candidates of a session: gathering them, and taking them back.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use reload_wire::CandType;

use super::{IceSession, Phase};
use crate::binding::plain;
use crate::candidates::LocalCandidate;
use crate::gathering::Reflexive;
use crate::scope::{reachable, usable};
use crate::{IceEvent, Relayed};

impl IceSession {
    pub(super) fn ask_for_relays(&mut self, now: Instant) {
        self.gathering.relays = self.settings.shared_relays;
        for login in self.settings.turn_servers.iter().take(MOST_TURN_SERVERS) {
            let server = plain(login.server);
            if let Some(base) = self.hosts.iter().find(|it| reachable(**it, server)) {
                self.gathering.relays |= self.relays.allocate(now, login, *base);
            }
        }
    }

    pub(super) fn gather(&mut self, now: Instant) {
        let mut out = Vec::new();
        self.gathering.handle_timeout(now, &mut out);
        self.transmits.extend(out);
        if !self.settings.shared_relays {
            self.gathering.relays = self.relays.pending();
        }
        if self.gathering.is_done(now) {
            let relayed = self.relays.relayed();
            self.add_relayed(&relayed);
            let link = self.settings.overlay_link;
            let wire = self.candidates.iter().map(|it| it.to_wire(link)).collect();
            self.events.push_back(IceEvent::Gathered(wire));
            self.phase = Phase::Waiting;
        }
    }

    pub(super) fn add_reflexive(&mut self, found: Reflexive) {
        let (address, base, server) = (found.address, found.base, found.server.ip());
        self.add_candidate(CandType::Srflx, address, base, Some(base), Some(server));
    }

    pub(super) fn add_relayed(&mut self, relayed: &[Relayed]) {
        for it in relayed.iter().filter(|it| usable(it.address)) {
            // Related is how the server sees us (RFC 8445 section 5.3); a STUN server sees it so too.
            let seen = self.reflexive().find(|seen| seen.base == it.base).map(|it| it.address);
            let related = seen.unwrap_or(it.base);
            let (address, server) = (it.address, it.server.ip());
            self.add_candidate(CandType::Relay, address, address, Some(related), Some(server));
        }
    }

    pub(super) fn reflexive(&self) -> impl Iterator<Item = &LocalCandidate> {
        self.candidates.iter().filter(|it| it.kind == CandType::Srflx)
    }

    pub(super) fn add_candidate(
        &mut self,
        kind: CandType,
        address: SocketAddr,
        base: SocketAddr,
        related: Option<SocketAddr>,
        server: Option<IpAddr>,
    ) {
        let Some(priority) = self.checks.add_local(kind, address, base) else { return };
        let foundation = self.foundations.of(kind, base, server);
        self.candidates.push(LocalCandidate { address, base, kind, related, foundation, priority });
    }

    pub(super) fn remove_base(&mut self, base: SocketAddr) {
        self.checks.remove_base(base);
        self.candidates.retain(|it| it.base != base);
    }
}

const MOST_TURN_SERVERS: usize = 2;
