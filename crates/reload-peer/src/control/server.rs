//! The side of the daemon: accepts commands and hands each question to a handler.

use std::sync::Arc;
use std::time::Duration;

use reload_net::PipeStream;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};

use super::line::read_line;
use super::pipe;
use super::{Answer, Asked, ControlListener, Failure, Question, Reply, VERSION};

/// Commands served at once; further ones wait in the system's queue.
const MAX_COMMANDS: usize = 64;

/// A command sends its question at once; one that does not is cut off.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Progress lines that may wait; further ones are dropped.
const PROGRESS_QUEUE: usize = 16;

/// Answers questions.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The answer to one question.
    fn answer(
        &self,
        question: Question,
        progress: Progress,
    ) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// The pipe that a question asks for, and what is said of it.
    fn pipe(
        &self,
        question: Question,
        progress: Progress,
    ) -> impl Future<Output = Result<(Reply, PipeStream), Failure>> + Send {
        let _ = (question, progress);
        async { Err(Failure::new("there are no pipes here")) }
    }
}

/// Where a handler says what it is doing.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Option<mpsc::Sender<String>>);

impl Progress {
    /// Nobody listens.
    #[must_use]
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Says what is being done; dropped if the command does not read.
    pub(crate) fn say(&self, text: impl Into<String>) {
        if let Some(sender) = &self.0 {
            let _ = sender.try_send(text.into());
        }
    }
}

/// Serves commands until the task is dropped.
pub(crate) async fn serve(listener: ControlListener, handler: Arc<impl Handler>) {
    let places = Arc::new(Semaphore::new(MAX_COMMANDS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a command: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let handler = Arc::clone(&handler);
        tokio::spawn(async move {
            if let Err(error) = serve_one(stream, &*handler).await {
                tracing::debug!("a command went away: {error}");
            }
            drop(place);
        });
    }
}

async fn serve_one(stream: UnixStream, handler: &impl Handler) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let line = tokio::time::timeout(QUESTION_TIMEOUT, read_line(&mut reader)).await;
    let question = match line {
        Ok(Ok(Some(line))) => read_question(&line),
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(error)) => Err(Failure::new(error.to_string())),
        Err(_) => Err(Failure::new("no question came")),
    };
    let end = match question {
        Ok(question @ Question::Pipe { .. }) => {
            return serve_pipe(question, handler, &mut reader, &mut writer).await;
        }
        Ok(question) => {
            // A command that goes away (Ctrl-C) ends its work here.
            tokio::select! {
                end = answer(question, handler, &mut writer) => end?,
                _ = read_line(&mut reader) => return Ok(()),
            }
        }
        Err(failure) => Answer::Failed(failure),
    };
    write_line(&mut writer, &end).await
}

fn read_question(line: &[u8]) -> Result<Question, Failure> {
    let version = serde_json::from_slice::<serde_json::Value>(line)
        .map_err(|error| Failure::new(format!("the question is no JSON: {error}")))?
        .get("version")
        .and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        let text = format!("this node speaks version {VERSION} of the control protocol");
        return Err(Failure::new(text));
    }
    let asked = serde_json::from_slice::<Asked>(line);
    asked
        .map(|asked| asked.question)
        .map_err(|error| Failure::new(format!("no such question: {error}")))
}

/// Forms a pipe and carries its bytes until both directions have ended.
async fn serve_pipe(
    question: Question,
    handler: &impl Handler,
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
) -> std::io::Result<()> {
    let forming = with_progress(writer, |progress| handler.pipe(question, progress));
    let formed = tokio::select! {
        formed = forming => formed?,
        // A command says nothing before its pipe is there: it has gone away.
        _ = reader.fill_buf() => return Ok(()),
    };
    let (reply, stream) = match formed {
        Ok(formed) => formed,
        Err(failure) => return write_line(writer, &Answer::Failed(failure)).await,
    };
    write_line(writer, &Answer::Done { reply: Box::new(reply) }).await?;
    let (mut theirs, mut ours) = tokio::io::split(stream);
    let going = async {
        // A broken pipe is told in the other direction.
        if tokio::io::copy_buf(reader, &mut ours).await.is_ok() {
            let _ = ours.shutdown().await;
        }
    };
    tokio::join!(going, pipe::send(&mut theirs, writer)).1
}

async fn answer(
    question: Question,
    handler: &impl Handler,
    writer: &mut (impl AsyncWriteExt + Unpin),
) -> std::io::Result<Answer> {
    let end = with_progress(writer, |progress| handler.answer(question, progress)).await?;
    Ok(match end {
        Ok(reply) => Answer::Done { reply: Box::new(reply) },
        Err(failure) => Answer::Failed(failure),
    })
}

/// Waits for the end of some work and tells meanwhile what it says.
async fn with_progress<W: Future>(
    writer: &mut (impl AsyncWriteExt + Unpin),
    begin: impl FnOnce(Progress) -> W,
) -> std::io::Result<W::Output> {
    let (sender, mut said) = mpsc::channel(PROGRESS_QUEUE);
    let work = begin(Progress(Some(sender)));
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(text) = said.recv() => write_line(writer, &Answer::Progress { text }).await?,
            end = &mut work => return Ok(end),
        }
    }
}

async fn write_line(
    writer: &mut (impl AsyncWriteExt + Unpin),
    answer: &Answer,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    writer.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::ClientError;
    use crate::control::{FindReply, call, connect};

    struct Echo;

    impl Handler for Echo {
        async fn answer(&self, question: Question, progress: Progress) -> Result<Reply, Failure> {
            progress.say("looking");
            tokio::task::yield_now().await;
            match question {
                Question::Find { name, .. } => Ok(Reply::Find(FindReply {
                    resource: name,
                    from: String::new(),
                    results: Vec::new(),
                })),
                _ => Err(Failure { message: "no".into(), code: Some(2) }),
            }
        }
    }

    #[tokio::test]
    async fn carries_progress_replies_and_failures() {
        let home = tempfile::tempdir().unwrap();
        let listener = ControlListener::bind(home.path()).unwrap();
        let server = tokio::spawn(serve(listener, Arc::new(Echo)));
        let mut said = Vec::new();
        let question = Question::Find { name: "x".into(), kinds: Vec::new() };
        let reply = call(home.path(), question, |text| said.push(text.to_owned())).await.unwrap();
        assert!(matches!(reply, Reply::Find(found) if found.resource == "x"));
        assert_eq!(said, ["looking"]);
        let refused = call(home.path(), Question::Status, |_| {}).await;
        assert!(matches!(refused, Err(ClientError::Failed(failure)) if failure.code == Some(2)));
        server.abort();
    }

    #[tokio::test]
    async fn refuses_another_version_and_noise() {
        let home = tempfile::tempdir().unwrap();
        let listener = ControlListener::bind(home.path()).unwrap();
        let server = tokio::spawn(serve(listener, Arc::new(Echo)));
        for line in [&b"{\"version\":9,\"question\":\"status\"}\n"[..], b"hello\n"] {
            let mut stream = connect(home.path()).await.unwrap();
            stream.write_all(line).await.unwrap();
            let answer = read_line(&mut BufReader::new(stream)).await.unwrap().unwrap();
            let answer: Answer = serde_json::from_slice(&answer).unwrap();
            assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
        }
        server.abort();
    }
}
