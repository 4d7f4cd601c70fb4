//! Links that are up: messages both ways, ends of every kind, peers that read slowly or not at all.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_net::Authenticated;
use reload_node::{LinkEvent, Output};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{Overlay, bytes, frame, soon};
use crate::nodes::{MAX_MESSAGE, Running};
use crate::raw::member;

async fn node(overlay: &Overlay) -> Running {
    Running::start(overlay.identity(&overlay.node())).await
}

async fn write(peer: &mut Authenticated, bytes: &[u8]) {
    soon(peer.stream.write_all(bytes)).await.unwrap();
    soon(peer.stream.flush()).await.unwrap();
}

async fn read<const N: usize>(peer: &mut Authenticated) -> [u8; N] {
    let mut bytes = [0; N];
    soon(peer.stream.read_exact(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn messages_go_both_ways_and_the_round_trip_is_measured() {
    let overlay = Overlay::new();
    let (mut left, mut right) = (node(&overlay).await, node(&overlay).await);
    let out = left.dial(right.address()).await;
    let inward = right.up().await;
    assert!(inward.is_accepted() && !out.is_accepted());
    left.send(out, bytes("there")).await;
    assert_eq!(right.message(inward).await, "there");
    right.send(inward, bytes("and back")).await;
    assert_eq!(left.message(out).await, "and back");
    let snapshot = soon(left.handle.snapshot()).await.unwrap();
    let link = &snapshot.links[0];
    assert_eq!((link.remote, link.dialled, link.protocol), (right.address(), true, "TLSv1.3"));
    assert_eq!(link.stats.counters.frames_sent, 1);
    assert_eq!(link.stats.rto, reload_link::MIN_RTO, "the ACK came before the answer");
}

#[tokio::test]
async fn what_was_sent_before_a_close_arrives_and_no_event_follows() {
    let overlay = Overlay::new();
    let (mut left, mut right) = (node(&overlay).await, node(&overlay).await);
    let out = left.dial(right.address()).await;
    assert!(matches!(left.event(out).await, LinkEvent::Up { .. }));
    let inward = right.up().await;
    for number in 0..100_u32 {
        left.output(Output::Send(out, Bytes::copy_from_slice(&number.to_be_bytes()))).await;
    }
    left.output(Output::Close(out)).await;
    for number in 0..100_u32 {
        assert_eq!(right.message(inward).await, &number.to_be_bytes()[..]);
    }
    let reason = right.down(inward).await;
    assert!(reason.starts_with("closed by 127.0.0.1:"), "{reason}");
    assert!(soon(left.handle.snapshot()).await.unwrap().links.is_empty());
}

#[tokio::test]
async fn a_reset_is_a_down_with_what_was_not_acknowledged() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let peer = member(&overlay, node.address()).await;
    let link = node.up().await;
    node.send(link, bytes("in vain")).await;
    let (tcp, _) = peer.stream.get_ref();
    tcp.set_zero_linger().unwrap();
    drop(peer);
    let LinkEvent::Down { reason, unacknowledged } = node.event(link).await else { panic!("down") };
    assert!(reason.contains("reset by the other side"), "{reason}");
    assert_eq!(unacknowledged, ["in vain"]);
}

// R6940-13.2-01
#[tokio::test]
async fn noise_closes_the_link() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let mut peer = member(&overlay, node.address()).await;
    let link = node.up().await;
    write(&mut peer, b"GET / HTTP/1.1\r\n\r\n").await;
    let reason = node.down(link).await;
    assert!(reason.ends_with("broke the framing: unknown frame type 71"), "{reason}");
}

// R6940-6.6-01
#[tokio::test]
async fn a_message_too_large_is_told_from_its_header_answered_and_closed() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let mut peer = member(&overlay, node.address()).await;
    let link = node.up().await;
    let mut start = frame(0, &header(MAX_MESSAGE + 1));
    start[5..8].copy_from_slice(&(MAX_MESSAGE + 1).to_be_bytes()[1..]);
    write(&mut peer, &start).await;
    let LinkEvent::TooLarge(header) = node.event(link).await else { panic!("told") };
    assert_eq!(header.transaction_id.0, 0x1122_3344_5566_7788);
    // The peer is still writing its body when the answer and the close come.
    node.send(link, bytes("too large")).await;
    node.output(Output::Close(link)).await;
    write(&mut peer, &vec![0; 5000]).await;
    assert_eq!(read::<17>(&mut peer).await, *frame(0, b"too large"));
    assert!(matches!(soon(peer.stream.read(&mut [0; 16])).await, Ok(0)), "a close, not a reset");
}

