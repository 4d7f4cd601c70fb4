//! The connectivity checks (RFC 8445 sections 6 to 8) by the crate `is`, with what it leaves open: answers
//! must come back on the way of their check, strangers are bounded, and [`Paths`] says which pair is used.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{
    Candidate, CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol,
    default_local_preference,
};
use reload_wire::CandType;
use stun_types::attribute::Fingerprint;

use crate::IceTransmit;
use crate::candidates::RemoteCandidate;
use crate::demux::STUN_HEADER;
use crate::paths::{CheckId, Ends, Paths};

/// One ICE agent and the record of its pairs.
#[derive(Debug)]
pub(crate) struct Checks {
    agent: IceAgent,
    pub(crate) paths: Paths,
    bases: BTreeSet<SocketAddr>,
    remotes: BTreeSet<SocketAddr>,
    mapped: BTreeSet<SocketAddr>,
    strangers: Strangers,
    /// When the agent has something to do; at once if there is none.
    wake: Option<Instant>,
}

impl Checks {
    pub(crate) fn new(local: IceCreds, controlling: bool, tie_breaker: u64) -> Self {
        let mut agent = IceAgent::new(local);
        agent.set_controlling(controlling);
        agent.set_control_tie_breaker(tie_breaker);
        agent.set_max_candidate_pairs(MOST_PAIRS);
        agent.set_initial_stun_rto(FIRST_TIMEOUT);
        agent.set_max_stun_rto(KEEPALIVE);
        agent.set_max_stun_retransmits(TRANSMISSIONS);
        agent.set_local_preference(preference(tie_breaker));
        Self {
            agent,
            paths: Paths::default(),
            bases: BTreeSet::new(),
            remotes: BTreeSet::new(),
            mapped: BTreeSet::new(),
            strangers: Strangers { left: MOST_STRANGERS, ever: 0, last: None },
            wake: None,
        }
    }

    /// A candidate of ours; answers with its priority, or `None` if it adds nothing to those there are.
    pub(crate) fn add_local(
        &mut self,
        kind: CandType,
        address: SocketAddr,
        base: SocketAddr,
    ) -> Option<u32> {
        let candidate = match kind {
            CandType::Host => Candidate::host(address, Protocol::Udp),
            CandType::Relay => Candidate::relayed(address, base, Protocol::Udp),
            CandType::Srflx | CandType::Prflx => {
                Candidate::server_reflexive(address, base, Protocol::Udp)
            }
        };
        let priority = self.agent.add_local_candidate(candidate.ok()?)?.prio();
        self.wake = None;
        self.mapped.insert(address);
        if matches!(kind, CandType::Host | CandType::Relay) {
            self.bases.insert(address);
        }
        Some(priority)
    }

    /// An address of ours is gone, with all candidates that have it as base.
    pub(crate) fn remove_base(&mut self, base: SocketAddr) {
        let mut lost: Vec<Candidate> = self.agent.local_candidates().collect();
        lost.retain(|it| match it.kind() {
            CandidateKind::Relayed | CandidateKind::Host => it.addr() == base,
            _ => it.local() == base,
        });
        for it in &lost {
            self.agent.invalidate_candidate(it);
        }
        self.wake = None;
        self.bases.remove(&base);
        self.paths.forget(base);
    }

    /// The other side is known: pairs are formed.
    pub(crate) fn set_remote(&mut self, credentials: IceCreds, candidates: &[RemoteCandidate]) {
        self.agent.set_remote_credentials(credentials);
        self.wake = None;
        for it in candidates {
            self.remotes.insert(it.address);
            let kind = match it.kind {
                CandType::Host => CandidateKind::Host,
                CandType::Srflx => CandidateKind::ServerReflexive,
                CandType::Prflx => CandidateKind::PeerReflexive,
                CandType::Relay => CandidateKind::Relayed,
            };
            let (foundation, priority) = (it.foundation.clone(), it.priority);
            let udp = Protocol::Udp;
            self.agent.add_remote_candidate(Candidate::from_parts(
                foundation, 1, udp, priority, it.address, kind, None, None, None,
            ));
        }
    }

    /// Whether a STUN message is for this agent: by user name, or as answer to a check of ours.
    pub(crate) fn accepts(&self, ends: Ends, datagram: &[u8]) -> bool {
        StunMessage::parse(datagram).is_ok_and(|it| self.is_authentic(ends, &it, datagram))
    }

