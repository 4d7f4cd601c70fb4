//! How many requests are answered at one time: in all, and for one other peer, so that none of them takes
//! the room of all others. Phones of the user have no bound of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reload_wire::NodeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One peer has this part of the room.
const PART: usize = 4;

/// The room for requests.
pub(super) struct Shares {
    all: Arc<Semaphore>,
    of_peer: usize,
    peers: Mutex<BTreeMap<NodeId, Arc<Semaphore>>>,
}

/// Room for one request, as long as it lives.
#[derive(Debug)]
pub(super) struct Share {
    _all: OwnedSemaphorePermit,
    _peer: Option<OwnedSemaphorePermit>,
}

impl Shares {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limit)),
            of_peer: limit.div_ceil(PART),
            peers: Mutex::default(),
        }
    }

    /// Room for a request of a peer, or of anybody else; none if there is none.
    pub(super) fn take(&self, peer: Option<NodeId>) -> Option<Share> {
        let all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let Some(peer) = peer else { return Some(Share { _all: all, _peer: None }) };
        let mut peers = self.peers();
        let new = || Arc::new(Semaphore::new(self.of_peer));
        let share = Arc::clone(peers.entry(peer).or_insert_with(new)).try_acquire_owned().ok()?;
        Some(Share { _all: all, _peer: Some(share) })
    }

    /// Forgets peers that ask for nothing.
    pub(super) fn sweep(&self) {
        self.peers().retain(|_, share| share.available_permits() < self.of_peer);
    }

    fn peers(&self) -> MutexGuard<'_, BTreeMap<NodeId, Arc<Semaphore>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_has_a_part_of_the_room_and_gives_it_back() {
        let shares = Shares::new(8);
        let [greedy, modest] = [1, 2].map(|number| NodeId::new(&[number; 16]).ok());
        let taken: Vec<_> = (0..3).map_while(|_| shares.take(greedy)).collect();
        assert_eq!(taken.len(), 2);
        assert!(shares.take(modest).is_some());
        drop(taken);
        assert!(shares.take(greedy).is_some());
        shares.sweep();
        assert!(shares.peers().is_empty());
    }

    #[test]
    fn nobody_has_more_than_all() {
        let shares = Shares::new(2);
        let _taken = [shares.take(None), shares.take(None)];
        assert!(shares.take(None).is_none());
    }
}
