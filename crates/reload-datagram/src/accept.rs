//! Handshakes that others begin without ICE (sections 6.5.1.11 and 6.6.6; bootstrap, E52), under bounds, and
//! for those only that have come back with our cookie (RFC 6347 section 4.2.1). A
//! ClientHello from the addresses of a live association gets an engine beside it, which takes its place when
//! it has completed, and not before (RFC 6347 section 4.2.8).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use reload_link::Proven;
use reload_node::{LinkId, LinkPurpose};
use reload_wire::Now;

use crate::SocketId;
use crate::association::{Association, HelloRandom};
use crate::routes::Owner;
use crate::shared::Shared;
use crate::timer::Timer;

/// A handshake that has not completed.
pub(crate) struct HalfOpen {
    pub(crate) socket: SocketId,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) association: Association,
    /// What its first ClientHello began with: another one is another handshake.
    random: HelloRandom,
    until: Instant,
    bytes: usize,
}

/// All of them.
#[derive(Default)]
pub(crate) struct HalfOpens {
    map: BTreeMap<u64, HalfOpen>,
    next: u64,
}

/// What came of a datagram or a timeout.
pub(crate) enum Progress {
    /// Nothing yet.
    Going,
    /// It is up: it is a link now.
    Complete(Box<HalfOpen>),
    /// It is over.
    Failed,
}

impl HalfOpens {
    /// The handshake that this ClientHello belongs to.
    pub(crate) fn find(&self, owners: &[Owner], random: &HelloRandom) -> Option<u64> {
        owners.iter().find_map(|owner| match owner {
            Owner::HalfOpen(id) if self.map.get(id)?.random == *random => Some(*id),
            Owner::HalfOpen(_) | Owner::Link(_) => None,
        })
    }

    /// Begins a handshake, if the bounds allow it.
    pub(crate) fn begin(
        &mut self,
        now: Now,
        shared: &mut Shared,
        (socket, local, remote): (SocketId, SocketAddr, SocketAddr),
        purpose: LinkPurpose,
        (random, proven): (HelloRandom, &Proven),
    ) -> Progress {
        let limits = shared.settings.limits;
        let same = self.map.values().filter(|it| it.remote.ip() == remote.ip()).count();
        if self.map.len() >= limits.half_open || same >= limits.half_open_per_address {
            shared.counters.refused += 1;
            return Progress::Failed;
        }
        let from = shared.beginning(purpose, None, shared.settings.datagram);
        let Ok(association) = Association::accept(now, proven, &from) else {
            return Progress::Failed;
        };
        let id = self.next;
        if !shared.routes.add((socket, remote), Owner::HalfOpen(id)) {
            shared.counters.refused += 1;
            return Progress::Failed;
        }
        self.next += 1;
        let (until, bytes) = (now.mono + limits.handshake_time, 0);
        let half_open = HalfOpen { socket, local, remote, association, random, until, bytes };
        self.map.insert(id, half_open);
        self.settle(now, shared, id)
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Now,
        shared: &mut Shared,
        id: u64,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Progress {
        let Some(half_open) = self.map.get_mut(&id) else { return Progress::Going };
        half_open.local = local;
        half_open.bytes += datagram.len();
        if half_open.bytes > shared.settings.limits.handshake_bytes {
            shared.counters.refused += 1;
            return self.fail(shared, id);
        }
        half_open.association.handle_datagram(now, datagram);
        self.settle(now, shared, id)
    }

    pub(crate) fn handle_timeout(&mut self, now: Now, shared: &mut Shared, id: u64) -> Progress {
        let Some(half_open) = self.map.get_mut(&id) else { return Progress::Going };
        if half_open.until <= now.mono {
            return self.fail(shared, id);
        }
        half_open.association.handle_timeout(now);
        self.settle(now, shared, id)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Ends those of a socket that is closed.
    pub(crate) fn drop_socket(&mut self, shared: &mut Shared, socket: SocketId) {
        let of_socket = self.map.iter().filter(|(_, it)| it.socket == socket);
        for id in of_socket.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.remove(shared, id);
        }
    }

    fn settle(&mut self, now: Now, shared: &mut Shared, id: u64) -> Progress {
        let Some(half_open) = self.map.get_mut(&id) else { return Progress::Going };
        if half_open.association.is_up() {
            let Some(half_open) = self.remove(shared, id) else { return Progress::Going };
            return Progress::Complete(Box::new(half_open));
        }
        while let Some(datagram) = half_open.association.poll_transmit() {
            let (socket, from, to) = (half_open.socket, half_open.local.ip(), half_open.remote);
            shared.transmit(socket, from, to, datagram);
        }
        if !half_open.association.is_in_handshake() {
            return self.fail(shared, id);
        }
        let due = half_open.association.next_timeout();
        let due = due.map_or(half_open.until, |due| due.min(half_open.until));
        shared.timers.after(now.mono, Timer::HalfOpen(id), Some(due));
        Progress::Going
    }

    fn fail(&mut self, shared: &mut Shared, id: u64) -> Progress {
        shared.counters.failed += 1;
        self.remove(shared, id);
        Progress::Failed
    }

    fn remove(&mut self, shared: &mut Shared, id: u64) -> Option<HalfOpen> {
        let half_open = self.map.remove(&id)?;
        shared.routes.remove((half_open.socket, half_open.remote), Owner::HalfOpen(id));
        shared.timers.set(Timer::HalfOpen(id), None);
        Some(half_open)
    }
}

/// The name of the next accepted link.
pub(crate) struct Numbers {
    next: u64,
    step: u64,
}

impl Numbers {
    pub(crate) fn new(first: u64, step: u64) -> Self {
        Self { next: first, step: step.max(1) }
    }

    pub(crate) fn next(&mut self) -> LinkId {
        let link = LinkId::accepted(self.next);
        self.next += self.step;
        link
    }
}
