//! Users for a time, their rate, and long-term authentication (RFC 8489 section 9.2) with nonces that need
//! no memory: whoever writes to the server under false addresses makes it hold nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use is::{DefaultSha1HmacProvider, Sha1HmacProvider};
use stun_types::attribute::{ErrorCode, MessageIntegrity, Nonce, Realm, Username};
use stun_types::message::{IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials, Message};
use stun_types::prelude::AttributeStaticType;

/// All users, and the secret of the nonces.
#[derive(Debug)]
pub(crate) struct Users {
    realm: String,
    secret: [u8; 32],
    start: Instant,
    users: BTreeMap<String, User>,
}

#[derive(Debug)]
struct User {
    key: IntegrityKey,
    expires: Instant,
    level: u64,
    filled: Instant,
}

impl Users {
    pub(crate) fn new(now: Instant, realm: &str, secret: [u8; 32]) -> Self {
        Self { realm: realm.to_owned(), secret, start: now, users: BTreeMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }

    pub(crate) fn contains(&self, username: &str) -> bool {
        self.users.contains_key(username)
    }

    pub(crate) fn add(&mut self, now: Instant, username: &str, password: &str, expires: Instant) {
        let (name, realm) = (username.to_owned(), self.realm.clone());
        let credentials = LongTermKeyCredentials::new(name.clone(), password.to_owned(), realm);
        let key = credentials.make_key(IntegrityAlgorithm::Sha1);
        let (level, filled) = self.users.get(username).map_or((0, now), |it| (it.level, it.filled));
        self.users.insert(name, User { key, expires, level, filled });
    }

    pub(crate) fn remove_expired(&mut self, now: Instant) {
        self.users.retain(|_, it| it.expires > now);
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.users.values().map(|it| it.expires).min()
    }

    pub(crate) fn key(&self, username: &str) -> Option<&IntegrityKey> {
        self.users.get(username).map(|it| &it.key)
    }

    pub(crate) fn expires(&self, username: &str) -> Option<Instant> {
        self.users.get(username).map(|it| it.expires)
    }

    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// Whether the user may move so many bytes now: a leaking bucket of two seconds.
    pub(crate) fn spend(&mut self, now: Instant, username: &str, bytes: usize, rate: u32) -> bool {
        let Some(user) = self.users.get_mut(username) else { return false };
        let (rate, bytes) = (u64::from(rate), u64::try_from(bytes).unwrap_or(u64::MAX));
        let passed = u64::try_from(now.saturating_duration_since(user.filled).as_millis());
        let drained = passed.unwrap_or(u64::MAX).saturating_mul(rate) / 1000;
        if drained > 0 {
            user.level = user.level.saturating_sub(drained);
            user.filled = now;
        }
        let level = user.level.saturating_add(bytes);
        let fits = user.expires > now && level <= rate.saturating_mul(BURST_SECONDS);
        if fits {
            user.level = level;
        }
        fits
    }

    /// The user who sent a request, or the code of the error that answers it (RFC 8489 section 9.2.4).
    pub(crate) fn authenticate(
        &self,
        now: Instant,
        client: SocketAddr,
        request: &Message<'_>,
    ) -> Result<String, u16> {
        if !request.has_attribute(MessageIntegrity::TYPE) {
            return Err(ErrorCode::UNAUTHORIZED);
        }
        let (Ok(username), Ok(nonce), Ok(_)) = (
            request.attribute::<Username>(),
            request.attribute::<Nonce>(),
            request.attribute::<Realm>(),
        ) else {
            return Err(ErrorCode::BAD_REQUEST);
        };
        if !self.is_fresh(now, client, nonce.nonce()) {
            return Err(ErrorCode::STALE_NONCE);
        }
        let user = self.users.get(username.username()).filter(|it| it.expires > now);
        let known = user.is_some_and(|it| request.validate_integrity_with_key(&it.key).is_ok());
        known.then(|| username.username().to_owned()).ok_or(ErrorCode::UNAUTHORIZED)
    }

    /// A nonce for a client: the time, and a code over time and address.
    pub(crate) fn nonce(&self, now: Instant, client: SocketAddr) -> String {
        let seconds = now.saturating_duration_since(self.start).as_secs();
        self.nonce_of(seconds, client)
    }

    fn nonce_of(&self, seconds: u64, client: SocketAddr) -> String {
        let ip = match client.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let parts: [&[u8]; 3] = [&seconds.to_be_bytes(), &ip, &client.port().to_be_bytes()];
        let code = DefaultSha1HmacProvider.sha1_hmac(&self.secret, &parts);
        let mut nonce = format!("{seconds:x}-");
        code.iter().for_each(|it| nonce.push_str(&format!("{it:02x}")));
        nonce
    }

    fn is_fresh(&self, now: Instant, client: SocketAddr, nonce: &str) -> bool {
        let Some(seconds) = nonce.split('-').next().and_then(|it| u64::from_str_radix(it, 16).ok())
        else {
            return false;
        };
        let age = now.saturating_duration_since(self.start).as_secs().checked_sub(seconds);
        age.is_some_and(|age| age <= NONCE_LIFETIME.as_secs())
            && nonce == self.nonce_of(seconds, client)
    }
}

const BURST_SECONDS: u64 = 2;
const NONCE_LIFETIME: Duration = Duration::from_secs(3600); // RFC 8656 section 5: at least once an hour

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn users() -> (Instant, Users, SocketAddr) {
        let now = Instant::now();
        let mut users = Users::new(now, "realm", [1; 32]);
        users.add(now, "user", "password", now + Duration::from_secs(100));
        (now, users, "192.0.2.1:9".parse().unwrap())
    }

    #[test]
    fn a_nonce_holds_for_its_client_and_an_hour() {
        let (now, users, client) = users();
        let nonce = users.nonce(now, client);
        let hour = Duration::from_secs(3600);
        assert!(users.is_fresh(now + hour, client, &nonce));
        assert!(!users.is_fresh(now + hour + Duration::from_secs(1), client, &nonce));
        assert!(!users.is_fresh(now, "192.0.2.1:10".parse().unwrap(), &nonce));
        assert!(!users.is_fresh(now, client, &format!("1{nonce}")));
        assert!(!users.is_fresh(now, client, "") && !users.is_fresh(now, client, "0-"));
    }

    #[test]
    fn a_user_moves_no_more_than_the_rate_and_nothing_after_the_end() {
        let (now, mut users, _) = users();
        assert!(users.spend(now, "user", 2000, 1000));
        assert!(!users.spend(now, "user", 1, 1000));
        let later = now + Duration::from_millis(500);
        assert!(users.spend(later, "user", 500, 1000));
        assert!(!users.spend(later, "user", 1, 1000));
        assert!(!users.spend(now + Duration::from_secs(100), "user", 1, 1000));
        assert!(!users.spend(now, "another", 1, 1000));
    }
}
