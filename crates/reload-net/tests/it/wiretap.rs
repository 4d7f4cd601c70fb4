//! Somebody on the way between two nodes: what he reads is no message, and what he changes, drops or
//! repeats is noticed (section 6.6.1).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use reload_node::LinkEvent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::{Overlay, bytes, loopback};
use crate::nodes::Running;

/// What he does to the bytes from the dialling side, once he is told to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Listen,
    Flip,
    Repeat,
    Drop,
}

struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    deed: Arc<Mutex<Deed>>,
}

impl Tap {
    async fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, deed) = (Arc::default(), Arc::new(Mutex::new(Deed::Listen)));
        let tap = Self { address, seen: Arc::clone(&seen), deed: Arc::clone(&deed) };
        tokio::spawn(async move {
            let (from, _) = listener.accept().await.unwrap();
            let to = TcpStream::connect(target).await.unwrap();
            let ((from_read, from_write), (to_read, to_write)) =
                (from.into_split(), to.into_split());
            tokio::spawn(pass(from_read, to_write, Arc::clone(&seen), deed));
            pass(to_read, from_write, seen, Arc::new(Mutex::new(Deed::Listen))).await;
        });
        tap
    }

    fn saw(&self, text: &[u8]) -> bool {
        self.seen.lock().unwrap().windows(text.len()).any(|part| part == text)
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    seen: Arc<Mutex<Vec<u8>>>,
    deed: Arc<Mutex<Deed>>,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let part = &mut buffer[..count];
        seen.lock().unwrap().extend_from_slice(part);
        let deed = std::mem::replace(&mut *deed.lock().unwrap(), Deed::Listen);
        if deed == Deed::Flip {
            part[count - 1] ^= 1;
        }
        let times = match deed {
            Deed::Drop => 0,
            Deed::Repeat => 2,
            Deed::Listen | Deed::Flip => 1,
        };
        for _ in 0..times {
            if to.write_all(part).await.is_err() {
                return;
            }
        }
    }
}

// R6940-6.6.1-03, R6940-13.2-01
#[tokio::test]
async fn who_listens_reads_no_message() {
    let overlay = Overlay::new();
    let mut left = Running::start(overlay.identity(&overlay.node())).await;
    let mut right = Running::start(overlay.identity(&overlay.node())).await;
    let tap = Tap::before(right.address()).await;
    let out = left.dial(tap.address).await;
    let inward = right.up().await;
    for text in ["a message of sixty bytes that is easily found on the wire...", "ab"] {
        left.send(out, bytes(text)).await;
        assert_eq!(right.message(inward).await, text);
        right.send(inward, bytes(text)).await;
        assert_eq!(left.message(out).await, text);
    }
    assert!(tap.seen.lock().unwrap().len() > 1000, "he sees the whole handshake");
    assert!(!tap.saw(b"easily found"));
}

// R6940-6.6.1-02
#[tokio::test]
async fn changed_repeated_and_missing_bytes_end_the_link() {
    let overlay = Overlay::new();
    for deed in [Deed::Flip, Deed::Repeat, Deed::Drop] {
        let left = Running::start(overlay.identity(&overlay.node())).await;
        let mut right = Running::start(overlay.identity(&overlay.node())).await;
        let tap = Tap::before(right.address()).await;
        let out = left.dial(tap.address).await;
        let inward = right.up().await;
        left.send(out, bytes("good")).await;
        assert_eq!(right.message(inward).await, "good");
        *tap.deed.lock().unwrap() = deed;
        left.send(out, bytes("tampered with")).await;
        if deed == Deed::Drop {
            // What is missing shows with the next record.
            while *tap.deed.lock().unwrap() == Deed::Drop {
                tokio::task::yield_now().await;
            }
            left.send(out, bytes("behind the gap")).await;
        }
        let mut messages = Vec::new();
        let reason = loop {
            match right.event(inward).await {
                LinkEvent::Message(message) => messages.push(message),
                LinkEvent::Down { reason, .. } => break reason,
                _ => {}
            }
        };
        let once = if deed == Deed::Repeat { 1 } else { 0 };
        assert_eq!(messages.len(), once, "{deed:?}: {messages:?}");
        assert!(!reason.is_empty());
    }
}
