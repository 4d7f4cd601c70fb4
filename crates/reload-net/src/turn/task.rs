//! The task of a TURN service: feeds it what comes to its sockets, and does what it puts out. Nothing
//! waits here: what the system does not take at once is lost, as on any way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reload_ice::{DatagramKind, RelaySocket, TurnOutput, TurnService, answer_binding, kind_of};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::{TurnSettings, TurnStatus};
use crate::udp::{Buffers, Datagram, Socket, is_of_one_remote};

/// Batches of the relaying sockets that wait for the task; their readers wait beyond.
const WAITING: usize = 64;
/// How long a socket that cannot be read is left alone.
const PAUSE: Duration = Duration::from_millis(100);

/// What a handle asks.
#[derive(Debug)]
pub(super) enum Command {
    AddUser { name: String, password: String, lifetime: Duration, sender: oneshot::Sender<bool> },
    Status(oneshot::Sender<TurnStatus>),
}

/// Datagrams that came to a relaying socket.
type Relayed = (RelaySocket, Vec<Datagram>);

/// The task.
#[derive(Debug)]
pub(super) struct Task {
    service: TurnService,
    socket: Socket,
    relays: BTreeMap<RelaySocket, Relay>,
    sender: mpsc::Sender<Relayed>,
    relayed: mpsc::Receiver<Relayed>,
    commands: mpsc::Receiver<Command>,
    counted: TurnStatus,
}

/// A relaying socket and its reader.
#[derive(Debug)]
struct Relay {
    socket: Arc<Socket>,
    reader: AbortHandle,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What ended the wait.
enum Input {
    Timer,
    Command(Option<Command>),
    Clients(std::io::Result<Vec<Datagram>>),
    Peers(Relayed),
}

impl Task {
    pub(super) fn new(
        socket: Socket,
        settings: TurnSettings,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let TurnSettings { realm, quotas, .. } = settings;
        let now = Instant::now();
        let service = TurnService::new(now, socket.bound(), &realm, quotas, rand::random());
        let (sender, relayed) = mpsc::channel(WAITING);
        Self {
            service,
            socket,
            relays: BTreeMap::new(),
            sender,
            relayed,
            commands,
            counted: TurnStatus::default(),
        }
    }

    /// Serves until the last handle is gone.
    pub(super) async fn run(mut self) {
        let mut buffers = Buffers::default();
        loop {
            // Not biased: whoever floods one of these starves none of the others.
            let input = tokio::select! {
                () = until(self.service.next_timeout()) => Input::Timer,
                command = self.commands.recv() => Input::Command(command),
                datagrams = self.socket.receive(&mut buffers) => Input::Clients(datagrams),
                Some(relayed) = self.relayed.recv() => Input::Peers(relayed),
            };
            match input {
                Input::Timer => self.service.handle_timeout(Instant::now()),
                Input::Command(Some(command)) => self.on_command(command),
                Input::Command(None) => return,
                Input::Clients(Ok(datagrams)) => self.on_clients(&datagrams),
                Input::Clients(Err(error)) if is_of_one_remote(&error) => {}
                Input::Clients(Err(error)) => {
                    tracing::warn!(%error, "the socket of the TURN service can't be read");
                    tokio::time::sleep(PAUSE).await;
                }
                Input::Peers((relay, datagrams)) => self.on_peers(relay, &datagrams),
            }
            self.drain();
            // A flooded service still leaves its thread to others now and then.
            tokio::task::consume_budget().await;
        }
    }

    fn on_command(&mut self, command: Command) {
        // Whoever asked may have gone away.
        match command {
            Command::AddUser { name, password, lifetime, sender } => {
                let now = Instant::now();
                let _ = sender.send(self.service.add_user(now, &name, &password, lifetime));
            }
            Command::Status(sender) => {
                let (users, allocations) = (self.service.users(), self.service.allocations());
                let _ = sender.send(TurnStatus { users, allocations, ..self.counted });
            }
        }
    }

    /// As every peer, it answers plain Binding requests too (RFC 8656 section 5).
    fn on_clients(&mut self, datagrams: &[Datagram]) {
        let now = Instant::now();
        for Datagram { remote, data, .. } in datagrams {
            if self.service.accepts(*remote, data) {
                self.service.handle_datagram(now, *remote, data);
                self.drain();
                continue;
            }
            match answer_binding(data, *remote) {
                Some(answer) => self.send_to_client(*remote, &answer),
                None => self.counted.dropped += 1,
            }
        }
    }

    fn on_peers(&mut self, relay: RelaySocket, datagrams: &[Datagram]) {
        let now = Instant::now();
        for Datagram { remote, data, .. } in datagrams {
            self.service.handle_relay_datagram(now, relay, *remote, data);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.service.poll_output() {
            match output {
                TurnOutput::AllocateSocket(relay) => self.allocate(relay),
                TurnOutput::CloseSocket(relay) => drop(self.relays.remove(&relay)),
                TurnOutput::ToClient { remote, data } => {
                    let relays =
                        kind_of(&data) == DatagramKind::ChannelData || is_indication(&data);
                    if relays {
                        self.counted.bytes_to_clients += length(&data);
                    }
                    self.send_to_client(remote, &data);
                }
                TurnOutput::ToPeer { socket, remote, data } => {
                    self.send_to_peer(socket, remote, &data)
                }
            }
        }
    }

    fn allocate(&mut self, relay: RelaySocket) {
        let address = SocketAddr::new(self.service.address().ip(), 0);
        let bound = match Socket::bind(address) {
            Ok(socket) => {
                let (bound, socket) = (socket.bound(), Arc::new(socket));
                let reader = tokio::spawn(read(relay, Arc::clone(&socket), self.sender.clone()));
                self.relays.insert(relay, Relay { socket, reader: reader.abort_handle() });
                Some(bound)
            }
            Err(error) => {
                tracing::warn!(%error, "no socket for an allocation");
                None
            }
        };
        self.service.handle_allocated(Instant::now(), relay, bound);
    }

    fn send_to_client(&mut self, remote: SocketAddr, data: &[u8]) {
        let local = self.socket.bound().ip();
        if self.socket.send(local, remote, data).is_err() {
            self.counted.dropped += 1;
        }
    }

    fn send_to_peer(&mut self, relay: RelaySocket, remote: SocketAddr, data: &[u8]) {
        let Some(Relay { socket, .. }) = self.relays.get(&relay) else { return };
        match socket.send(socket.bound().ip(), remote, data) {
            Ok(()) => self.counted.bytes_to_peers += length(data),
            Err(_) => self.counted.dropped += 1,
        }
    }
}

/// A Data indication: the one indication that a TURN server sends (RFC 8656 section 11.6).
fn is_indication(data: &[u8]) -> bool {
    data.starts_with(&[0x00, 0x17])
}

fn length(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

/// Reads a relaying socket until its allocation ends.
async fn read(relay: RelaySocket, socket: Arc<Socket>, sender: mpsc::Sender<Relayed>) {
    let mut buffers = Buffers::default();
    loop {
        match socket.receive(&mut buffers).await {
            Ok(datagrams) if datagrams.is_empty() => {}
            Ok(datagrams) => {
                if sender.send((relay, datagrams)).await.is_err() {
                    return;
                }
            }
            Err(error) if is_of_one_remote(&error) => {}
            Err(error) => {
                tracing::debug!(%error, "a relaying socket can't be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
