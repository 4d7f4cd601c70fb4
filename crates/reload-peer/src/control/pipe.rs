//! The bytes of a pipe from the daemon to a command: chunks with their length, so that a command can
//! tell the end of the other side from the death of the pipe.
//!
//! A chunk is four bytes length and so many bytes. Length 0 is the end in good order; 0xffffffff
//! announces the chunk with the reason why there is no more.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes read at once.
const BUFFER: usize = 16 * 1024;
/// No chunk is longer.
const LONGEST: usize = 64 * 1024;
/// The length that announces a reason.
const BROKEN: u32 = u32::MAX;

/// Sends everything from `source`, then its end, or why it broke.
pub(super) async fn send(
    source: &mut (impl AsyncRead + Unpin),
    sink: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match source.read(&mut buffer).await {
            Ok(0) => return chunk(sink, &[]).await,
            Ok(size) => chunk(sink, &buffer[..size]).await?,
            Err(error) => {
                sink.write_u32(BROKEN).await?;
                return chunk(sink, error.to_string().as_bytes()).await;
            }
        }
    }
}

async fn chunk(sink: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    sink.write_u32(length).await?;
    sink.write_all(bytes).await?;
    sink.flush().await
}

/// Writes what comes in chunks to `sink`, up to the end.
///
/// # Errors
/// The pipe broke, or the daemon is gone.
pub(crate) async fn receive(
    source: &mut (impl AsyncRead + Unpin),
    sink: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    loop {
        match source.read_u32().await? {
            0 => return sink.flush().await,
            BROKEN => {
                let length = source.read_u32().await?;
                let reason = bytes(source, length).await?;
                return Err(io::Error::other(String::from_utf8_lossy(&reason).into_owned()));
            }
            length => {
                let bytes = bytes(source, length).await?;
                sink.write_all(&bytes).await?;
                sink.flush().await?;
            }
        }
    }
}

async fn bytes(source: &mut (impl AsyncRead + Unpin), length: u32) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::other("the node speaks another control protocol"));
    }
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_through_with_their_end() {
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        let data = vec![7; 3 * BUFFER + 1];
        send(&mut &data[..], &mut wire).await.unwrap();
        receive(&mut &wire[..], &mut out).await.unwrap();
        assert_eq!(out, data);
    }

    #[tokio::test]
    async fn an_end_without_the_mark_is_an_error() {
        let (mut wire, mut out) = (Vec::new(), Vec::new());
        send(&mut &b"abc"[..], &mut wire).await.unwrap();
        wire.truncate(wire.len() - 4);
        assert!(receive(&mut &wire[..], &mut out).await.is_err());
        assert_eq!(out, b"abc");
    }

    #[tokio::test]
    async fn a_broken_pipe_tells_why() {
        let mut wire = BROKEN.to_be_bytes().to_vec();
        chunk(&mut wire, b"the link is gone").await.unwrap();
        let error = receive(&mut &wire[..], &mut Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "the link is gone");
    }
}
