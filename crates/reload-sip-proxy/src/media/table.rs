//! All branches of all calls: found by Call-ID for SIP, by token for datagrams. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rand::Rng;
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
}

impl<P: Place> Table<P> {
    pub(super) fn new(limit: usize) -> Self {
        Self { calls: BTreeMap::new(), tokens: HashMap::new(), limit }
    }

    /// The branch of a leg, made if there is none. For a message of a phone whose branch is not known by
    /// its name, the only branch of the call with that node is meant.
    pub(super) fn entry(
        &mut self,
        leg: &Leg,
        is_outward: bool,
        now: Instant,
    ) -> Result<&mut Session<P>, MediaError> {
        let known = self.calls.get(&leg.call_id).and_then(|branches| {
            let exact = branches.iter().position(|branch| branch.is_of(leg));
            let of_peer = |branch: &Session<P>| branch.peer == leg.peer;
            let is_only = is_outward && branches.iter().filter(|b| of_peer(b)).count() == 1;
            exact.or_else(|| branches.iter().position(of_peer).filter(|_| is_only))
        });
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
    fn free_token(&self) -> Token {
        loop {
            let token = Token(rand::rng().random());
            if !self.tokens.contains_key(&token) {
                return token;
            }
        }
    }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
