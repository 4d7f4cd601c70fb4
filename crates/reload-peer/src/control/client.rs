//! The side of the commands.

use std::path::Path;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::line::{LineError, read_line};
use super::{Answer, Asked, Failure, Question, Reply, SocketError, VERSION, connect};

/// Why a question got no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No daemon, or not ours.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The daemon says no.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The connection broke.
    #[error("the node went away while it worked on this: {0}")]
    Line(#[from] LineError),
    /// The daemon stopped in the middle.
    #[error("the node stopped while it worked on this; see its log")]
    Stopped,
    /// It is of another make.
    #[error(
        "the node speaks another control protocol than this command: use the same version ({0})"
    )]
    Foreign(serde_json::Error),
}

/// Asks the daemon of `home` and waits for the end; `progress` gets what is said meanwhile.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn call(
    home: &Path,
    question: Question,
    mut progress: impl FnMut(&str),
) -> Result<Reply, ClientError> {
    let mut stream = ask(home, question).await?;
    end(&mut stream, &mut progress).await
}

/// Asks for a pipe; the connection carries its bytes afterwards.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn open_pipe(
    home: &Path,
    question: Question,
    mut progress: impl FnMut(&str),
) -> Result<(Reply, BufReader<UnixStream>), ClientError> {
    let mut stream = ask(home, question).await?;
    let reply = end(&mut stream, &mut progress).await?;
    Ok((reply, stream))
}

async fn ask(home: &Path, question: Question) -> Result<BufReader<UnixStream>, ClientError> {
    let mut stream = connect(home).await?;
    let asked = Asked { version: VERSION, question };
    let mut line = serde_json::to_vec(&asked).map_err(ClientError::Foreign)?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(LineError::Io)?;
    Ok(BufReader::new(stream))
}

async fn end(
    stream: &mut BufReader<UnixStream>,
    progress: &mut impl FnMut(&str),
) -> Result<Reply, ClientError> {
    loop {
        let line = read_line(stream).await?.ok_or(ClientError::Stopped)?;
        match serde_json::from_slice(&line).map_err(ClientError::Foreign)? {
            Answer::Progress { text } => progress(&text),
            Answer::Done { reply } => return Ok(*reply),
            Answer::Failed(failure) => return Err(failure.into()),
        }
    }
}
