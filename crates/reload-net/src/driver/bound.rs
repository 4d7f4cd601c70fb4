//! The sockets of a node before it runs: TCP and UDP on the same port (E52).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reload_node::Start;
use tokio::sync::{broadcast, mpsc, watch};

use super::handle::{COMMANDS, EVENTS};
use super::{CryptoPool, Driven, Driver, NodeHandle, Settings};
use crate::error::NetError;
use crate::listener::Listener;
use crate::tls::TlsIdentity;
use crate::udp::Socket;

/// Tries to find a port that is free for both.
const TRIES: usize = 32;

/// Everything a node needs before it runs: it listens already, and accepts nobody yet.
#[derive(Debug)]
pub struct Bound {
    pub(super) settings: Settings,
    pub(super) listeners: Vec<Listener>,
    pub(super) sockets: Vec<Socket>,
    pub(super) identity: TlsIdentity,
    pub(super) pool: CryptoPool,
}

impl Bound {
    /// Binds every address of [`Settings::listen`].
    ///
    /// # Errors
    /// One of them is in use or not ours.
    pub async fn new(
        settings: Settings,
        identity: TlsIdentity,
        pool: CryptoPool,
    ) -> Result<Self, NetError> {
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        for address in &settings.listen {
            let (listener, socket) = bind(*address, &settings).await?;
            listeners.extend(listener);
            sockets.extend(socket);
        }
        Ok(Self { settings, listeners, sockets, identity, pool })
    }

    /// The real addresses, also after port 0.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<_> = self.listeners.iter().map(Listener::address).collect();
        for bound in self.sockets.iter().map(Socket::bound) {
            if !addresses.contains(&bound) {
                addresses.push(bound);
            }
        }
        addresses
    }

    /// Accepts connections and runs `node`, which sets out for the overlay.
    #[must_use]
    pub fn run<N: Driven>(self, node: N, start: Start) -> NodeHandle<N> {
        let listening: Arc<[SocketAddr]> = self.listening().into();
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (stopped, stopped_receiver) = watch::channel(false);
        let events = broadcast::Sender::new(EVENTS);
        let handle = NodeHandle {
            commands,
            events: events.downgrade(),
            stopped: stopped_receiver,
            node_id: node.node_id(),
            listening: Arc::clone(&listening),
        };
        let driver = Driver::new(self, node, events, command_queue, listening);
        tokio::spawn(async move {
            driver.run(start).await;
            stopped.send_replace(true);
        });
        handle
    }
}

/// Binds one address for whatever is wanted of TCP and UDP; both get the same port.
async fn bind(
    address: SocketAddr,
    settings: &Settings,
) -> Result<(Option<Listener>, Option<Socket>), NetError> {
    let mut tries = TRIES;
    loop {
        let listener = if settings.tcp { Some(Listener::bind(address).await?) } else { None };
        if !settings.udp {
            return Ok((listener, None));
        }
        let with_port = listener.as_ref().map_or(address, Listener::address);
        match Socket::bind(with_port) {
            Ok(socket) => return Ok((listener, Some(socket))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tries -= 1;
                if address.port() != 0 || tries == 0 {
                    return Err(NetError::InUse { address: with_port });
                }
            }
            Err(source) => return Err(NetError::Listen { address: with_port, source }),
        }
    }
}