/// A forwarding header by hand (section 6.3.2): one destination, a node.
fn header(length: u32) -> Vec<u8> {
    let mut header = vec![0xd2, 0x45, 0x4c, 0x4f, 0, 0, 0, 1, 0, 1, 0x0a, 100, 0xc0, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0]);
    header.extend([1, 16]);
    header.extend([9; 16]);
    header
}

// R6940-6.6.2-06
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acks_come_though_the_node_is_stuck() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let mut peer = member(&overlay, node.address()).await;
    let link = node.up().await;
    // The tasks of the link run by now, each on whatever thread is free.
    write(&mut peer, &frame(8, b"w")).await;
    assert_eq!(read::<9>(&mut peer).await, [129, 0, 0, 0, 8, 0, 0, 0, 0]);
    assert_eq!(node.message(link).await, "w");
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (stuck, is_stuck) = tokio::sync::oneshot::channel();
    let handle = node.handle.clone();
    let call = tokio::spawn(async move {
        let block = move |_: &mut _, _| {
            let _ = stuck.send(());
            let _ = wait.recv();
        };
        handle.with(block).await
    });
    soon(is_stuck).await.unwrap();
    write(&mut peer, &frame(9, b"x")).await;
    assert_eq!(read::<9>(&mut peer).await, [129, 0, 0, 0, 9, 0, 0, 0, 2]);
    release.send(()).unwrap();
    soon(call).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_failing_and_its_messages_come_back() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let _peer = member(&overlay, node.address()).await;
    let link = node.up().await;
    let begun = Instant::now();
    for _ in 0..2000 {
        node.send(link, vec![0; 5000]).await;
    }
    let LinkEvent::Failing { unacknowledged } = node.event(link).await else { panic!("failing") };
    assert!(begun.elapsed() >= Duration::from_secs(1), "the RTO without a measurement");
    assert!(!unacknowledged.is_empty());
    let stats = soon(node.handle.snapshot()).await.unwrap().links[0].stats;
    assert!(stats.counters.messages_refused > 0, "a bounded queue: {stats:?}");
    assert!(stats.unacknowledged <= 1024);
}

#[tokio::test]
async fn a_peer_that_floods_and_reads_no_acks_starves_neither_timers_nor_others() {
    let overlay = Overlay::new();
    let mut node = node(&overlay).await;
    let mut flooder = member(&overlay, node.address()).await;
    node.up().await;
    let mut reader = member(&overlay, node.address()).await;
    node.up().await;
    node.with(|puppet| (puppet.echo, puppet.report) = (true, false)).await;
    let flood = tokio::spawn(async move {
        let burst: Vec<u8> = (0..200).flat_map(|number| frame(number, &[0; 100])).collect();
        while flooder.stream.write_all(&burst).await.is_ok() {}
    });
    let due = Instant::now() + Duration::from_millis(300);
    node.with(move |puppet| puppet.deadline = Some(due)).await;
    for number in 0..20 {
        write(&mut reader, &frame(number, b"quiet")).await;
        // Its ACK, then its echo.
        assert_eq!(
            read::<9>(&mut reader).await[..5],
            [129, 0, 0, 0, u8::try_from(number).unwrap()]
        );
        assert_eq!(read::<13>(&mut reader).await, *frame(number, b"quiet"));
    }
    let fired = async {
        loop {
            if let Some(at) = node.with(|puppet| puppet.timeouts.first().copied()).await {
                return at;
            }
        }
    };
    let late = soon(fired).await.saturating_duration_since(due);
    assert!(late < Duration::from_millis(500), "a timer was {late:?} late");
    flood.abort();
}

#[tokio::test]
async fn leaving_closes_the_links_in_good_order() {
    let overlay = Overlay::new();
    let (mut left, mut right) = (node(&overlay).await, node(&overlay).await);
    let out = left.dial(right.address()).await;
    assert!(matches!(left.event(out).await, LinkEvent::Up { .. }));
    let inward = right.up().await;
    left.send(out, bytes("farewell")).await;
    soon(left.handle.shutdown()).await;
    assert_eq!(right.message(inward).await, "farewell");
    assert!(right.down(inward).await.starts_with("closed by "));
    assert!(left.handle.snapshot().await.is_err(), "stopped");
}

#[tokio::test]
async fn a_node_that_never_finishes_leaving_is_stopped_all_the_same() {
    let overlay = Overlay::new();
    let settings = reload_net::Settings {
        leave: Duration::from_millis(100),
        ..reload_net::Settings::default()
    };
    let node = Running::start_with(overlay.identity(&overlay.node()), settings).await;
    node.with(|puppet| puppet.leave_at_once = false).await;
    soon(node.handle.shutdown()).await;
}
