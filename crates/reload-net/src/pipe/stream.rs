//! A stream over a pipe: a task of its own runs Simple Reliability (section 6.6.3) on the datagrams,
//! puts in order what it brings, and repeats what it gave up.
//!
//! A slow reader holds the writer back by the window of the stream, a slow path by the few messages
//! that may be under way: nothing here grows.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_link::{FrameEvent, LinkOutput, LinkSettings, ReliableLink};
use reload_wire::{Dialect, FRAME_HEADER_SIZE};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf,
};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::sequence::{HEADER, Sequence, SequenceError};
use super::{Pipe, PipeError};

/// Bytes between the application and the task, each way.
const BUFFER: usize = 64 * 1024;
/// Messages under way or waiting for their turn.
const MESSAGES: usize = 128;
/// Repetitions in a row without progress before the path counts as dead.
const REPETITIONS: u32 = 8;
/// After the end, time to acknowledge what the other side resends because an ACK was lost.
const LINGER: Duration = Duration::from_secs(2);

/// A reliable stream to another node, in both directions. Shutting it down waits until the other
/// side has acknowledged everything; dropping it sends what was written, in the background.
#[derive(Debug)]
pub struct PipeStream {
    buffer: DuplexStream,
    /// Tells that everything was acknowledged.
    flushed: oneshot::Receiver<()>,
    /// Why it broke; empty if it did not.
    broken: Arc<OnceLock<String>>,
}

impl PipeStream {
    pub(super) fn start(pipe: Pipe) -> Self {
        let (buffer, other) = tokio::io::duplex(BUFFER);
        let (sender, flushed) = oneshot::channel();
        let broken = Arc::new(OnceLock::new());
        let task = Task::new(pipe, other, sender);
        let reason = Arc::clone(&broken);
        tokio::spawn(async move {
            let mut task = task;
            if let Err(error) = task.run().await {
                tracing::debug!(node = %task.pipe.node(), "a stream broke: {error}");
                // Before the buffers go, so that whoever sees the end sees the reason.
                let _ = reason.set(error.to_string());
            }
        });
        Self { buffer, flushed, broken }
    }

    fn failure(&self) -> Option<io::Error> {
        let reason = self.broken.get()?;
        Some(io::Error::new(io::ErrorKind::ConnectionReset, reason.clone()))
    }
}

impl AsyncRead for PipeStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.buffer).poll_read(context, buffer))?;
        match self.failure() {
            Some(error) if buffer.filled().len() == before => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for PipeStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.buffer).poll_write(context, bytes));
        Poll::Ready(written.map_err(|error| self.failure().unwrap_or(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.buffer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.buffer).poll_shutdown(context))?;
        if self.flushed.is_terminated() {
            return Poll::Ready(self.failure().map_or(Ok(()), Err));
        }
        match ready!(Pin::new(&mut self.flushed).poll(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => {
                let unknown = || io::Error::from(io::ErrorKind::BrokenPipe);
                Poll::Ready(Err(self.failure().unwrap_or_else(unknown)))
            }
        }
    }
}

/// Why a stream broke.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Pipe(#[from] PipeError),
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    #[error("the other side acknowledges nothing any more")]
    Dead,
    #[error("a message does not fit: {0}")]
    Send(reload_link::SendError),
}

/// What the task holds.
struct Task {
    pipe: Pipe,
    link: ReliableLink,
    sequence: Sequence,
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    flushed: Option<oneshot::Sender<()>>,
    ours: Ours,
    theirs: Theirs,
    repeat: Repeat,
}

/// What is known of messages that Simple Reliability has given up.
#[derive(Clone, Copy, Debug, Default)]
struct Repeat {
    /// Given up so far, as the link counts.
    given_up: u64,
    /// Some were: what the other side may not have goes out again when the rest is settled.
    wanted: bool,
    /// Repetitions since the other side told of progress, and how far it was.
    times: u32,
    progress: u64,
}

/// Our direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    Open,
    /// The end was sent.
    Ended,
    /// It was acknowledged, as everything before.
    Acknowledged,
}

/// The other direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Open,
    /// The reader is gone: what still comes is thrown away.
    Unwanted,
    /// Everything was handed over.
    Ended,
}

/// What ended the wait.
enum Input {
    Record(Option<Bytes>),
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Timer,
}

impl Task {
    fn new(pipe: Pipe, buffer: DuplexStream, flushed: oneshot::Sender<()>) -> Self {
        let (reader, writer) = tokio::io::split(buffer);
        let largest = u32::try_from(BUFFER).unwrap_or(u32::MAX);
        let settings = LinkSettings::new(Dialect::default(), largest);
        let link = ReliableLink::new(settings, pipe.mtu());
        let (ours, theirs) = (Ours::Open, Theirs::Open);
        let sequence = Sequence::new();
        let (flushed, repeat) = (Some(flushed), Repeat::default());
        Self { pipe, link, sequence, reader, writer, flushed, ours, theirs, repeat }
    }

