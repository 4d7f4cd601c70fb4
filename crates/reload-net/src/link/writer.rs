//! Writes the frames of a link, ACKs first, in batches of one TLS record.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Shared;

/// A batch ends above this: one TLS record, so that an ACK waits for 16 KiB of data at most.
const BATCH: usize = 16 * 1024;

/// Writes until a close was asked for and everything is out, or the stream breaks.
pub(super) async fn write(
    mut stream: impl AsyncWrite + Unpin,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let mut batch = BytesMut::with_capacity(BATCH);
    loop {
        fill(&mut batch, &shared);
        if !batch.is_empty() {
            shared.deadline_moved.notify_one();
            stream.write_all(&batch).await?;
            batch.clear();
            continue;
        }
        stream.flush().await?;
        if shared.is_closing() {
            return stream.shutdown().await;
        }
        shared.writable.notified().await;
    }
}

fn fill(batch: &mut BytesMut, shared: &Shared) {
    let mut frames = shared.frames();
    while batch.len() < BATCH && frames.poll_transmit(Instant::now(), batch) {}
}
