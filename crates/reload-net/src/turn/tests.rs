//! The TURN service on loopback: our own client, coturn's, and what it refuses.

use std::time::Instant;

use bytes::Bytes;
use reload_ice::{Relays, TurnLogin};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

fn settings(listen: &str) -> TurnSettings {
    TurnSettings::new(listen.parse().unwrap(), "overlay.example.org")
}

async fn server(settings: TurnSettings) -> TurnServer {
    let server = TurnServer::start(settings).unwrap();
    assert!(server.add_user("alice".to_owned(), "wonderland".to_owned(), HOUR).await);
    server
}

/// A client: a socket and what it has at the server.
struct Client {
    socket: UdpSocket,
    local: SocketAddr,
    relays: Relays,
}

impl Client {
    async fn new(server: &TurnServer, password: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let local = socket.local_addr().unwrap();
        let mut relays = Relays::new(Instant::now());
        let (username, password) = ("alice".to_owned(), password.to_owned());
        let login = TurnLogin { server: server.address(), username, password };
        assert!(relays.allocate(Instant::now(), &login, local));
        Self { socket, local, relays }
    }

    /// Plays for a while; what peers sent meanwhile.
    async fn play(&mut self) -> Vec<Bytes> {
        let end = Instant::now() + Duration::from_millis(100);
        self.until(|_, _| Instant::now() > end).await
    }

    /// Plays until this is so; what peers sent meanwhile.
    async fn until(&mut self, done: impl Fn(&Relays, &[Bytes]) -> bool) -> Vec<Bytes> {
        let (mut buffer, mut got, end) = (vec![0; 2048], Vec::new(), Instant::now() + PATIENCE);
        loop {
            while let Some(it) = self.relays.poll_transmit() {
                self.socket.send_to(&it.data, it.remote).await.unwrap();
            }
            if done(&self.relays, &got) {
                return got;
            }
            assert!(Instant::now() < end, "it takes too long: {got:?}");
            let wait = Duration::from_millis(20);
            if let Ok(Ok((size, from))) = timeout(wait, self.socket.recv_from(&mut buffer)).await {
                let now = Instant::now();
                let arrived = self.relays.handle_datagram(now, self.local, from, &buffer[..size]);
                got.extend(arrived.map(|it| it.data));
            }
            self.relays.handle_timeout(Instant::now());
        }
    }

    async fn relayed(&mut self) -> SocketAddr {
        self.until(|relays, _| !relays.pending()).await;
        self.relays.relayed()[0].address
    }
}

// R6940-9-08
#[tokio::test]
async fn two_clients_reach_each_other_by_their_relayed_addresses() {
    let server = server(settings("127.0.0.1:0")).await;
    let mut one = Client::new(&server, "wonderland").await;
    let mut two = Client::new(&server, "wonderland").await;
    let (ours, theirs) = (one.relayed().await, two.relayed().await);
    assert_eq!(ours.ip(), server.address().ip());
    let now = Instant::now();
    one.relays.send(now, ours, theirs, Bytes::from_static(b"too early"));
    two.relays.send(now, theirs, ours, Bytes::from_static(b"permits it"));
    let hello = Bytes::from_static(b"hello");
    let end = Instant::now() + PATIENCE;
    let mut got: Vec<Bytes> = Vec::new();
    while !got.contains(&hello) {
        assert!(Instant::now() < end);
        one.relays.send(Instant::now(), ours, theirs, hello.clone());
        one.play().await;
        got.extend(two.play().await);
    }
    let status = server.status().await.unwrap();
    assert_eq!((status.users, status.allocations), (1, 2));
    assert!(status.bytes_to_peers >= 5 && status.bytes_to_clients >= 5, "{status:?}");
}

#[tokio::test]
async fn allocations_that_are_given_back_close_their_sockets() {
    let server = server(settings("127.0.0.1:0")).await;
    let mut client = Client::new(&server, "wonderland").await;
    let relayed = client.relayed().await;
    assert!(UdpSocket::bind(relayed).await.is_err(), "it is open");
    client.relays.release(Instant::now(), None);
    let end = Instant::now() + PATIENCE;
    while server.status().await.unwrap().allocations > 0 || UdpSocket::bind(relayed).await.is_err()
    {
        assert!(Instant::now() < end, "{:?}", server.status().await);
        client.play().await;
    }
}

#[tokio::test]
async fn nothing_is_allocated_without_a_login() {
    let server = server(settings("127.0.0.1:0")).await;
    let mut client = Client::new(&server, "guessed").await;
    client.until(|relays, _| !relays.pending()).await;
    assert!(client.relays.relayed().is_empty());
    assert_eq!(server.status().await.unwrap().allocations, 0);
}

#[tokio::test]
async fn it_tells_anybody_how_it_sees_them() {
    let server = server(settings("127.0.0.1:0")).await;
    assert!(turn_answers(server.address()).await);
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let silent_address = silent.local_addr().unwrap();
    let (silence, nobody) = tokio::join!(turn_answers(silent_address), turn_answers(closed));
    assert!(!silence && !nobody);
}

#[tokio::test]
async fn it_ends_with_its_last_handle() {
    let server = server(settings("127.0.0.1:0")).await;
    let address = server.address();
    assert!(TurnServer::start(settings(&address.to_string())).is_err(), "the port is taken");
    drop(server);
    let end = Instant::now() + PATIENCE;
    while UdpSocket::bind(address).await.is_err() {
        assert!(Instant::now() < end);
        tokio::task::yield_now().await;
    }
}

/// coturn's own client, and a peer that sends everything back.
#[tokio::test]
async fn the_client_of_coturn_relays_through_it() {
    let server = server(settings("127.0.0.1:0")).await;
    let port = server.address().port().to_string();
    let echo = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = echo.local_addr().unwrap().port().to_string();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((size, from)) = echo.recv_from(&mut buffer).await {
            echo.send_to(&buffer[..size], from).await.unwrap();
        }
    });
    // Now and then it asks for a pair of ports, which is refused here; it is thrown for each start.
    let mut said = String::new();
    for _ in 0..12 {
        let Some((good, output)) = coturn_client(&port, &peer).await else { return };
        said = output;
        assert!(good || said.contains("508"), "{said}");
        if good {
            break;
        }
    }
    assert!(said.contains("Total lost packets 0"), "{said}");
    let status = server.status().await.unwrap();
    assert!(status.bytes_to_peers >= 20 * 200, "{status:?}");
}

/// Whether coturn's client ended well, and what it said; none if there is no coturn here.
async fn coturn_client(port: &str, peer: &str) -> Option<(bool, String)> {
    let mut client = tokio::process::Command::new("turnutils_uclient");
    client.args(["-c", "-s", "-m", "1", "-n", "20", "-l", "200", "-e", "127.0.0.1", "-r", peer]);
    client.args(["-p", port, "-u", "alice", "-w", "wonderland", "127.0.0.1"]);
    client.kill_on_drop(true);
    let output = match timeout(Duration::from_secs(60), client.output()).await.unwrap() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let said = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), said))
}

#[tokio::test]
async fn it_relays_to_loopback_only_from_loopback_and_never_serves_at_any() {
    let quotas = |at: &str| settings(at).quotas;
    assert!(quotas("127.0.0.1:0").allow_loopback && !quotas("127.0.0.1:0").allow_private);
    assert!(!quotas("198.51.100.1:0").allow_loopback && !quotas("198.51.100.1:0").allow_private);
    assert!(!quotas("10.0.0.1:0").allow_loopback && quotas("10.0.0.1:0").allow_private);
    assert!(TurnServer::start(settings("0.0.0.0:0")).is_err());
}
