//! What shall stand in the overlay for this node's user, and for how long.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_wire::{DataValue, Now, UnixTime};

/// The lifetime of a removal where it is not known how long that would live which it removes.
const REMOVAL: u32 = 3600;
/// The shortest life of a removal.
const LEAST_REMOVAL: u32 = 60;

/// What a later run of a node needs to go on with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationState {
    /// The storage time of the last Store: a later one must be later.
    pub last_storage_time: UnixTime,
    /// What shall stand in the overlay.
    pub record: Option<SavedRecord>,
}

/// A registration as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRecord {
    /// The SipRegistration; none for a removal that is not done yet.
    pub value: Option<Bytes>,
    /// Seconds it was registered for.
    pub expires: u32,
    /// Whether the node refreshes it.
    pub kept: bool,
    /// When it ends; what is kept does not.
    pub ends: UnixTime,
}

#[derive(Clone, Debug)]
pub(super) struct Record {
    value: Option<Bytes>,
    expires: u32,
    pub(super) kept: bool,
    pub(super) ends: Instant,
    /// When a Store is due; none if it is there and nobody refreshes it.
    due: Option<Instant>,
}

impl Record {
    pub(super) fn new(value: Bytes, expires: u32, kept: bool, now: Now) -> Self {
        let ends = now.mono + seconds(expires);
        Self { value: Some(value), expires, kept, ends, due: Some(now.mono) }
    }

    /// It lives as long as what it removes, so that no old copy comes back.
    pub(super) fn removal(former: Option<&Self>, now: Now) -> Self {
        let left = |former: &Self| former.expires.max(LEAST_REMOVAL);
        let expires = former.map_or(REMOVAL, left);
        let ends = now.mono + seconds(expires);
        Self { value: None, expires, kept: false, ends, due: Some(now.mono) }
    }

    pub(super) fn restore(saved: &SavedRecord, now: Now) -> Option<Self> {
        let left = Duration::from_millis(saved.ends.0.saturating_sub(now.wall.0));
        // a clock that has gone back does not make it live longer
        let left = left.min(seconds(saved.expires));
        if left.is_zero() && !saved.kept {
            return None;
        }
        let (value, expires, kept) = (saved.value.clone(), saved.expires, saved.kept);
        Some(Self { value, expires, kept, ends: now.mono + left, due: Some(now.mono) })
    }

    pub(super) fn save(&self, now: Now) -> SavedRecord {
        let left = self.ends.saturating_duration_since(now.mono);
        let ends = now.wall.saturating_add(left);
        SavedRecord { value: self.value.clone(), expires: self.expires, kept: self.kept, ends }
    }

    /// What a Store carries.
    pub(super) fn value(&self) -> DataValue {
        match &self.value {
            Some(value) => DataValue::new(value.clone()),
            None => DataValue::absent(),
        }
    }

    pub(super) const fn is_removal(&self) -> bool {
        self.value.is_none()
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Seconds that a Store made now gives it.
    pub(super) fn lifetime(&self, now: Now) -> u32 {
        if self.kept || self.is_removal() { self.expires } else { seconds_left(self.ends, now) }
    }

    /// What is kept is stored again when half of its life is over.
    pub(super) fn on_stored(&mut self, now: Now) {
        if self.kept {
            self.ends = now.mono + seconds(self.expires);
            self.due = Some(now.mono + (seconds(self.expires) / 2).max(Duration::from_secs(1)));
        } else {
            self.due = None;
        }
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// Whole seconds until then, rounded up.
fn seconds_left(ends: Instant, now: Now) -> u32 {
    let left = ends.saturating_duration_since(now.mono);
    let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}
