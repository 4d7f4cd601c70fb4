//! One of the places where a TURN server is recorded: stored, refreshed, changed and removed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reload_node::{NewValue, Place, Reply, Request};
use reload_wire::{DataValue, Encode, KindId, Now, ResourceId, TurnServer};

/// Seconds a record lives: a server that is gone is not looked for much longer.
pub(super) const LIFETIME: u32 = 3600;

/// A record is stored again when half of its life is over.
const REFRESH: Duration = Duration::from_secs(1800);

/// The first wait after a failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest wait after a failure.
const LAST_RETRY: Duration = Duration::from_secs(600);

/// Names a record: the `d` of section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub(super) u8);

impl RecordId {
    /// From 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    number: u8,
    resource: ResourceId,
    /// What the overlay has, as far as known, and when it was stored.
    there: Option<(SocketAddr, Instant)>,
    /// The Store under way: an address, or nothing in its place.
    storing: Option<Option<SocketAddr>>,
    failures: u32,
    /// Not before that.
    pause: Instant,
}

impl Record {
    pub(super) fn new(number: u8, resource: ResourceId, at: Instant) -> Self {
        Self { number, resource, there: None, storing: None, failures: 0, pause: at }
    }

    pub(super) fn id(&self) -> RecordId {
        RecordId(self.number)
    }

    /// The Store that is due, if this address, or none, shall stand there.
    pub(super) fn poll_request(
        &mut self,
        now: Now,
        wanted: Option<SocketAddr>,
    ) -> Option<(RecordId, Request)> {
        self.due(wanted).filter(|at| *at <= now.mono)?;
        self.storing = Some(wanted);
        Some((self.id(), self.store(wanted)))
    }

    /// When a Store is due.
    pub(super) fn due(&self, wanted: Option<SocketAddr>) -> Option<Instant> {
        if self.storing.is_some() {
            return None;
        }
        match (wanted, self.there) {
            (None, None) => None,
            (Some(wanted), Some((there, since))) if wanted == there => {
                Some(self.pause.max(since + REFRESH))
            }
            _ => Some(self.pause),
        }
    }

    /// The Store has ended.
    pub(super) fn handle_finished(&mut self, now: Now, reply: Option<&Reply>) {
        let Some(stored) = self.storing.take() else { return };
        if matches!(reply, Some(Reply::Stored(_))) {
            self.failures = 0;
            self.pause = now.mono;
            self.there = stored.map(|address| (address, now.mono));
        } else {
            let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LAST_RETRY);
            self.failures = self.failures.saturating_add(1);
            self.pause = now.mono + wait;
        }
    }

    /// What has expired is no longer there.
    pub(super) fn expire(&mut self, now: Now) {
        let lifetime = Duration::from_secs(u64::from(LIFETIME));
        self.there = self.there.filter(|(_, since)| *since + lifetime > now.mono);
    }

    pub(super) fn is_there(&self) -> bool {
        self.there.is_some()
    }

    fn store(&self, address: Option<SocketAddr>) -> Request {
        let server = |address: SocketAddr| TurnServer {
            iteration: self.number,
            server_address: address.into(),
        };
        let value = address.and_then(|address| server(address).to_bytes().ok());
        let value = NewValue {
            kind: KindId::TURN_SERVICE,
            generation: 0,
            place: Place::Single,
            value: DataValue { exists: value.is_some(), value: value.unwrap_or_default() },
            lifetime: LIFETIME,
            storage_time: None,
        };
        Request::Store { resource: self.resource.clone(), values: vec![value] }
    }
}
