//! All branches of all calls: found by Call-ID for SIP, by token for datagrams. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_wire::NodeId;
use tokio::time::Instant;

use super::attribute::Token;
use super::counters::{MediaUse, MediaWay};
use super::session::{Place, Session};
use super::{Leg, MediaError};

/// The branches.
#[derive(Debug)]
pub(super) struct Table<P> {
    calls: BTreeMap<String, Vec<Session<P>>>,
    tokens: HashMap<Token, String>,
    limit: usize,
    random: StdRng,
}

impl<P: Place> Table<P> {
    pub(super) fn new(limit: usize) -> Self {
        let random = StdRng::from_os_rng();
        Self { calls: BTreeMap::new(), tokens: HashMap::new(), limit, random }
    }

    /// The branch of a leg, made if there is none.
    pub(super) fn entry(
        &mut self,
        leg: &Leg,
        way: Direction,
        now: Instant,
    ) -> Result<&mut Session<P>, MediaError> {
        let known = self.calls.get(&leg.call_id).and_then(|branches| find(branches, leg, way));
        if known.is_none() && self.tokens.len() >= self.limit {
            return Err(MediaError::Full);
        }
        let token = self.free_token();
        let branches = self.calls.entry(leg.call_id.clone()).or_default();
        let index = known.unwrap_or(branches.len());
        if known.is_none() {
            self.tokens.insert(token, leg.call_id.clone());
            branches.push(Session::new(leg, token, now));
        }
        let branch = &mut branches[index];
        branch.touch(now);
        Ok(branch)
    }

    /// The branch that a datagram of a node is for.
    pub(super) fn by_token(&self, peer: NodeId, token: Token) -> Option<&Session<P>> {
        let branches = self.calls.get(self.tokens.get(&token)?)?;
        branches.iter().find(|branch| branch.token == token && branch.peer == peer)
    }

    /// Ends branches of a call.
    pub(super) fn remove(&mut self, call_id: &str, is_over: impl Fn(&Session<P>) -> bool) {
        let Some(branches) = self.calls.get_mut(call_id) else { return };
        let tokens = &mut self.tokens;
        branches.retain(|branch| {
            let is_over = is_over(branch);
            if is_over {
                tokens.remove(&branch.token);
            }
            !is_over
        });
        if branches.is_empty() {
            self.calls.remove(call_id);
        }
    }

    /// Ends all.
    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.tokens.clear();
    }

    /// Ends branches that nothing was heard of for too long: SIP has lost them.
    pub(super) fn sweep(&mut self, now: Instant, unanswered: Duration, idle: Duration) {
        let tokens = &mut self.tokens;
        self.calls.retain(|_, branches| {
            branches.retain_mut(|branch| {
                let limit = if branch.way() == MediaWay::Offered { unanswered } else { idle };
                let is_over = now.duration_since(branch.idle_since(now)) >= limit;
                if is_over {
                    tokens.remove(&branch.token);
                }
                !is_over
            });
            !branches.is_empty()
        });
    }

    /// The nodes that a media pipe is kept with.
    pub(super) fn nodes(&self) -> BTreeSet<NodeId> {
        let branches = self.calls.values().flatten();
        branches.filter(|branch| branch.pipe().is_some()).map(|branch| branch.peer).collect()
    }

    pub(super) fn usage(&self, call_id: &str) -> Option<MediaUse> {
        let branches = self.calls.get(call_id)?.iter();
        branches.map(|branch| branch.counters.read(branch.way())).reduce(MediaUse::with)
    }

    /// A name that no branch here has.
    fn free_token(&mut self) -> Token {
        loop {
            let token = Token(self.random.random());
            if !self.tokens.contains_key(&token) {
                return token;
            }
        }
    }
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From a phone here.
    Outward,
    /// To a phone here.
    Inward,
}

/// The branch of a leg by its name, else by the address of its phone. A phone that sends from elsewhere means
/// the only branch there is.
fn find<P: Place>(branches: &[Session<P>], leg: &Leg, way: Direction) -> Option<usize> {
    let exact = branches.iter().position(|branch| branch.is_of(leg));
    let here = || branches.iter().position(|branch| branch.is_at(leg));
    let only = || {
        let mut beside = (0..branches.len()).filter(|&index| branches[index].is_beside(leg));
        let first = beside.next()?;
        (way == Direction::Outward && beside.next().is_none()).then_some(first)
    };
    exact.or_else(here).or_else(only)
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
