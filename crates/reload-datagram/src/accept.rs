//! Handshakes that others begin without ICE (sections 6.5.1.11 and 6.6.6; bootstrap, E52), under bounds. A
//! ClientHello from the addresses of a live association gets an engine beside it, which takes its place when
//! it has completed, and not before (RFC 6347 section 4.2.8).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use reload_link::DtlsRole;
use reload_node::{LinkId, LinkPurpose};
use reload_wire::Now;

use crate::SocketId;
use crate::association::Association;
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
    /// It has answered from where it says it is.
    returned: bool,
}

/// The random of a ClientHello.
pub(crate) type HelloRandom = [u8; 32];

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
        socket: SocketId,
        (local, remote): (SocketAddr, SocketAddr),
        purpose: LinkPurpose,
        random: HelloRandom,
    ) -> Option<u64> {
        if !self.has_room(shared, remote.ip()) {
            shared.counters.refused += 1;
            return None;
        }
        let from = shared.beginning(purpose, None, shared.settings.datagram);
        let association = Association::new(now, DtlsRole::Server, &from).ok()?;
        let id = self.next;
        if !shared.routes.add((socket, remote), Owner::HalfOpen(id)) {
            shared.counters.refused += 1;
            return None;
        }
        self.next += 1;
        let until = now.mono + shared.settings.limits.cookie_time;
        let (bytes, returned) = (0, false);
        let half_open =
            HalfOpen { socket, local, remote, association, random, until, bytes, returned };
        self.map.insert(id, half_open);
        Some(id)
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
        let first = half_open.bytes == 0;
        half_open.local = local;
        half_open.bytes += datagram.len();
        if half_open.bytes > shared.settings.limits.handshake_bytes {
            shared.counters.refused += 1;
            return self.fail(shared, id);
        }
        if !first && !half_open.returned && !is_repeated_first_hello(datagram) {
            half_open.returned = true;
            half_open.until = now.mono + shared.settings.limits.handshake_time;
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

    /// Room for one more from this address. Those that have not come back with the cookie hold nothing
    /// worth keeping: the oldest of them goes.
    fn has_room(&mut self, shared: &mut Shared, ip: IpAddr) -> bool {
        let limits = shared.settings.limits;
        let same = self.map.values().filter(|it| it.remote.ip() == ip).count();
        if same >= limits.half_open_per_address {
            return self.drop_oldest_unreturned(shared, Some(ip));
        }
        self.map.len() < limits.half_open || self.drop_oldest_unreturned(shared, None)
    }

    fn drop_oldest_unreturned(&mut self, shared: &mut Shared, ip: Option<IpAddr>) -> bool {
        let unreturned = |it: &HalfOpen| !it.returned && ip.is_none_or(|ip| it.remote.ip() == ip);
        let oldest = self.map.iter().find(|(_, it)| unreturned(it)).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.remove(shared, id);
        }
        oldest.is_some()
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

/// The random of a ClientHello, after record header (13 bytes), handshake header (12) and version (2).
pub(crate) fn hello_random(datagram: &[u8]) -> Option<HelloRandom> {
    datagram.get(27..59)?.try_into().ok()
}

/// A ClientHello without a cookie: its sender has not had, or not taken, our HelloVerifyRequest
/// (RFC 6347 section 4.2.1). The cookie follows the session id.
fn is_repeated_first_hello(datagram: &[u8]) -> bool {
    if !reload_link::is_client_hello(datagram) {
        return false;
    }
    let session = datagram.get(59).copied().map_or(0, usize::from);
    datagram.get(60 + session).is_none_or(|cookie| *cookie == 0)
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
