//! What a session knows of its pairs, for people to read.

use std::time::Duration;

use reload_wire::CandType;

use super::IceSession;
use crate::candidates::LocalCandidate;
use crate::paths::{Ends, Path};
use crate::{CandidateReport, IceReport, PairReport, SelectedPair};

impl IceSession {
    /// The last round trip of a check over the pair in use.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let pair = self.selected?;
        self.checks.paths.get((pair.local, pair.remote))?.round_trip
    }

    /// What is known, for people to read.
    #[must_use]
    pub fn report(&self) -> IceReport {
        let local = |it: &LocalCandidate| CandidateReport { address: it.address, kind: it.kind };
        let mut remote = Vec::new();
        if let Some((_, named)) = &self.remote {
            remote.extend(named.iter().map(|it| (it.address, it.kind)));
        }
        let mut reflexive: Vec<_> = self.reflexive().map(|it| it.address).collect();
        for (ends, path) in self.checks.paths.iter() {
            if !remote.iter().any(|it| it.0 == ends.1) {
                remote.push((ends.1, CandType::Prflx));
            }
            let other = path.mapped.filter(|it| *it != ends.0 && !reflexive.contains(it));
            reflexive.extend(other);
        }
        let remote = remote.into_iter().map(|(address, kind)| CandidateReport { address, kind });
        IceReport {
            local: self.candidates.iter().map(local).collect(),
            remote: remote.collect(),
            pairs: self.pairs(),
            selected: self.selected,
            reflexive,
        }
    }

    pub(super) fn pairs(&self) -> Vec<PairReport> {
        let report = |(ends, path): (&Ends, &Path)| {
            let pair = self.pair(*ends);
            PairReport {
                local: pair.local,
                remote: pair.remote,
                local_kind: pair.local_kind,
                remote_kind: pair.remote_kind,
                state: path.state(),
                sent: path.sent,
                answered: path.answered,
                round_trip: path.round_trip,
            }
        };
        self.checks.paths.iter().map(report).collect()
    }

    /// The pair with its kinds, as far as checks have shown them.
    pub(super) fn pair(&self, (local, remote): Ends) -> SelectedPair {
        let mapped = self.checks.paths.get((local, remote)).and_then(|it| it.mapped);
        let relayed =
            self.candidates.iter().any(|it| it.kind == CandType::Relay && it.base == local);
        let local_kind = match mapped {
            _ if relayed => CandType::Relay,
            None => CandType::Host,
            Some(seen) if seen == local => CandType::Host,
            Some(seen) if self.reflexive().any(|it| it.address == seen) => CandType::Srflx,
            Some(_) => CandType::Prflx,
        };
        let named = self.remote.iter().flat_map(|it| &it.1).find(|it| it.address == remote);
        let remote_kind = named.map_or(CandType::Prflx, |it| it.kind);
        SelectedPair { local, remote, local_kind, remote_kind }
    }
}
