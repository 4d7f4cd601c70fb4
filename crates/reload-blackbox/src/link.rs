//! A link of the test's own node: TLS over TCP with the framing of section 6.6.2. What comes is
//! acknowledged at once, as every node must; nothing is ever sent again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::frame::{Frame, Frames, ack_frame, data_frame};
use crate::{Presented, Seen, Tls};

/// Nothing on loopback takes longer, not even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Events that may wait; a test reads them all.
const EVENTS: usize = 4096;

type Writer = Box<dyn AsyncWrite + Unpin + Send>;

/// What happened on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message came, and was acknowledged.
    Message(Bytes),
    /// A frame of ours was acknowledged.
    Ack {
        /// Its number.
        sequence: u32,
        /// The mask.
        received: u32,
    },
    /// The other side has closed it, and how.
    Closed(String),
}

/// A link that is up.
pub struct Link {
    writer: Arc<Mutex<Writer>>,
    events: Receiver<Event>,
    next: u32,
    seen: Seen,
    reader: JoinHandle<()>,
}

impl Link {
    /// Dials and shakes hands.
    ///
    /// # Errors
    /// If there is no connection, or the other side refuses the handshake at once.
    pub async fn dial(address: SocketAddr, presented: Presented<'_>) -> Result<Self> {
        let tls = Tls::default();
        let seen = tls.seen();
        let connector = tls.connector(presented)?;
        let name = ServerName::IpAddress(address.ip().into());
        let dial = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connector.connect(name, stream).await
        };
        let stream = timeout(LIMIT, dial).await.context("no handshake in time")??;
        Ok(Self::over(stream, seen))
    }

    /// A link over a stream that is up.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static, seen: Seen) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let writer: Writer = Box::new(writer);
        let writer = Arc::new(Mutex::new(writer));
        let (sender, events) = channel(EVENTS);
        let reader = tokio::spawn(read(reader, Arc::clone(&writer), sender));
        Self { writer, events, next: 0, seen, reader }
    }

    /// The certificate that the other side has shown.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Sends a message in the next frame; the number of the frame.
    ///
    /// # Errors
    /// If the link is closed.
    pub async fn send(&mut self, message: &[u8]) -> Result<u32> {
        let sequence = self.next;
        self.next = sequence.wrapping_add(1);
        self.send_raw(&data_frame(sequence, message.len(), message)).await?;
        Ok(sequence)
    }

    /// The number of the next frame shall be this.
    pub fn jump(&mut self, next: u32) {
        self.next = next;
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the link is closed.
    pub async fn send_raw(&self, bytes: &[u8]) -> Result<()> {
        let mut writer = self.writer.lock().await;
        timeout(LIMIT, async {
            writer.write_all(bytes).await?;
            writer.flush().await
        })
        .await
        .context("the link takes nothing")??;
        Ok(())
    }

    /// What happens next.
    ///
    /// # Errors
    /// If nothing does.
    pub async fn event(&mut self) -> Result<Event> {
        let event = timeout(LIMIT, self.events.recv()).await.context("nothing comes")?;
        event.context("the link has ended before")
    }

    /// Waits until the other side has closed it; how.
    ///
    /// # Errors
    /// If it stays.
    pub async fn closed(&mut self) -> Result<String> {
        loop {
            match self.event().await.context("the link stays open")? {
                Event::Closed(how) => return Ok(how),
                Event::Message(_) | Event::Ack { .. } => {}
            }
        }
    }

    /// The acknowledgement of a frame; other events before it are dropped.
    ///
    /// # Errors
    /// If there is none.
    pub async fn acknowledged(&mut self, wanted: u32) -> Result<u32> {
        loop {
            match self.event().await.with_context(|| format!("no ACK of frame {wanted}"))? {
                Event::Ack { sequence, received } if sequence == wanted => return Ok(received),
                Event::Closed(how) => bail!("the link is closed: {how}"),
                Event::Message(_) | Event::Ack { .. } => {}
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    mut stream: impl AsyncRead + Unpin,
    writer: Arc<Mutex<Writer>>,
    events: Sender<Event>,
) {
    let mut frames = Frames::default();
    let mut buffer = vec![0; 16 * 1024];
    let how = loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break "end of stream".to_owned(),
            Err(error) => break error.to_string(),
            Ok(size) => frames.push(&buffer[..size]),
        }
        loop {
            let event = match frames.pop() {
                Ok(None) => break,
                Ok(Some(frame)) => take(frame, &writer).await,
                Err(kind) => Event::Closed(format!("a frame of type {kind} came")),
            };
            if events.send(event).await.is_err() {
                return;
            }
        }
    };
    // nobody may listen any more
    let _ = events.send(Event::Closed(how)).await;
}

/// Acknowledges data.
async fn take(frame: Frame, writer: &Mutex<Writer>) -> Event {
    match frame {
        Frame::Ack { sequence, received } => Event::Ack { sequence, received },
        Frame::Data { sequence, message } => {
            let mut writer = writer.lock().await;
            // a link that takes no ACK is closed, which the next read tells
            let _ = writer.write_all(&ack_frame(sequence, 0)).await;
            let _ = writer.flush().await;
            Event::Message(message)
        }
    }
}
