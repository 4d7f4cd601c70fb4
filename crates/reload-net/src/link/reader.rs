//! Reads a link: bytes into the [`reload_link::FrameLink`], its events to the node, its timers.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use reload_link::{FrameEvent, LinkError};
use reload_node::{LinkEvent, LinkId};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::sleep_until;

use super::Shared;
use crate::inbox::{Inbox, Overfull};
use crate::tls::{Side, explain, log};

/// One read; a TLS record holds no more.
const BUFFER: usize = 16 * 1024;
/// After so many reads in a row the timers are looked at, though there is more to read.
const READS_IN_A_ROW: u32 = 64;

/// Why reading ended.
#[derive(Debug)]
pub(super) enum Ended {
    ByPeer,
    Broken(io::Error),
    Framing(LinkError),
    Dead(Vec<Bytes>),
    Overfull,
}

impl Ended {
    /// What was sent in vain and is told nowhere else.
    pub(super) fn take_unacknowledged(&mut self) -> Vec<Bytes> {
        match self {
            Self::Dead(messages) => std::mem::take(messages),
            _ => Vec::new(),
        }
    }

    pub(super) fn reason(self, remote: SocketAddr, dialled: bool) -> String {
        match self {
            Self::ByPeer => format!("closed by {remote}"),
            // In TLS 1.3 this is where a dialler learns that its certificate was refused.
            Self::Broken(error) => {
                let side = if dialled { Side::Dialled } else { Side::Accepted };
                let refusal = explain(remote, side, None, error);
                log(&refusal);
                refusal.to_string()
            }
            Self::Framing(error) => format!("{remote} broke the framing: {error}"),
            Self::Dead(_) => format!("{remote} has acknowledged nothing for 30 s"),
            Self::Overfull => {
                format!("{remote} changes its state faster than this node can follow")
            }
        }
    }
}

/// Reads until the link ends.
pub(super) async fn read(
    mut stream: impl AsyncRead + Unpin,
    shared: &Shared,
    inbox: &Inbox,
    link: LinkId,
) -> Ended {
    let mut buffer = vec![0; BUFFER];
    let mut reads = 0;
    loop {
        let deadline = shared.frames().wakeup();
        // What has come is read before a timer is believed: after a pause of this very process the
        // ACKs lie in the kernel.
        tokio::select! {
            biased;
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return Ended::ByPeer,
                Err(error) => return Ended::Broken(error),
                Ok(size) => {
                    let result = shared.frames().handle_bytes(Instant::now(), &buffer[..size]);
                    if let Err(ended) = hand_on(shared, inbox, link) {
                        return ended;
                    }
                    if let Err(error) = result {
                        return Ended::Framing(error);
                    }
                    reads += 1;
                    if reads < READS_IN_A_ROW {
                        continue;
                    }
                }
            },
            () = until(deadline) => {}
            () = shared.deadline_moved.notified() => continue,
        }
        reads = 0;
        shared.frames().handle_timeout(Instant::now());
        if let Err(ended) = hand_on(shared, inbox, link) {
            return ended;
        }
    }
}

/// ACKs to the writer first, then the events to the node.
fn hand_on(shared: &Shared, inbox: &Inbox, link: LinkId) -> Result<(), Ended> {
    if shared.frames().wants_transmit() {
        shared.writable.notify_one();
    }
    loop {
        let Some(event) = shared.frames().poll_event() else { return Ok(()) };
        let event = match event {
            FrameEvent::Message(message) => LinkEvent::Message(message),
            FrameEvent::TooLarge(header) => LinkEvent::TooLarge(*header),
            FrameEvent::Failing { unacknowledged } => LinkEvent::Failing { unacknowledged },
            FrameEvent::Restored => LinkEvent::Restored,
            FrameEvent::Mtu(mtu) => LinkEvent::Mtu(mtu),
            FrameEvent::Dead { unacknowledged } => return Err(Ended::Dead(unacknowledged)),
        };
        inbox.push(link, event).map_err(|Overfull| Ended::Overfull)?;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
