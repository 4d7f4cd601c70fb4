//! One Attach or AppAttach (sections 6.5.1.3 to 6.5.1.14): gather, exchange once, check, keep alive.
//! Who the other side is, DTLS shows; who sends the Attach, the node decides.

mod candidates;
mod report;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use is::IceCreds;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_wire::{CandType, IceCandidate};

use crate::binding::plain;
use crate::candidates::{Foundations, LocalCandidate, RemoteCandidate, usable_remotes};
use crate::checks::Checks;
use crate::gathering::{Gathering, usable_hosts};
use crate::paths::Ends;
use crate::{
    Arrived, DatagramKind, IceCredentials, IceEvent, IceSettings, IceTransmit, Relayed, Relays,
    SelectedPair, kind_of,
};

/// One Attach or AppAttach. Drain [`IceSession::poll_transmit`] and [`IceSession::poll_event`] after
/// every input.
#[derive(Debug)]
pub struct IceSession {
    settings: IceSettings,
    phase: Phase,
    hosts: Vec<SocketAddr>,
    gathering: Gathering,
    candidates: Vec<LocalCandidate>,
    foundations: Foundations,
    checks: Checks,
    relays: Relays,
    remote: Option<(IceCreds, Vec<RemoteCandidate>)>,
    selected: Option<SelectedPair>,
    transmits: VecDeque<IceTransmit>,
    events: VecDeque<IceEvent>,
    now: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Gathering,
    /// Our candidates are told, theirs have not come.
    Waiting,
    Checking {
        until: Instant,
    },
    /// `settle`: when candidates that are of no use are freed (section 6.5.1.10.2).
    Selected {
        settle: Option<Instant>,
    },
    Over,
}

impl IceSession {
    /// Starts gathering.
    #[must_use]
    pub fn new(now: Instant, settings: IceSettings, seed: [u8; 32]) -> Self {
        let mut random = StdRng::from_seed(seed);
        let hosts = usable_hosts(&settings.hosts);
        let local = IceCreds {
            ufrag: String::from_utf8_lossy(&settings.local.ufrag).into_owned(),
            pass: String::from_utf8_lossy(&settings.local.password).into_owned(),
        };
        let gathering = Gathering::new(now, &hosts, &settings.stun_servers, &mut random);
        let mut session = Self {
            checks: Checks::new(local, settings.controlling, random.random()),
            settings,
            phase: Phase::Gathering,
            hosts: hosts.clone(),
            gathering,
            candidates: Vec::new(),
            foundations: Foundations::default(),
            relays: Relays::new(now),
            remote: None,
            selected: None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            now,
        };
        for host in hosts {
            session.add_candidate(CandType::Host, host, host, None, None);
        }
        session.ask_for_relays(now);
        session.handle_timeout(now);
        session
    }

    /// The credentials and candidates of the other side have come: checks begin, as soon as gathering
    /// is over. Once a session; later calls do nothing (section 6.5.1.12).
    pub fn set_remote(
        &mut self,
        now: Instant,
        remote: IceCredentials,
        candidates: &[IceCandidate],
    ) {
        if self.remote.is_some() || self.phase == Phase::Over {
            return;
        }
        let remotes = usable_remotes(candidates, self.settings.overlay_link, &self.hosts);
        let reason = match credentials(&self.settings.local, &remote) {
            Some(_) if remotes.is_empty() => "no candidate of theirs fits one of ours",
            Some(creds) => {
                self.remote = Some((creds, remotes));
                return self.handle_timeout(now);
            }
            None => "their credentials are not usable",
        };
        self.fail(vec![reason.to_owned()]);
    }

    /// The relayed addresses of the [`crate::Relays`] that are shared: first to end the wait of
    /// gathering, later those that are left of them.
    pub fn set_relayed(&mut self, now: Instant, relayed: &[Relayed]) {
        if self.phase == Phase::Gathering {
            self.add_relayed(relayed);
            self.gathering.relays = false;
        } else {
            let mut lost: Vec<_> = self.candidates.iter().map(|it| (it.kind, it.address)).collect();
            lost.retain(|(kind, address)| {
                *kind == CandType::Relay && !relayed.iter().any(|it| it.address == *address)
            });
            lost.iter().for_each(|(_, address)| self.remove_base(*address));
        }
        self.handle_timeout(now);
    }

