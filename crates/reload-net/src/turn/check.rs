//! Whether the TURN server of another node can be reached by UDP from here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use reload_ice::StunClient;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Time for a few tries.
const PATIENCE: Duration = Duration::from_secs(4);
/// The next try at the latest.
const TRY: Duration = Duration::from_millis(500);

/// Whether a server answers a plain Binding request, as TURN servers do (RFC 8656 section 5). Asked
/// from a socket of its own, for four seconds.
pub async fn turn_answers(server: SocketAddr) -> bool {
    // An answer that can't be had for want of a socket is none.
    ask(server).await.unwrap_or(false)
}

async fn ask(server: SocketAddr) -> std::io::Result<bool> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    let (local, start, mut buffer) = (socket.local_addr()?, Instant::now(), [0; 1500]);
    let mut client = StunClient::new(start, local, server, 2 * PATIENCE, rand::random());
    while client.mapped().is_none() && start.elapsed() < PATIENCE {
        let now = Instant::now();
        client.handle_timeout(now);
        while let Some(question) = client.poll_transmit() {
            // "Nobody there" may be told of an earlier one; the next try tells.
            let _ = socket.send(&question.data).await;
        }
        let wait = client.next_timeout().map_or(TRY, |at| at.saturating_duration_since(now));
        let wait = wait.clamp(Duration::from_millis(10), TRY);
        match timeout(wait, socket.recv(&mut buffer)).await {
            Ok(Ok(size)) => client.handle_datagram(Instant::now(), local, server, &buffer[..size]),
            Ok(Err(_)) => tokio::time::sleep(wait).await,
            Err(_) => {}
        }
    }
    Ok(client.mapped().is_some())
}
