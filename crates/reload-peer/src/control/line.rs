//! Lines of bounded length over a byte stream.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The largest line either side takes: the largest value of an overlay (2^24 bytes) does not fit
/// into base64 here, but max-message-size is far below that.
pub(crate) const MAX_LINE: usize = 8 << 20;

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The line is longer than [`MAX_LINE`].
    #[error("a line of more than {MAX_LINE} bytes")]
    TooLong,
}

/// The next line without its end; none at the end of the stream.
pub(super) async fn read_line(
    stream: &mut (impl AsyncBufRead + Unpin),
) -> Result<Option<Vec<u8>>, LineError> {
    let bound = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Vec::new();
    stream.take(bound).read_until(b'\n', &mut line).await?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(line));
    }
    if line.len() > MAX_LINE {
        return Err(LineError::TooLong);
    }
    Ok(if line.is_empty() { None } else { Some(line) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    #[tokio::test]
    async fn splits_lines_and_ends_with_the_stream() {
        let mut stream = BufReader::new(&b"one\ntwo"[..]);
        assert_eq!(read_line(&mut stream).await.unwrap(), Some(b"one".to_vec()));
        assert_eq!(read_line(&mut stream).await.unwrap(), Some(b"two".to_vec()));
        assert_eq!(read_line(&mut stream).await.unwrap(), None);
    }

    #[tokio::test]
    async fn refuses_a_line_without_end() {
        let endless = tokio::io::repeat(b'x');
        let mut stream = BufReader::new(endless);
        assert!(matches!(read_line(&mut stream).await, Err(LineError::TooLong)));
    }
}