    fn is_authentic(&self, ends: Ends, message: &StunMessage<'_>, datagram: &[u8]) -> bool {
        let asks = message.is_binding_request();
        if !has_fingerprint(datagram) {
            return false;
        }
        let fits = asks || check_id(datagram).is_some_and(|id| self.paths.expects(ends, id));
        fits && self.agent.accepts_message(message)
    }

    /// Takes a STUN message; `false` if it is not authentic or not wanted, and then nothing has changed.
    pub(crate) fn handle(&mut self, now: Instant, ends: Ends, datagram: &[u8]) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else { return false };
        let Some(id) = check_id(datagram) else { return false };
        let known = self.bases.contains(&ends.0) && self.is_authentic(ends, &message, datagram);
        if !known || !self.is_bounded(now, ends, &message) {
            return false;
        }
        if message.is_binding_request() {
            self.paths.on_request(now, ends);
        } else if message.is_successful_binding_response() {
            self.paths.on_answer(now, id, message.mapped_address());
        }
        let (source, destination) = (ends.1, ends.0);
        let packet = StunPacket { proto: Protocol::Udp, source, destination, message };
        self.agent.handle_packet(now, packet);
        // The agent's reaction, such as a triggered check, comes with its timer.
        self.wake = Some(now);
        true
    }

    /// The agent remembers each address it hears from, and each under which we are seen.
    fn is_bounded(&mut self, now: Instant, ends: Ends, message: &StunMessage<'_>) -> bool {
        if message.is_binding_request() {
            let known = self.remotes.contains(&ends.1) || self.paths.has_remote(ends.1);
            return known || self.strangers.admit(now);
        }
        match message.mapped_address() {
            Some(mapped) if !self.mapped.contains(&mapped) => {
                self.mapped.len() < MOST_MAPPED && self.mapped.insert(mapped)
            }
            _ => true,
        }
    }

    /// Does what is due; what is to be sent goes to `out`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut impl Extend<IceTransmit>) {
        if self.wake.is_none_or(|wake| now >= wake) {
            for _ in 0..MOST_ROUNDS {
                self.agent.handle_timeout(now);
                self.drain(now, out);
                if self.agent.poll_timeout().is_some_and(|next| next > now) {
                    break;
                }
            }
            self.wake = self.agent.poll_timeout().map(|it| it.max(now + SHORTEST_WAIT));
        }
        self.paths.reconsider(now);
    }

    /// Hands out what the agent wants to send, and notes what it nominated.
    pub(crate) fn drain(&mut self, now: Instant, out: &mut impl Extend<IceTransmit>) {
        while let Some(it) = self.agent.poll_transmit() {
            let (local, remote) = (it.source, it.destination);
            let data: Vec<u8> = it.contents.into();
            if let (Some(id), true) = (check_id(&data), data.starts_with(&BINDING_REQUEST)) {
                self.paths.on_check(now, (local, remote), id);
            }
            out.extend([IceTransmit { local, remote, data: data.into() }]);
        }
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.paths.nominate(now, (source, destination));
            }
        }
    }

    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        [self.wake, self.paths.next_look(now)].into_iter().flatten().min()
    }

    /// Whether all pairs have failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.agent.state() == IceConnectionState::Disconnected
    }

    /// Forms all pairs anew, after they have failed.
    pub(crate) fn begin_again(&mut self) {
        self.agent.recreate_candidate_pairs();
        self.wake = None;
    }

    pub(crate) fn is_base(&self, address: SocketAddr) -> bool {
        self.bases.contains(&address)
    }
}

/// Whether the message ends with a right FINGERPRINT (RFC 8445 section 7.1, RFC 8489 section 14.7).
fn has_fingerprint(datagram: &[u8]) -> bool {
    let Some((rest, [0x80, 0x28, 0, 4, value @ ..])) = datagram.split_last_chunk::<8>() else {
        return false;
    };
    let crc = u32::from_be_bytes(Fingerprint::compute(&[rest])) ^ FINGERPRINT_XOR;
    crc.to_be_bytes() == *value
}

fn check_id(datagram: &[u8]) -> Option<CheckId> {
    datagram.get(8..STUN_HEADER)?.try_into().ok()
}

