//! What a session knows, for people to read.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use reload_wire::CandType;

use crate::SelectedPair;

/// The state of a session.
#[derive(Clone, Debug, Default)]
pub struct IceReport {
    /// Our candidates.
    pub local: Vec<CandidateReport>,
    /// Candidates of the other side, those that were learnt from its checks last.
    pub remote: Vec<CandidateReport>,
    /// Pairs on which checks were sent or came.
    pub pairs: Vec<PairReport>,
    /// The pair in use.
    pub selected: Option<SelectedPair>,
    /// How servers and the other side see us.
    pub reflexive: Vec<SocketAddr>,
}

/// A candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateReport {
    /// Its address.
    pub address: SocketAddr,
    /// Its type; [`CandType::Prflx`] if only checks showed it.
    pub kind: CandType,
}

/// A pair on which checks were sent or came.
#[derive(Clone, Copy, Debug)]
pub struct PairReport {
    /// Our end, as in [`SelectedPair::local`].
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The type of our end.
    pub local_kind: CandType,
    /// The type of the other end.
    pub remote_kind: CandType,
    /// How it went.
    pub state: PairState,
    /// Checks sent.
    pub sent: u32,
    /// Checks of ours that were answered.
    pub answered: u32,
    /// The last round trip.
    pub round_trip: Option<Duration>,
}

/// How a pair does (RFC 8445 section 6.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairState {
    /// Checks come, none was sent yet.
    Waiting,
    /// A check was sent, no answer yet.
    InProgress,
    /// The last checks were answered.
    Succeeded,
    /// No answer any more.
    Failed,
}

impl fmt::Display for PairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { local, remote, local_kind, remote_kind, state, sent, answered, .. } = self;
        let (ours, theirs) = (word(*local_kind), word(*remote_kind));
        write!(
            f,
            "{local} ({ours}) to {remote} ({theirs}): {state:?}, {answered} of {sent} answered"
        )
    }
}

fn word(kind: CandType) -> &'static str {
    match kind {
        CandType::Host => "host",
        CandType::Srflx => "reflexive",
        CandType::Prflx => "peer-reflexive",
        CandType::Relay => "relayed",
    }
}
