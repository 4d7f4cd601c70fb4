//! Listening: from `--listen` to authenticated connections. A stranger can hold a handshake open, so
//! half-open connections are few, short, and few from one address; a new one beyond that is refused.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::error::NetError;
use crate::handshake::{Authenticated, accept};
use crate::tls::{Refusal, TlsIdentity, log};

/// A pause after the system refused to accept (no file handles left), instead of a hot loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds on what strangers can take.
#[derive(Clone, Copy, Debug)]
pub struct AcceptLimits {
    /// Handshakes under way.
    pub half_open: usize,
    /// Handshakes under way from one address.
    pub half_open_per_address: usize,
    /// Time for one handshake.
    pub handshake: Duration,
    /// Connections, authenticated or not, from one address.
    pub per_address: usize,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            half_open: 256,
            half_open_per_address: 64,
            handshake: Duration::from_secs(10),
            per_address: 1024,
        }
    }
}

/// An accepted connection and its place among those of its address.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub connection: Authenticated,
    /// Given back when the connection ends.
    pub place: AddressPlace,
}

/// A bound socket that accepts nothing yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds; port 0 takes any free port.
    ///
    /// # Errors
    /// The address is in use or not ours.
    pub async fn bind(address: SocketAddr) -> Result<Self, NetError> {
        let bound = TcpListener::bind(address).await;
        let socket = bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => NetError::InUse { address },
            _ => NetError::Listen { address, source },
        })?;
        let address = socket.local_addr().map_err(|source| NetError::Listen { address, source })?;
        Ok(Self { socket, address })
    }

    /// The real address, also after port 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the receiver of `accepted` is gone or the task is aborted.
    #[must_use]
    pub fn serve(
        self,
        identity: TlsIdentity,
        gate: Gate,
        accepted: mpsc::Sender<Accepted>,
    ) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !accepted.is_closed() {
                match self.socket.accept().await {
                    Ok((stream, remote)) => gate.admit(stream, remote, &identity, &accepted),
                    Err(error) => {
                        tracing::warn!(address = %self.address, %error, "can't accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        })
    }
}

/// Who may begin a handshake; shared by all listeners of a node.
#[derive(Clone, Debug)]
pub struct Gate(Arc<GateState>);

#[derive(Debug)]
struct GateState {
    limits: AcceptLimits,
    half_open: Arc<Semaphore>,
    addresses: Mutex<BTreeMap<IpAddr, Uses>>,
    refused: RefusedCounts,
}

#[derive(Debug, Default)]
struct RefusedCounts {
    half_open: AtomicU64,
    of_address: AtomicU64,
}

/// Connections that limits have refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// As many handshakes as may be were under way, in all or with that address.
    pub half_open: u64,
    /// As many connections as may be were there with that address.
    pub of_address: u64,
}

impl Refused {
    /// Both.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.half_open + self.of_address
    }
}

/// What one address holds.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    half_open: usize,
    all: usize,
}

impl Gate {
    /// A gate with nobody in it.
    #[must_use]
    pub fn new(limits: AcceptLimits) -> Self {
        Self(Arc::new(GateState {
            limits,
            half_open: Arc::new(Semaphore::new(limits.half_open)),
            addresses: Mutex::default(),
            refused: RefusedCounts::default(),
        }))
    }

    /// Connections refused by a limit so far.
    #[must_use]
    pub fn refused(&self) -> Refused {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.0.refused;
        Refused { half_open: count(&counts.half_open), of_address: count(&counts.of_address) }
    }

    fn admit(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        identity: &TlsIdentity,
        accepted: &mpsc::Sender<Accepted>,
    ) {
        match self.enter(remote) {
            Ok(entry) => {
                let (identity, accepted) = (identity.clone(), accepted.clone());
                tokio::spawn(shake_hands(stream, remote, identity, entry, accepted));
            }
            Err(refusal) => tracing::debug!("{refusal}"),
        }
    }

    fn enter(&self, remote: SocketAddr) -> Result<Entry, Refusal> {
        let refused = &self.0.refused;
        let limit = |count: &AtomicU64, reason| {
            count.fetch_add(1, Ordering::Relaxed);
            Refusal::Limit { remote, reason }
        };
        let permit = Arc::clone(&self.0.half_open)
            .try_acquire_owned()
            .map_err(|_| limit(&refused.half_open, "too many handshakes are under way"))?;
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = addresses.entry(remote.ip()).or_default();
        if uses.half_open >= self.0.limits.half_open_per_address {
            let reason = "too many handshakes with its address are under way";
            return Err(limit(&refused.half_open, reason));
        }
        if uses.all >= self.0.limits.per_address {
            return Err(limit(&refused.of_address, "too many connections with its address"));
        }
        uses.half_open += 1;
        uses.all += 1;
        drop(addresses);
        let (gate, address) = (self.clone(), remote.ip());
        let half_open = HalfOpen { gate: self.clone(), address, _permit: permit };
        Ok(Entry {
            _half_open: half_open,
            place: AddressPlace { gate, address },
            deadline: Instant::now() + self.0.limits.handshake,
        })
    }

    fn update(&self, address: IpAddr, change: impl FnOnce(&mut Uses)) {
        let mut addresses = self.0.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uses) = addresses.get_mut(&address) {
            change(uses);
            if uses.all == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// The right to shake hands.
#[derive(Debug)]
struct Entry {
    _half_open: HalfOpen,
    place: AddressPlace,
    deadline: Instant,
}

/// One of the handshakes under way; gives its place back when dropped.
#[derive(Debug)]
struct HalfOpen {
    gate: Gate,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.gate.update(self.address, |uses| uses.half_open = uses.half_open.saturating_sub(1));
    }
}

/// One of the connections of an address; gives its place back when dropped.
#[derive(Debug)]
pub struct AddressPlace {
    gate: Gate,
    address: IpAddr,
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.gate.update(self.address, |uses| uses.all = uses.all.saturating_sub(1));
    }
}

async fn shake_hands(
    stream: TcpStream,
    remote: SocketAddr,
    identity: TlsIdentity,
    entry: Entry,
    accepted: mpsc::Sender<Accepted>,
) {
    match accept(&identity, stream, remote, entry.deadline).await {
        Err(refusal) => log(&refusal),
        Ok(connection) => {
            let Entry { place, _half_open, .. } = entry;
            // Still counted as half-open while the node has no time for it.
            let _ = accepted.send(Accepted { connection, place }).await;
        }
    }
}
