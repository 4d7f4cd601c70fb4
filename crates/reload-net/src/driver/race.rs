//! Two ways to one link: TLS is dialled first, DTLS after 2 s or when TLS has failed (E52). What is up
//! first is the link; the other is given up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_node::{LinkId, Plan, Way};
use reload_wire::OverlayLinkType;

/// The head start of TLS.
const HEAD_START: Duration = Duration::from_secs(2);

/// Links that are dialled in two ways.
#[derive(Debug, Default)]
pub(super) struct Races(BTreeMap<LinkId, Race>);

#[derive(Debug)]
struct Race {
    tls: Runner,
    dtls: Runner,
}

#[derive(Debug)]
enum Runner {
    /// Starts then, with this plan.
    Waiting(Instant, Box<Plan>),
    Running,
    Failed(String),
}

/// What the failure of one way means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The other still runs.
    Runs,
    /// The other begins now.
    Begins(Box<Plan>),
    /// Both have failed, or it was the only one.
    Failed(String),
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tls,
    Dtls,
}

/// The parts of a plan to dial: what TLS does, and what DTLS does.
pub(super) fn split(plan: &Plan) -> (Option<Plan>, Option<Plan>) {
    let Way::Dial(addresses) = &plan.way else { return (None, None) };
    let part = |link: OverlayLinkType| {
        let of_type = addresses.iter().filter(|dial| dial.link == link);
        let addresses: Vec<_> = of_type.copied().collect();
        let way = (!addresses.is_empty()).then_some(Way::Dial(addresses))?;
        Some(Plan { way, ..plan.clone() })
    };
    (part(OverlayLinkType::TLS_TCP_FH_NO_ICE), part(OverlayLinkType::DTLS_UDP_SR_NO_ICE))
}

impl Races {
    /// TLS has begun; DTLS will.
    pub(super) fn begin(&mut self, now: Instant, link: LinkId, dtls: Plan) {
        let dtls = Runner::Waiting(now + HEAD_START, Box::new(dtls));
        self.0.insert(link, Race { tls: Runner::Running, dtls });
    }

    /// The link is up in one way, or nobody wants it any more. Whether it was a race.
    pub(super) fn end(&mut self, link: LinkId) -> bool {
        self.0.remove(&link).is_some()
    }

    /// One way has failed.
    pub(super) fn fail(&mut self, link: LinkId, protocol: Protocol, reason: String) -> Outcome {
        let Some(race) = self.0.get_mut(&link) else { return Outcome::Failed(reason) };
        let (failed, other) = match protocol {
            Protocol::Tls => (&mut race.tls, &mut race.dtls),
            Protocol::Dtls => (&mut race.dtls, &mut race.tls),
        };
        *failed = Runner::Failed(reason.clone());
        match std::mem::replace(other, Runner::Running) {
            Runner::Running => Outcome::Runs,
            Runner::Waiting(_, plan) => Outcome::Begins(plan),
            Runner::Failed(before) => {
                self.0.remove(&link);
                Outcome::Failed(match protocol {
                    Protocol::Tls => format!("{reason}; {before}"),
                    Protocol::Dtls => format!("{before}; {reason}"),
                })
            }
        }
    }

    /// When the next head start is over.
    pub(super) fn next(&self) -> Option<Instant> {
        let begin = |race: &Race| match race.dtls {
            Runner::Waiting(at, _) => Some(at),
            Runner::Running | Runner::Failed(_) => None,
        };
        self.0.values().filter_map(begin).min()
    }

    /// Those whose head start is over.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(LinkId, Plan)> {
        let mut due = Vec::new();
        for (link, race) in &mut self.0 {
            match std::mem::replace(&mut race.dtls, Runner::Running) {
                Runner::Waiting(at, plan) if at <= now => due.push((*link, *plan)),
                other => race.dtls = other,
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use reload_node::Security;

    use super::*;

    fn plan() -> Plan {
        let way = Way::bootstrap("127.0.0.1:6084".parse().unwrap());
        Plan { way, security: Security::Handshake(None), deadline: Instant::now() }
    }

    fn begun(now: Instant) -> (Races, LinkId) {
        let (mut races, link) = (Races::default(), LinkId::planned(1));
        races.begin(now, link, split(&plan()).1.unwrap());
        (races, link)
    }

    #[test]
    fn a_bootstrap_address_is_for_both() {
        let (tls, dtls) = split(&plan());
        let links = |plan: Option<Plan>| match plan.unwrap().way {
            Way::Dial(addresses) => addresses.iter().map(|dial| dial.link).collect::<Vec<_>>(),
            Way::Ice { .. } => Vec::new(),
        };
        assert_eq!(links(tls), [OverlayLinkType::TLS_TCP_FH_NO_ICE]);
        assert_eq!(links(dtls), [OverlayLinkType::DTLS_UDP_SR_NO_ICE]);
    }

    #[test]
    fn dtls_begins_two_seconds_after_tls() {
        let now = Instant::now();
        let (mut races, link) = begun(now);
        assert_eq!(races.next(), Some(now + HEAD_START));
        assert!(races.due(now + HEAD_START / 2).is_empty());
        assert_eq!(races.due(now + HEAD_START).first().map(|(link, _)| *link), Some(link));
        assert_eq!(races.next(), None);
        assert!(races.due(now + HEAD_START).is_empty(), "it begins once");
    }

    #[test]
    fn dtls_begins_at_once_when_tls_is_refused_and_both_reasons_are_told() {
        let (mut races, link) = begun(Instant::now());
        let outcome = races.fail(link, Protocol::Tls, "refused".to_owned());
        assert!(matches!(outcome, Outcome::Begins(_)));
        let outcome = races.fail(link, Protocol::Dtls, "no answer".to_owned());
        assert_eq!(outcome, Outcome::Failed("refused; no answer".to_owned()));
    }

    #[test]
    fn the_failure_of_one_is_no_end_while_the_other_runs() {
        let now = Instant::now();
        let (mut races, link) = begun(now);
        let _ = races.due(now + HEAD_START);
        assert_eq!(races.fail(link, Protocol::Dtls, String::new()), Outcome::Runs);
        assert!(races.end(link));
        assert!(!races.end(link));
    }
}
