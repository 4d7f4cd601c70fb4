//! One allocation: its permissions and channels (RFC 8656 sections 9 to 12).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stun_types::message::TransactionId;

use super::RelaySocket;

/// What one client has.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) user: String,
    pub(crate) socket: RelaySocket,
    pub(crate) expires: Instant,
    /// The request that made it and its answer, for when that is lost (RFC 8656 section 7.2).
    pub(crate) made_by: (TransactionId, Bytes),
    permissions: BTreeMap<IpAddr, Instant>,
    channels: BTreeMap<u16, Channel>,
}

#[derive(Debug)]
struct Channel {
    peer: SocketAddr,
    expires: Instant,
}

/// Why a channel is not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindRefusal {
    /// The number has another peer, or the peer another number.
    Conflict,
    /// There are too many.
    Full,
}

impl Allocation {
    pub(crate) fn new(
        user: String,
        socket: RelaySocket,
        expires: Instant,
        made_by: (TransactionId, Bytes),
    ) -> Self {
        let (permissions, channels) = (BTreeMap::new(), BTreeMap::new());
        Self { user, socket, expires, made_by, permissions, channels }
    }

    /// Installs or refreshes permissions, all or none; `false` if that were too many.
    pub(crate) fn permit(&mut self, now: Instant, peers: &[IpAddr], most: usize) -> bool {
        self.permissions.retain(|_, expires| *expires > now);
        let mut new: Vec<_> =
            peers.iter().filter(|it| !self.permissions.contains_key(it)).collect();
        new.sort();
        new.dedup();
        let fits = self.permissions.len() + new.len() <= most;
        if fits {
            let expires = now + PERMISSION_LIFETIME;
            self.permissions.extend(peers.iter().map(|it| (*it, expires)));
        }
        fits
    }

    pub(crate) fn permits(&self, now: Instant, peer: IpAddr) -> bool {
        self.permissions.get(&peer).is_some_and(|expires| *expires > now)
    }

    /// Binds or refreshes a channel (RFC 8656 section 12.2); the permission is the caller's.
    pub(crate) fn bind(
        &mut self,
        now: Instant,
        number: u16,
        peer: SocketAddr,
        most: usize,
    ) -> Result<(), BindRefusal> {
        self.channels.retain(|_, it| it.expires > now);
        let taken = |(other, it): (&u16, &Channel)| (*other == number) != (it.peer == peer);
        if self.channels.iter().any(taken) {
            return Err(BindRefusal::Conflict);
        }
        if self.channels.len() >= most && !self.channels.contains_key(&number) {
            return Err(BindRefusal::Full);
        }
        self.channels.insert(number, Channel { peer, expires: now + CHANNEL_LIFETIME });
        Ok(())
    }

    pub(crate) fn channel_peer(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|it| it.expires > now).map(|it| it.peer)
    }

    pub(crate) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let mut bound = self.channels.iter().filter(|(_, it)| it.peer == peer && it.expires > now);
        bound.next().map(|(number, _)| *number)
    }
}

const PERMISSION_LIFETIME: Duration = Duration::from_secs(300); // RFC 8656 section 9
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600); // RFC 8656 section 12

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn allocation() -> (Instant, Allocation, SocketAddr, SocketAddr) {
        let now = Instant::now();
        let made_by = (TransactionId::from(1), Bytes::new());
        let it = Allocation::new("user".into(), RelaySocket(1), now, made_by);
        (now, it, "198.51.100.1:1".parse().unwrap(), "198.51.100.2:1".parse().unwrap())
    }

    #[test]
    fn permissions_last_five_minutes_and_are_bounded() {
        let (now, mut it, one, two) = allocation();
        assert!(it.permit(now, &[one.ip(), one.ip()], 1));
        assert!(!it.permit(now, &[one.ip(), two.ip()], 1), "all or none");
        assert!(it.permits(now + Duration::from_secs(299), one.ip()));
        assert!(!it.permits(now, two.ip()));
        let later = now + Duration::from_secs(300);
        assert!(!it.permits(later, one.ip()));
        assert!(it.permit(later, &[two.ip()], 1), "the old one is gone");
    }

    #[test]
    fn a_channel_number_and_a_peer_belong_together_for_ten_minutes() {
        let (now, mut it, one, two) = allocation();
        it.bind(now, 0x4000, one, 1).unwrap();
        it.bind(now, 0x4000, one, 1).unwrap();
        assert_eq!(it.bind(now, 0x4000, two, 9), Err(BindRefusal::Conflict));
        assert_eq!(it.bind(now, 0x4001, one, 9), Err(BindRefusal::Conflict));
        assert_eq!(it.bind(now, 0x4001, two, 1), Err(BindRefusal::Full));
        assert_eq!(it.channel_of(now, one), Some(0x4000));
        assert_eq!(it.channel_peer(now, 0x4000), Some(one));
        let later = now + Duration::from_secs(600);
        assert_eq!((it.channel_of(later, one), it.channel_peer(later, 0x4000)), (None, None));
        it.bind(later, 0x4001, one, 1).unwrap();
    }
}