    /// The addresses of the host have changed: pairs of those that are gone are given up, and new ones
    /// are tried from the others. The other side learns of them by the checks alone.
    pub fn set_hosts(&mut self, now: Instant, hosts: &[SocketAddr]) {
        let hosts = usable_hosts(hosts);
        let old = std::mem::replace(&mut self.hosts, hosts.clone());
        old.iter().filter(|it| !hosts.contains(it)).for_each(|it| self.remove_base(*it));
        for host in hosts.into_iter().filter(|it| !old.contains(it)) {
            self.add_candidate(CandType::Host, host, host, None, None);
        }
        self.handle_timeout(now);
    }

    /// Whether a datagram belongs to this session: STUN by its user name and password or its
    /// transaction, TURN by its server, all else by the pair it came on (section 6.5.1.14).
    #[must_use]
    pub fn accepts(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        let ends = (plain(local), plain(remote));
        if self.phase == Phase::Over {
            return false;
        }
        let own = self.gathering.accepts(ends.0, ends.1, datagram)
            || self.relays.accepts(ends.0, ends.1, datagram);
        own || match kind_of(datagram) {
            DatagramKind::Stun => self.checks.accepts(ends, datagram),
            _ => self.checks.paths.contains(ends),
        }
    }

    /// Takes a datagram; `Some` is payload for the layer above. What does not belong here does nothing.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Option<Arrived> {
        let (local, remote) = (plain(local), plain(remote));
        if self.phase == Phase::Over {
            return None;
        }
        if self.gathering.accepts(local, remote, datagram) {
            if let Some(found) = self.gathering.handle(local, remote, datagram) {
                self.add_reflexive(found);
            }
        } else if self.relays.accepts(local, remote, datagram) {
            let arrived = self.relays.handle_datagram(now, local, remote, datagram);
            if let Some(it) = arrived {
                return self.on_payload(now, (it.local, it.remote), it.data);
            }
        } else {
            let data = Bytes::copy_from_slice(datagram);
            return self.on_payload(now, (local, remote), data);
        }
        self.handle_timeout(now);
        None
    }

    /// STUN is for the checks; bytes of the layer above are taken on pairs where checks were seen.
    fn on_payload(&mut self, now: Instant, ends: Ends, data: Bytes) -> Option<Arrived> {
        if kind_of(&data) == DatagramKind::Stun {
            self.checks.handle(now, ends, &data);
            self.handle_timeout(now);
            return None;
        }
        let known = self.checks.paths.contains(ends);
        known.then_some(Arrived { local: ends.0, remote: ends.1, data })
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.relays.handle_timeout(now);
        match self.phase {
            Phase::Gathering => self.gather(now),
            Phase::Over => (),
            _ => self.check_relays(),
        }
        if !matches!(self.phase, Phase::Gathering | Phase::Over) {
            let mut out = Vec::new();
            self.checks.handle_timeout(now, &mut out);
            out.into_iter().for_each(|it| self.transmit(now, it));
            self.judge(now);
        }
        while let Some(it) = self.relays.poll_transmit() {
            self.transmits.push_back(it);
        }
    }

    /// When to call [`IceSession::handle_timeout`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Gathering => Some(self.gathering.next_timeout()),
            Phase::Waiting => None,
            Phase::Checking { until } => Some(until),
            Phase::Selected { settle } => {
                [settle, self.checks.paths.consent()].into_iter().flatten().min()
            }
            Phase::Over => return self.relays.next_timeout(),
        };
        // Checks that have come wait for the end of gathering.
        let checks = self.checks.next_timeout(self.now).filter(|_| self.phase != Phase::Gathering);
        [own, checks, self.relays.next_timeout()].into_iter().flatten().min()
    }

    /// A datagram to send.
    pub fn poll_transmit(&mut self) -> Option<IceTransmit> {
        self.transmits.pop_front()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    /// Sends bytes of the layer above over the selected pair; without one they are dropped.
    pub fn send(&mut self, now: Instant, data: &[u8]) {
        if let Some(pair) = self.selected {
            let data = Bytes::copy_from_slice(data);
            self.transmit(now, IceTransmit { local: pair.local, remote: pair.remote, data });
        }
    }

    /// Ends the session and gives its own allocations back; send what [`IceSession::poll_transmit`] has
    /// before it goes.
    pub fn close(&mut self, now: Instant) {
        self.end();
        self.relays.release(now, None);
        self.handle_timeout(now);
    }

    /// The pair in use.
    #[must_use]
    pub fn selected(&self) -> Option<SelectedPair> {
        self.selected
    }

    /// An allocation of our own that was lost takes its candidate with it.
    fn check_relays(&mut self) {
        if self.settings.shared_relays {
            return;
        }
        let relayed = self.candidates.iter().filter(|it| it.kind == CandType::Relay);
        let lost: Vec<_> = relayed.map(|it| it.base).filter(|it| !self.relays.owns(*it)).collect();
        lost.iter().for_each(|it| self.remove_base(*it));
    }

    /// Goes on to the next phase when it is time.
    fn judge(&mut self, now: Instant) {
        match (self.phase, &self.remote) {
            (Phase::Waiting, Some((credentials, candidates))) => {
                self.checks.set_remote(credentials.clone(), candidates);
                self.phase = Phase::Checking { until: now + CHECK_LIMIT };
                self.handle_timeout(now);
            }
            (Phase::Checking { until }, _) => {
                self.select(now);
                // The other side may have begun later: then its checks find ours again.
                let again = self.checks.has_failed() && !self.settings.controlling;
                let hopeless = now >= until || self.checks.has_failed();
                if again && now < until {
                    self.checks.begin_again();
                } else if hopeless && self.selected.is_none() {
                    let tried = self.pairs().iter().map(ToString::to_string).collect();
                    self.fail(tried);
                }
            }
            (Phase::Selected { settle }, _) => {
                self.select(now);
                if self.checks.paths.consent().is_none_or(|it| now >= it) {
                    self.end();
                    self.events.push_back(IceEvent::ConsentLost);
                    self.relays.release(now, None);
                } else if settle.is_some_and(|it| now >= it) {
                    self.settle(now);
                }
            }
            _ => (),
        }
    }

    fn select(&mut self, now: Instant) {
        let Some(ends) = self.checks.paths.current() else { return };
        let pair = self.pair(ends);
        if self.selected.is_none_or(|it| (it.local, it.remote) != ends) {
            self.phase = Phase::Selected { settle: Some(now + SETTLE_TIME) };
            self.selected = Some(pair);
            self.events.push_back(IceEvent::Selected(pair));
        }
    }

    /// Frees what is of no use: relayed addresses, if the pair does without.
    fn settle(&mut self, now: Instant) {
        self.phase = Phase::Selected { settle: None };
        if self.selected.is_some_and(|it| it.local_kind != CandType::Relay) {
            let relayed = self.candidates.iter().filter(|it| it.kind == CandType::Relay);
            let bases: Vec<_> = relayed.map(|it| it.base).collect();
            bases.iter().for_each(|it| self.remove_base(*it));
            self.relays.release(now, None);
        }
    }

    fn transmit(&mut self, now: Instant, it: IceTransmit) {
        if self.relays.owns(it.local) {
            self.relays.send(now, it.local, it.remote, it.data);
            while let Some(it) = self.relays.poll_transmit() {
                self.transmits.push_back(it);
            }
        } else if self.checks.is_base(it.local) {
            self.transmits.push_back(it);
        }
    }

    fn fail(&mut self, tried: Vec<String>) {
        self.end();
        self.events.push_back(IceEvent::Failed { tried });
        self.relays.release(self.now, None);
        while let Some(it) = self.relays.poll_transmit() {
            self.transmits.push_back(it);
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.selected = None;
    }
}

/// Their credentials as text, if checks can carry them: the user name of a check has both fragments.
fn credentials(ours: &IceCredentials, theirs: &IceCredentials) -> Option<IceCreds> {
    let ufrag = String::from_utf8(theirs.ufrag.to_vec()).ok()?;
    let pass = String::from_utf8(theirs.password.to_vec()).ok()?;
    let fits = ours.ufrag.len() + 1 + ufrag.len() <= LONGEST_USERNAME;
    let plain = !ufrag.is_empty() && !ufrag.contains(':') && !pass.is_empty();
    (fits && plain).then_some(IceCreds { ufrag, pass })
}

const LONGEST_USERNAME: usize = 128; // what the crate `is` can write; RFC 8445 section 5.4 has 256 a fragment
const CHECK_LIMIT: Duration = Duration::from_secs(15); // the checks of a pair take 9.75 s
const SETTLE_TIME: Duration = Duration::from_secs(10); // better pairs have come through by then
