//! The UDP sockets of a node by name. The readers wait for the driver when it is busy: what comes
//! meanwhile waits in the buffers of the system, and is lost beyond, as on any way.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reload_datagram::SocketId;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::hosts::{hosts, interfaces};
use super::socket::{Buffers, Datagram, Socket};

/// Batches that wait for the driver.
const WAITING: usize = 16;

/// What a reader tells.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Datagrams came, oldest first.
    Datagrams(SocketId, Vec<Datagram>),
    /// The socket can be read no more.
    Failed(SocketId, io::Error),
}

/// The sockets of a node.
#[derive(Debug)]
pub(crate) struct Sockets {
    open: BTreeMap<SocketId, Vec<Open>>,
    sender: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
    /// Datagrams that the system did not take.
    unsent: u64,
}

/// A socket and its reader.
#[derive(Debug)]
struct Open {
    socket: Arc<Socket>,
    reader: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Default for Sockets {
    fn default() -> Self {
        let (sender, arrivals) = mpsc::channel(WAITING);
        Self { open: BTreeMap::new(), sender, arrivals, unsent: 0 }
    }
}

impl Sockets {
    /// Takes over bound sockets under one name and reads them.
    pub(crate) fn add(&mut self, id: SocketId, sockets: Vec<Socket>) {
        let open = sockets.into_iter().map(|socket| {
            let socket = Arc::new(socket);
            let reader = tokio::spawn(read(id, Arc::clone(&socket), self.sender.clone()));
            Open { socket, reader: reader.abort_handle() }
        });
        let open = open.collect();
        self.open.insert(id, open);
    }

    /// Binds and reads sockets at these addresses under one name.
    pub(crate) fn open(&mut self, id: SocketId, addresses: &[SocketAddr]) -> io::Result<()> {
        let sockets = addresses.iter().map(|address| Socket::bind(*address));
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        if id != SocketId::OVERLAY {
            // those of applications, whose messages may be of any size
            sockets.iter().try_for_each(Socket::let_ip_fragment)?;
        }
        self.add(id, sockets);
        Ok(())
    }

    pub(crate) fn close(&mut self, id: SocketId) {
        self.open.remove(&id);
    }

    /// What a socket is bound to; nothing if it is not open.
    pub(crate) fn bound(&self, id: SocketId) -> Vec<SocketAddr> {
        let open = self.open.get(&id).into_iter().flatten();
        open.map(|one| one.socket.bound()).collect()
    }

    /// The addresses of each socket, by the interfaces as they are now.
    pub(crate) fn hosts(&self) -> Vec<(SocketId, Vec<SocketAddr>)> {
        let interfaces = interfaces();
        let all = self.open.iter().map(|(id, open)| {
            let bound: Vec<_> = open.iter().map(|one| one.socket.bound()).collect();
            let has_ipv4 = bound.iter().any(SocketAddr::is_ipv4);
            let hosts = bound.iter().flat_map(|bound| hosts(*bound, &interfaces, !has_ipv4));
            (*id, hosts.collect())
        });
        all.collect()
    }

    /// Sends now or not at all.
    pub(crate) fn send(&mut self, id: SocketId, local: IpAddr, remote: SocketAddr, data: &[u8]) {
        let open = self.open.get(&id).into_iter().flatten();
        let mut able = open.filter(|one| one.socket.bound().is_ipv6() || remote.is_ipv4());
        let Some(one) = able.find(|one| local.is_unspecified() || one.socket.serves(local)) else {
            return;
        };
        if let Err(error) = one.socket.send(local, remote, data) {
            self.unsent += 1;
            tracing::trace!(%local, %remote, %error, "datagram not sent");
        }
    }

    /// Datagrams that the system did not take.
    pub(crate) const fn unsent(&self) -> u64 {
        self.unsent
    }

    /// The next arrival; waits for ever if there is no socket.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        match self.arrivals.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await, // not while we hold a sender
        }
    }

    /// An arrival that is here already.
    pub(crate) fn try_arrival(&mut self) -> Option<Arrival> {
        self.arrivals.try_recv().ok()
    }
}

/// Reads one socket until it fails or its owner has enough.
async fn read(id: SocketId, socket: Arc<Socket>, arrivals: mpsc::Sender<Arrival>) {
    let mut buffers = Buffers::default();
    loop {
        let arrival = match socket.receive(&mut buffers).await {
            Ok(datagrams) if datagrams.is_empty() => continue,
            Ok(datagrams) => Arrival::Datagrams(id, datagrams),
            // Somebody answered "nobody here" to what we sent: of no meaning for the socket.
            Err(error) if is_of_one_remote(&error) => continue,
            Err(error) => Arrival::Failed(id, error),
        };
        let failed = matches!(arrival, Arrival::Failed(..));
        if arrivals.send(arrival).await.is_err() || failed {
            return;
        }
    }
}

/// Whether an error of a socket concerns one of those we sent to, and not the socket.
pub(crate) fn is_of_one_remote(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionReset | HostUnreachable | Interrupted | NetworkUnreachable
    )
}