    async fn run(&mut self) -> Result<(), Broken> {
        let mut buffer = vec![0; BUFFER];
        loop {
            self.pump().await?;
            if self.is_settled() && self.repeat.wanted {
                self.repeat()?;
                continue;
            }
            self.note_progress().await;
            if self.is_over() {
                return self.linger().await;
            }
            match self.wait(&mut buffer).await {
                Input::Timer => self.link.handle_timeout(Instant::now()),
                Input::Record(Some(record)) => self.link.handle_record(Instant::now(), &record),
                Input::Record(None) => return self.on_closed(),
                Input::Read(Ok(size)) if size > 0 => {
                    let message = self.sequence.data(&buffer[..size]);
                    self.send(message)?;
                }
                Input::Read(_) => {
                    let end = self.sequence.end();
                    self.send(end)?;
                    self.ours = Ours::Ended;
                }
                Input::Written(Ok(size)) => self.consume(size)?,
                Input::Written(Err(_)) => self.theirs = Theirs::Unwanted,
            }
        }
    }

    /// Whatever can go on: a record of the other side, bytes of the application, room at its end.
    async fn wait(&mut self, buffer: &mut [u8]) -> Input {
        let deadline = self.link.next_timeout();
        let room = self.room().min(buffer.len());
        let ready = self.sequence.ready();
        tokio::select! {
            biased;
            record = self.pipe.recv() => Input::Record(record),
            () = until(deadline) => Input::Timer,
            written = self.writer.write(ready), if !ready.is_empty() && self.theirs == Theirs::Open => {
                Input::Written(written)
            }
            read = self.reader.read(&mut buffer[..room]), if room > 0 => Input::Read(read),
        }
    }

    /// Bytes that one message may carry now.
    fn room(&self) -> usize {
        let stats = self.link.stats();
        if self.ours != Ours::Open || stats.unacknowledged + stats.queued >= MESSAGES {
            return 0;
        }
        let fits = self.pipe.mtu().saturating_sub(FRAME_HEADER_SIZE + HEADER);
        usize::try_from(self.sequence.room()).unwrap_or(usize::MAX).min(fits)
    }

    fn send(&mut self, message: Bytes) -> Result<(), Broken> {
        self.link.send(Instant::now(), message).map_err(Broken::Send)
    }

    fn consume(&mut self, size: usize) -> Result<(), Broken> {
        match self.sequence.consume(size) {
            Some(credit) => self.send(credit),
            None => Ok(()),
        }
    }

    /// Does what the link puts out.
    async fn pump(&mut self) -> Result<(), Broken> {
        while let Some(output) = self.link.poll(Instant::now()) {
            match output {
                LinkOutput::Transmit(record) => self.pipe.send(record).await?,
                LinkOutput::Event(FrameEvent::Message(message)) => {
                    self.sequence.handle_message(message)?;
                }
                // There is no other way for what is handed out: it waits for this one.
                LinkOutput::Event(FrameEvent::Failing { .. } | FrameEvent::Mtu(_)) => {}
                LinkOutput::Event(FrameEvent::Restored) => self.repeat.wanted = true,
                LinkOutput::Event(FrameEvent::Dead { .. }) => return Err(Broken::Dead),
                LinkOutput::Event(FrameEvent::TooLarge(_)) => {
                    return Err(SequenceError::Malformed.into());
                }
            }
        }
        let given_up = self.link.stats().counters.given_up;
        self.repeat.wanted |= given_up > self.repeat.given_up;
        self.repeat.given_up = given_up;
        if self.theirs == Theirs::Unwanted {
            let size = self.sequence.ready().len();
            self.consume(size)?;
        }
        Ok(())
    }

    /// Whether nothing of ours is under way.
    fn is_settled(&self) -> bool {
        let stats = self.link.stats();
        stats.unacknowledged + stats.queued == 0
    }

    /// Sends again what the other side may not have; it knows copies by their offset.
    fn repeat(&mut self) -> Result<(), Broken> {
        let Repeat { times, progress, given_up, .. } = self.repeat;
        let now_at = self.sequence.progress();
        let times = if now_at > progress { 0 } else { times + 1 };
        if times > REPETITIONS {
            return Err(Broken::Dead);
        }
        self.repeat = Repeat { given_up, wanted: false, times, progress: now_at };
        for message in self.sequence.again() {
            self.send(message)?;
        }
        if self.ours == Ours::Ended {
            let end = self.sequence.end();
            self.send(end)?;
        }
        Ok(())
    }

    /// Tells the application what has come to its end.
    async fn note_progress(&mut self) {
        if self.ours == Ours::Ended && self.is_settled() {
            self.ours = Ours::Acknowledged;
            // Nobody may be waiting.
            let _ = self.flushed.take().map(|flushed| flushed.send(()));
        }
        if self.theirs == Theirs::Open && self.sequence.is_read_out() {
            self.theirs = Theirs::Ended;
            let _ = self.writer.shutdown().await;
        }
    }

    fn is_over(&self) -> bool {
        self.ours == Ours::Acknowledged && self.theirs != Theirs::Open
    }

    /// The link is gone. That is an end in good order only if nothing of either side is missing.
    fn on_closed(&mut self) -> Result<(), Broken> {
        if self.ours != Ours::Open && self.theirs != Theirs::Open {
            // The other side ended and closed; its last ACK may have been lost.
            let _ = self.flushed.take().map(|flushed| flushed.send(()));
            return Ok(());
        }
        let reason = self.pipe.closed().unwrap_or("the node has stopped").to_owned();
        Err(PipeError::Closed(reason).into())
    }

    /// Answers resends for a while, until the other side closes or is silent.
    async fn linger(&mut self) -> Result<(), Broken> {
        while let Ok(Some(record)) = timeout(LINGER, self.pipe.recv()).await {
            self.link.handle_record(Instant::now(), &record);
            self.pump().await?;
        }
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