/// How many more addresses the other side may send checks from than it has named.
#[derive(Debug)]
struct Strangers {
    left: u32,
    ever: u32,
    last: Option<Instant>,
}

impl Strangers {
    fn admit(&mut self, now: Instant) -> bool {
        let last = *self.last.get_or_insert(now);
        while self.left < MOST_STRANGERS
            && self.last.is_some_and(|last| now >= last + STRANGER_EVERY)
        {
            self.left += 1;
            self.last = self.last.map(|last| last + STRANGER_EVERY);
        }
        if self.left == MOST_STRANGERS {
            self.last = Some(now.max(last));
        }
        let admitted = self.left > 0 && self.ever < MOST_STRANGERS_EVER;
        self.left = self.left.saturating_sub(1);
        self.ever += u32::from(admitted);
        admitted
    }
}

const FINGERPRINT_XOR: u32 = 0x5354_554e; // RFC 8489 section 14.7
const BINDING_REQUEST: [u8; 2] = [0, 1];
const MOST_PAIRS: usize = 100; // RFC 8445 section 6.1.2.5
const MOST_STRANGERS: u32 = 24; // each of their candidates may look different behind NATs
const STRANGER_EVERY: Duration = Duration::from_secs(15); // a NAT that forgets does so more rarely
const MOST_STRANGERS_EVER: u32 = 512; // the agent keeps them; then the link ends at the next change
const MOST_MAPPED: usize = 256; // the same for our own side
const MOST_ROUNDS: usize = 160; // the agent queues up to 100 requests and takes one a call
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const FIRST_TIMEOUT: Duration = Duration::from_millis(250);
/// Between checks of a pair that works; consent needs several in its 8 s.
const KEEPALIVE: Duration = Duration::from_secs(2);
const TRANSMISSIONS: usize = 7; // RFC 8489 section 6.2.1; 9.75 s in all

/// The local preference (RFC 8445 section 5.1.2.1), by which relays of two nodes are seldom equally good.
/// Of two pairs with one relay each, both nominated, each side would see its own base at the one and a
/// reflexive candidate at the other, and choose another one than the other side.
fn preference(tie_breaker: u64) -> impl Fn(&Candidate, usize) -> u32 {
    let spread = u32::try_from(tie_breaker % RELAY_SPREAD).unwrap_or_default();
    move |candidate, same_kind| {
        let preference = default_local_preference(candidate, same_kind);
        match candidate.kind() {
            CandidateKind::Relayed => preference.saturating_sub(spread),
            _ => preference,
        }
    }
}

/// Half of what the crate leaves to relays, which begin at 16382, or 15382 across IP versions.
const RELAY_SPREAD: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn strangers_are_admitted_up_to_a_bound_and_then_slowly() {
        let start = Instant::now();
        let mut strangers = Strangers { left: MOST_STRANGERS, ever: 0, last: None };
        let admitted = (0..100).filter(|_| strangers.admit(start)).count();
        assert_eq!(admitted, 24);
        assert!(!strangers.admit(start + Duration::from_secs(14)));
        assert!(strangers.admit(start + Duration::from_secs(15)));
        assert!(!strangers.admit(start + Duration::from_secs(15)));
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| strangers.admit(later)).count(), 24);
        let hours = (0..1000).map(|hour| start + Duration::from_secs(3600 * (hour + 2)));
        let more = hours.filter(|now| strangers.admit(*now)).count();
        assert_eq!(more, 512 - 24 - 1 - 24, "not for ever");
    }

    #[test]
    fn relays_of_two_nodes_differ_in_priority_and_nothing_else_does() {
        let of = |tie_breaker, kind| {
            let credentials = IceCreds { ufrag: "user".into(), pass: "password".into() };
            let (address, base) = ("192.0.2.1:1000".parse(), "10.0.0.1:1000".parse());
            let mut checks = Checks::new(credentials, true, tie_breaker);
            checks.add_local(kind, address.unwrap(), base.unwrap()).unwrap()
        };
        let [one, other] = [7, 8191].map(|tie_breaker| of(tie_breaker, CandType::Relay));
        assert!(one > other, "{one} {other}");
        assert!(of(7, CandType::Srflx) > one);
        assert_eq!(of(7, CandType::Srflx), of(8191, CandType::Srflx));
        assert_eq!(of(7, CandType::Host), of(8191, CandType::Host));
    }
}
