//! What strangers can take is bounded, and comes back.

use std::time::Duration;

use reload_net::{AcceptLimits, Bound, CryptoPool, NetError, Refused, Settings, dial};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::kit::{Door, Overlay, PATIENCE, soon};
use crate::nodes::Running;

/// Whether the other side closes without a word.
async fn is_closed(stream: &mut TcpStream) -> bool {
    !matches!(soon(stream.read(&mut [0; 16])).await, Ok(1..))
}

#[tokio::test]
async fn half_open_connections_have_a_cap_and_their_places_come_back() {
    let overlay = Overlay::new();
    let limits = AcceptLimits { half_open: 2, ..AcceptLimits::default() };
    let mut door = Door::open(overlay.identity(&overlay.node()), limits).await.unwrap();
    let first = TcpStream::connect(door.address).await.unwrap();
    let _second = TcpStream::connect(door.address).await.unwrap();
    let mut third = TcpStream::connect(door.address).await.unwrap();
    assert!(is_closed(&mut third).await);
    assert_eq!(door.gate.refused(), Refused { half_open: 1, of_address: 0 });
    drop(first);
    let client = overlay.identity(&overlay.node());
    let deadline = Instant::now() + PATIENCE;
    // The place is free once the door has seen the end of the first.
    while dial(&client, door.address, None, deadline).await.is_err() {}
    door.accepted().await;
}

#[tokio::test]
async fn a_handshake_has_a_time() {
    let overlay = Overlay::new();
    let handshake = Duration::from_millis(200);
    let limits = AcceptLimits { handshake, ..AcceptLimits::default() };
    let door = Door::open(overlay.identity(&overlay.node()), limits).await.unwrap();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(door.address).await.unwrap();
    assert!(is_closed(&mut silent).await);
    assert!(begun.elapsed() >= handshake);
}

#[tokio::test]
async fn one_address_cannot_take_all_handshakes() {
    let overlay = Overlay::new();
    let identity = overlay.identity(&overlay.node());
    let limits = AcceptLimits { half_open_per_address: 1, ..AcceptLimits::default() };
    let door = Door::open(identity, limits).await.unwrap();
    let _first = TcpStream::connect(door.address).await.unwrap();
    let mut second = TcpStream::connect(door.address).await.unwrap();
    assert!(is_closed(&mut second).await);
    assert_eq!(door.gate.refused(), Refused { half_open: 1, of_address: 0 });
}

#[tokio::test]
async fn one_address_cannot_take_all_links() {
    let overlay = Overlay::new();
    let identity = overlay.identity(&overlay.node());
    let limits = AcceptLimits { per_address: 1, ..AcceptLimits::default() };
    let mut node = Running::start_limited(identity, limits).await;
    let first = crate::raw::member(&overlay, node.address()).await;
    let link = node.up().await;
    let mut second = TcpStream::connect(node.address()).await.unwrap();
    assert!(is_closed(&mut second).await);
    let refused = soon(node.handle.snapshot()).await.unwrap().connections_refused;
    assert_eq!(refused, Refused { half_open: 0, of_address: 1 });
    drop(first);
    node.down(link).await;
    let client = overlay.identity(&overlay.node());
    let deadline = Instant::now() + PATIENCE;
    while dial(&client, node.address(), None, deadline).await.is_err() {}
    node.up().await;
}

#[tokio::test]
async fn a_full_connection_table_refuses_both_ways() {
    let overlay = Overlay::new();
    let settings =
        Settings { listen: vec![crate::kit::loopback()], links: 1, ..Settings::default() };
    let mut node = Running::start_with(overlay.identity(&overlay.node()), settings).await;
    let _first = crate::raw::member(&overlay, node.address()).await;
    node.up().await;
    let mut second = crate::raw::member(&overlay, node.address()).await;
    assert!(matches!(soon(second.stream.read(&mut [0; 16])).await, Ok(0) | Err(_)));
    let link = node.dial(node.address()).await;
    assert_eq!(node.down(link).await, "too many links");
}

#[tokio::test]
async fn an_address_in_use_is_one_clear_line_and_port_0_tells_the_real_one() {
    let overlay = Overlay::new();
    let node = Running::start(overlay.identity(&overlay.node())).await;
    assert_ne!(node.address().port(), 0);
    let settings = Settings { listen: vec![node.address()], ..Settings::default() };
    let pool = CryptoPool::new(1).unwrap();
    let error = Bound::new(settings, overlay.identity(&overlay.node()), pool).await.unwrap_err();
    assert!(matches!(error, NetError::InUse { .. }));
    let text = error.to_string();
    assert!(text.starts_with(&format!("{} is in use", node.address())), "{text}");
}
