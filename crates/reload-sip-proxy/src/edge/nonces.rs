//! Nonces that need no memory until they are used (RFC 7616 section 5.4): time and number with a code that
//! only this proxy can make. What has been used is remembered within bounds, so that nothing passes twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ring::hmac;

use super::digest::NONCE_LIFETIME;

/// Nonces whose uses are remembered: half a minute of the busiest phones.
const MAX_USED: usize = 16_384;
/// Bytes of the code in a nonce.
const CODE: usize = 16;
/// Counts below the highest that may still come, overtaken by others.
const WINDOW: u32 = 64;

/// All nonces of one proxy.
pub(super) struct Nonces {
    key: hmac::Key,
    /// What nonces count their time from.
    start: Option<Instant>,
    issued: u64,
    used: BTreeMap<u64, Counts>,
    /// Nonces up to this number that are not in `used` have been forgotten.
    forgotten: u64,
}

/// What using a nonce means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// For the first time with this count.
    Fresh,
    /// Once more with the same count: somebody repeats what was overheard.
    Repeated,
    /// It was good, but too long ago.
    Stale,
    /// It was never issued here.
    Unknown,
}

impl Nonces {
    /// With a key of its own.
    pub(super) fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .expect("the system has randomness, or nothing of this node works");
        Self { key, start: None, issued: 0, used: BTreeMap::new(), forgotten: 0 }
    }

    /// A new one.
    pub(super) fn issue(&mut self, now: Instant) -> String {
        let start = *self.start.get_or_insert(now);
        self.issued += 1;
        let mut bytes = self.issued.to_be_bytes().to_vec();
        bytes.extend(now.saturating_duration_since(start).as_secs().to_be_bytes());
        let code = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(&code.as_ref()[..CODE]);
        hex::encode(bytes)
    }

    /// Uses one; only [`Use::Fresh`] is remembered.
    pub(super) fn spend(&mut self, now: Instant, nonce: &str, count: u32) -> Use {
        let Some((number, issued)) = self.read(nonce) else { return Use::Unknown };
        if now > issued + NONCE_LIFETIME {
            return Use::Stale;
        }
        if let Some(counts) = self.used.get_mut(&number) {
            return if counts.add(count) { Use::Fresh } else { Use::Repeated };
        }
        if number <= self.forgotten {
            return Use::Stale;
        }
        if self.used.len() >= MAX_USED
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = oldest;
        }
        let mut counts = Counts::default();
        let is_fresh = counts.add(count);
        self.used.insert(number, counts);
        if is_fresh { Use::Fresh } else { Use::Repeated }
    }

    /// Number and time of a nonce that was issued here.
    fn read(&self, nonce: &str) -> Option<(u64, Instant)> {
        let bytes = hex::decode(nonce).ok().filter(|it| it.len() == 16 + CODE)?;
        let (plain, code) = bytes.split_at(16);
        let expected = hmac::sign(&self.key, plain);
        super::digest::is_equal(&expected.as_ref()[..CODE], code).then_some(())?;
        let (number, seconds) = plain.split_at(8);
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let seconds = u64::from_be_bytes(seconds.try_into().ok()?);
        Some((number, self.start? + Duration::from_secs(seconds)))
    }
}

/// The counts that have come with one nonce.
#[derive(Default)]
struct Counts {
    highest: u32,
    /// Bit n: the count n below the highest has come.
    seen: u64,
}

impl Counts {
    /// Whether this one is new.
    fn add(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let below = self.highest - count;
        let bit = 1_u64.checked_shl(below).unwrap_or(0);
        let is_new = below < WINDOW && self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_passes_once_with_each_count_in_any_order() {
        let (mut nonces, now) = (Nonces::new(), Instant::now());
        let nonce = nonces.issue(now);
        let mut spend = |count| nonces.spend(now, &nonce, count);
        assert_eq!([spend(1), spend(3), spend(2)], [Use::Fresh; 3]);
        assert_eq!([spend(1), spend(2), spend(3), spend(0)], [Use::Repeated; 4]);
        assert_eq!([spend(200), spend(3), spend(137)], [Use::Fresh, Use::Repeated, Use::Fresh]);
    }

    #[test]
    fn a_nonce_is_stale_after_its_time() {
        let (mut nonces, now) = (Nonces::new(), Instant::now());
        let nonce = nonces.issue(now);
        assert_eq!(nonces.spend(now + NONCE_LIFETIME, &nonce, 1), Use::Fresh);
        let late = now + NONCE_LIFETIME + Duration::from_secs(1);
        assert_eq!(nonces.spend(late, &nonce, 2), Use::Stale);
    }

    #[test]
    fn what_was_not_issued_here_is_unknown() {
        let (mut nonces, now) = (Nonces::new(), Instant::now());
        let (nonce, other) = (nonces.issue(now), Nonces::new().issue(now));
        let changed = format!("{}0{}", &nonce[..15], &nonce[16..]);
        for wrong in [changed.as_str(), &other, "", "zz", &nonce[..62]] {
            assert_eq!(nonces.spend(now, wrong, 1), Use::Unknown, "{wrong}");
        }
    }

    #[test]
    fn a_forgotten_nonce_is_stale_and_not_fresh_again() {
        let (mut nonces, now) = (Nonces::new(), Instant::now());
        let first = nonces.issue(now);
        assert_eq!(nonces.spend(now, &first, 1), Use::Fresh);
        for _ in 0..MAX_USED {
            let nonce = nonces.issue(now);
            assert_eq!(nonces.spend(now, &nonce, 1), Use::Fresh);
        }
        assert_eq!(nonces.used.len(), MAX_USED);
        assert_eq!(nonces.spend(now, &first, 1), Use::Stale);
    }
}
