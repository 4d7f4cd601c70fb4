//! Requests per second of one node. Whoever signed a request is who made it: the previous hop passes
//! on what others ask, and is not to suffer for them. What costs work before the signer is known, the
//! check of the signature, is bounded for each link in `crypto.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reload_wire::NodeId;

/// Nodes that are told apart. Beyond that, those with nothing noted share one account.
const NODES: usize = 8192;

/// What one node may still ask. It is full when nothing is noted.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// Requests, in parts of [`Rate::part`].
    left: u64,
    at: Instant,
}

/// The accounts of all nodes: each holds what comes in one second, and gets that in a second.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u64,
    accounts: BTreeMap<Option<NodeId>, Account>,
    bound: usize,
}

/// One request in an account: nanoseconds of a second times the rate come in.
const REQUEST: u64 = 1_000_000_000;

impl Rate {
    /// `per_second` requests; 0 for no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: u64::from(per_second), accounts: BTreeMap::new(), bound: NODES }
    }

    /// Whether a node may make one more request now.
    pub(crate) fn take(&mut self, now: Instant, node: NodeId) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let most = self.per_second * REQUEST;
        let who = self.account_of(now, node);
        let account = self.accounts.entry(who).or_insert(Account { left: most, at: now });
        account.left = filled(*account, now, self.per_second);
        account.at = now.max(account.at);
        match account.left.checked_sub(REQUEST) {
            Some(left) => {
                account.left = left;
                true
            }
            None => false,
        }
    }

    /// Whose account a node uses; makes room for it if there is none.
    fn account_of(&mut self, now: Instant, node: NodeId) -> Option<NodeId> {
        if self.accounts.len() >= self.bound && !self.accounts.contains_key(&Some(node)) {
            let (rate, most) = (self.per_second, self.per_second * REQUEST);
            // a full account says as much as none
            self.accounts.retain(|_, account| filled(*account, now, rate) < most);
            return (self.accounts.len() < self.bound).then_some(node);
        }
        Some(node)
    }
}

fn filled(account: Account, now: Instant, per_second: u64) -> u64 {
    let most = per_second * REQUEST;
    let passed = now.saturating_duration_since(account.at).min(Duration::from_secs(1));
    let passed = u64::try_from(passed.as_nanos()).unwrap_or(REQUEST);
    account.left.saturating_add(passed * per_second).min(most)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // virtual time has to start somewhere
mod tests {
    use super::*;

    fn node(number: u128) -> NodeId {
        NodeId::from_u128(number)
    }

    #[test]
    fn a_node_gets_its_rate_at_once_and_then_by_the_clock() {
        let (mut rate, start) = (Rate::new(10), Instant::now());
        let granted = (0..100).filter(|_| rate.take(start, node(1))).count();
        assert_eq!(granted, 10);
        assert!(rate.take(start, node(2)), "another node has its own");
        assert!(!rate.take(start + Duration::from_millis(99), node(1)));
        assert!(rate.take(start + Duration::from_millis(100), node(1)));
        assert!(!rate.take(start + Duration::from_millis(100), node(1)));
        let granted =
            (0..100).filter(|_| rate.take(start + Duration::from_secs(9), node(1))).count();
        assert_eq!(granted, 10, "it does not save up for more than a second");
    }

    #[test]
    fn a_clock_that_stands_still_or_runs_back_gives_nothing() {
        let (mut rate, start) = (Rate::new(1), Instant::now() + Duration::from_secs(9));
        assert!(rate.take(start, node(1)));
        assert!(!rate.take(start - Duration::from_secs(5), node(1)));
        assert!(!rate.take(start + Duration::from_millis(999), node(1)));
    }

    #[test]
    fn zero_is_no_limit() {
        let (mut rate, start) = (Rate::new(0), Instant::now());
        assert!((0..10_000).all(|_| rate.take(start, node(1))));
    }

    #[test]
    fn the_accounts_are_bounded_and_the_full_ones_go_first() {
        let (mut rate, start) = (Rate::new(2), Instant::now());
        rate.bound = 4;
        for number in 1..=4 {
            assert!(rate.take(start, node(number)));
        }
        // no room: all others share one account
        let granted = (5..100).filter(|number| rate.take(start, node(*number))).count();
        assert_eq!((granted, rate.accounts.len()), (2, 5));
        assert!(rate.take(start + Duration::from_secs(1), node(100)));
        assert_eq!(rate.accounts.keys().copied().collect::<Vec<_>>(), [Some(node(100))]);
    }
}
