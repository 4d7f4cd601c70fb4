//! Limits of failed attempts, per account and per address: a bucket of attempts each, taken from
//! before the password is checked and given back when it was right. It is not a limit of requests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most accounts and addresses remembered; the one nearest to full is forgotten first.
const MAX_BUCKETS: usize = 10_000;

/// How many failures are let through.
#[derive(Clone, Copy, Debug)]
pub struct AttemptLimits {
    /// Failures of one account name before it has to wait, whether the account exists or not.
    pub per_account: u32,
    /// Failures from one address (IPv6: one /64) before it has to wait.
    pub per_address: u32,
    /// After this time one more attempt is let through.
    pub refill: Duration,
}

impl Default for AttemptLimits {
    /// 10 wrong passwords in a row for an account, 30 for an address, then one every 30 s.
    fn default() -> Self {
        Self { per_account: 10, per_address: 30, refill: Duration::from_secs(30) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Account(String),
    Address(IpAddr),
}

/// Attempts used up and when that was last counted.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    used: u32,
    since: Instant,
}

/// Counts failed attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    limits: AttemptLimits,
    buckets: Mutex<BTreeMap<Key, Bucket>>,
}

/// One attempt that was let through; it counts as failed unless it is taken back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt {
    keys: [Key; 2],
}

impl Attempts {
    pub(crate) fn new(limits: AttemptLimits) -> Self {
        Self { limits, buckets: Mutex::new(BTreeMap::new()) }
    }

    /// Lets an attempt through, or says how long to wait.
    pub(crate) fn begin(
        &self,
        now: Instant,
        account: &str,
        address: IpAddr,
    ) -> Result<Attempt, Duration> {
        let keys = [Key::Account(account.to_owned()), Key::Address(network(address))];
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &keys {
            let used = self.refilled(&mut buckets, key, now);
            if used >= self.limit(key) {
                return Err(self.limits.refill);
            }
        }
        for key in &keys {
            make_room(&mut buckets, key);
            let bucket = buckets.entry(key.clone()).or_insert(Bucket { used: 0, since: now });
            bucket.used = bucket.used.saturating_add(1);
        }
        Ok(Attempt { keys })
    }

    /// The attempt was good: it does not count.
    pub(crate) fn take_back(&self, attempt: &Attempt) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &attempt.keys {
            if let Some(bucket) = buckets.get_mut(key) {
                bucket.used = bucket.used.saturating_sub(1);
            }
        }
    }

    fn limit(&self, key: &Key) -> u32 {
        match key {
            Key::Account(_) => self.limits.per_account,
            Key::Address(_) => self.limits.per_address,
        }
    }

    /// Gives back the attempts that time has refilled; the number still used.
    fn refilled(&self, buckets: &mut BTreeMap<Key, Bucket>, key: &Key, now: Instant) -> u32 {
        let Some(bucket) = buckets.get_mut(key) else { return 0 };
        while bucket.used > 0 && now.duration_since(bucket.since) >= self.limits.refill {
            bucket.used = bucket.used.saturating_sub(1);
            bucket.since += self.limits.refill;
        }
        if bucket.used == 0 {
            buckets.remove(key);
            return 0;
        }
        bucket.used
    }
}

fn make_room(buckets: &mut BTreeMap<Key, Bucket>, key: &Key) {
    if buckets.len() < MAX_BUCKETS || buckets.contains_key(key) {
        return;
    }
    let mildest = buckets.iter().min_by_key(|(_, bucket)| (bucket.used, bucket.since));
    if let Some(mildest) = mildest.map(|(key, _)| key.clone()) {
        buckets.remove(&mildest);
    }
}

/// One IPv6 customer has at least a /64, so the lower half does not tell them apart.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AttemptLimits =
        AttemptLimits { per_account: 2, per_address: 4, refill: Duration::from_secs(30) };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn an_account_is_held_after_its_failures_and_let_in_again_by_time() {
        let attempts = Attempts::new(LIMITS);
        let now = Instant::now();
        let _ = attempts.begin(now, "alice", address(1)).unwrap();
        let _ = attempts.begin(now, "alice", address(2)).unwrap();
        assert_eq!(attempts.begin(now, "alice", address(3)).unwrap_err(), LIMITS.refill);
        let later = now + LIMITS.refill;
        let _ = attempts.begin(later, "alice", address(3)).unwrap();
        assert!(attempts.begin(later, "alice", address(3)).is_err());
    }

    #[test]
    fn an_address_is_held_across_accounts() {
        let attempts = Attempts::new(LIMITS);
        let now = Instant::now();
        for account in ["a", "b", "c", "d"] {
            let _ = attempts.begin(now, account, address(1)).unwrap();
        }
        assert!(attempts.begin(now, "e", address(1)).is_err());
        assert!(attempts.begin(now, "e", address(2)).is_ok());
    }

    #[test]
    fn a_right_password_does_not_count() {
        let attempts = Attempts::new(LIMITS);
        let now = Instant::now();
        for _ in 0..10 {
            let attempt = attempts.begin(now, "alice", address(1)).unwrap();
            attempts.take_back(&attempt);
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let other: IpAddr = "2001:db8::2".parse().unwrap();
        assert_eq!(network(one), network(other));
        assert_ne!(network(one), network("2001:db8:0:1::1".parse().unwrap()));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(network(mapped), address(1));
    }

    #[test]
    fn memory_is_bounded_and_the_most_used_stay() {
        let attempts = Attempts::new(AttemptLimits { per_address: u32::MAX, ..LIMITS });
        let now = Instant::now();
        for _ in 0..2 {
            let _ = attempts.begin(now, "alice", address(1)).unwrap();
        }
        for number in 0..MAX_BUCKETS + 10 {
            let _ = attempts.begin(now, &number.to_string(), address(1)).unwrap();
        }
        assert!(attempts.buckets.lock().unwrap().len() <= MAX_BUCKETS);
        assert!(attempts.begin(now, "alice", address(1)).is_err());
    }
}
