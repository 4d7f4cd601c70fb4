//! The TURN service of a peer (section 9, RFC 8656): one task with a UDP socket of its own, and one
//! more socket for each allocation. What a request may have, `reload-ice` decides; who gets a login,
//! the usage of the peer.

mod check;
mod task;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reload_ice::TurnQuotas;
use tokio::sync::{mpsc, oneshot};

pub use check::turn_answers;

use crate::error::NetError;
use crate::udp::Socket;
use task::{Command, Task};

/// Commands that wait for the task; callers wait beyond.
const COMMANDS: usize = 64;

/// What a TURN service depends on.
#[derive(Clone, Debug)]
pub struct TurnSettings {
    /// Where clients reach it, no "any": it is told to others as it is. Port 0 takes a free one. The
    /// relayed addresses have the same IP address.
    pub listen: SocketAddr,
    /// The realm of its logins: the name of the overlay.
    pub realm: String,
    /// What users may use.
    pub quotas: TurnQuotas,
}

impl TurnSettings {
    /// The usual quotas. It relays to loopback only if it is on loopback itself, and to private
    /// addresses only if it has one itself: nobody gets behind a public address through it.
    #[must_use]
    pub fn new(listen: SocketAddr, realm: &str) -> Self {
        let quotas = TurnQuotas {
            allow_loopback: listen.ip().is_loopback(),
            allow_private: is_private(listen.ip()),
            // One for the overlay, one for each connection of an application.
            allocations_per_user: 8,
            ..TurnQuotas::default()
        };
        Self { listen, realm: realm.to_owned(), quotas }
    }
}

/// A running TURN service. It stops when the last clone is gone.
#[derive(Clone, Debug)]
pub struct TurnServer {
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
}

/// A TURN service at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnStatus {
    /// Logins that hold.
    pub users: usize,
    /// Allocations.
    pub allocations: usize,
    /// Bytes that went from clients to their peers since the start.
    pub bytes_to_peers: u64,
    /// Bytes that went from peers to clients since the start, with the headers of TURN.
    pub bytes_to_clients: u64,
    /// Datagrams that were no request and belonged to no allocation, or that the system did not take.
    pub dropped: u64,
}

impl TurnServer {
    /// Binds the socket and serves, without users.
    ///
    /// # Errors
    /// [`NetError::Listen`]: the address is in use, not ours, or "any".
    pub fn start(settings: TurnSettings) -> Result<Self, NetError> {
        let listen = settings.listen;
        let failed = |source| NetError::Listen { address: listen, source };
        if listen.ip().is_unspecified() {
            return Err(failed(std::io::ErrorKind::AddrNotAvailable.into()));
        }
        let socket = Socket::bind(listen).map_err(failed)?;
        let address = socket.bound();
        let (commands, queue) = mpsc::channel(COMMANDS);
        tokio::spawn(Task::new(socket, settings, queue).run());
        Ok(Self { address, commands })
    }

    /// Where clients reach it, with the real port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets a user in for a time; a known one gets the new password and time. `false` if there are
    /// too many, or the service has ended.
    pub async fn add_user(&self, name: String, password: String, lifetime: Duration) -> bool {
        let (sender, added) = oneshot::channel();
        let command = Command::AddUser { name, password, lifetime, sender };
        self.commands.send(command).await.is_ok() && added.await.unwrap_or(false)
    }

    /// What it does now; nothing if it has ended.
    pub async fn status(&self) -> Option<TurnStatus> {
        let (sender, status) = oneshot::channel();
        self.commands.send(Command::Status(sender)).await.ok()?;
        status.await.ok()
    }
}

/// Of a network that is not the Internet: RFC 1918, RFC 4193, RFC 6598.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}
