//! One pipe as a datagram transport of the SIP stack, which then resends what is lost (RFC 3261 section
//! 17) as it does over UDP. Each pipe has an invented address that tells it apart; nothing goes there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reload_usages::sip::Scheme;
use rsipstack::platform::CancellationToken;
use rsipstack::platform::net::UdpSocket;
use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage, StatusCode, Transport};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::make_tag;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use crate::methods::{hide, reveal};
use crate::overlay::{OverlayError, Path, Peer, Pipe};

/// Class E: addresses that no machine has (RFC 1112 section 4).
pub(super) const NOWHERE: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 0);
/// As over UDP (RFC 3261 section 18.1.1).
const MAX_MESSAGE: usize = 65_535;
/// Requests of one pipe that have failed and are not yet told; more are left to their timers.
const MAX_FAILED: usize = 64;
/// Transactions of the whole proxy from which on new requests of peers are dropped; they come again.
const MAX_TRANSACTIONS: usize = 32_768;
/// Transactions on a closed pipe are over by then: 64 * T1 (RFC 3261 section 17).
pub(super) const LINGER: Duration = Duration::from_secs(32);
/// The ping of a SIP keepalive (RFC 5626 section 3.5.1); the pong is half of it.
const PING: &[u8] = b"\r\n\r\n";

/// A connection to another peer that carries SIP.
pub(crate) struct SipPipe {
    peer: Arc<Peer>,
    scheme: Scheme,
    address: SipAddr,
    connection: UdpConnection,
    socket: Arc<Socket>,
    holds: AtomicUsize,
}

/// Keeps a pipe from being closed as idle while it lives.
pub(crate) struct Hold(Arc<SipPipe>);

impl SipPipe {
    /// Takes a pipe over and serves it until it closes. `number` tells it from all others; what it brings
    /// is read after `register`, so that it is known whose it is.
    pub(super) async fn open(
        pipe: Box<dyn Pipe>,
        scheme: Scheme,
        number: u32,
        endpoint: EndpointInnerRef,
        noise: Arc<AtomicU64>,
        register: impl FnOnce(&Arc<Self>),
    ) -> Arc<Self> {
        let pipe: Arc<dyn Pipe> = Arc::from(pipe);
        let address = invented(number);
        let (failed, failures) = mpsc::channel(MAX_FAILED);
        let socket = Arc::new(Socket::new(Arc::clone(&pipe), address, failed));
        let sip_address = SipAddr { r#type: Some(Transport::Udp), addr: address.into() };
        let inner = UdpInner { conn: Arc::<Socket>::clone(&socket), addr: sip_address.clone() };
        let this = Arc::new(Self {
            peer: Arc::clone(pipe.peer()),
            scheme,
            address: sip_address,
            connection: UdpConnection::attach(inner, None, None).await,
            socket,
            holds: AtomicUsize::new(0),
        });
        let feed = Feed { endpoint, noise, connection: this.connection(), address };
        register(&this);
        tokio::spawn(read(pipe, Arc::clone(&this.socket), feed.clone()));
        tokio::spawn(tell(this.socket.closed.clone(), failures, feed));
        this
    }

    /// The node at the other end.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// What it was opened for.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// How it goes, if that is known.
    pub(crate) fn path(&self) -> Option<Path> {
        self.socket.pipe().and_then(|pipe| pipe.path())
    }

    /// For transactions of the SIP stack.
    pub(crate) fn connection(&self) -> SipConnection {
        SipConnection::Udp(self.connection.clone())
    }

    /// The destination to give to each transaction that goes over it.
    pub(crate) fn address(&self) -> SipAddr {
        self.address.clone()
    }

    /// Waits until it is closed, by either side.
    pub(crate) async fn closed(&self) {
        self.socket.closed.cancelled().await;
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.socket.closed.is_cancelled()
    }

    /// Keeps it open, as long as the hold lives, though nothing is sent.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.holds.fetch_add(1, Ordering::Relaxed);
        Hold(Arc::clone(self))
    }

    pub(super) fn close(&self) {
        self.socket.close();
    }

    /// For how long nothing has gone over it; none while it is held.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let is_held = self.holds.load(Ordering::Relaxed) > 0;
        (!is_held).then(|| now.saturating_duration_since(*lock(&self.socket.used)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.socket.touch();
        self.0.holds.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address by which a pipe is known.
pub(super) fn invented(number: u32) -> SocketAddr {
    let address = u32::from(NOWHERE) | (number & 0x0fff_ffff);
    SocketAddr::new(Ipv4Addr::from(address).into(), 5060)
}

/// Whether an address could be that of a pipe.
pub(crate) fn is_invented(address: SocketAddr) -> bool {
    matches!(address, SocketAddr::V4(address) if *address.ip() >= NOWHERE)
}

/// What the SIP stack takes for a socket.
struct Socket {
    address: SocketAddr,
    /// None when it is closed: the pipe itself closes when dropped.
    pipe: Mutex<Option<Arc<dyn Pipe>>>,
    closed: CancellationToken,
    used: Mutex<Instant>,
    failed: mpsc::Sender<(Request, StatusCode)>,
}

impl Socket {
    fn new(
        pipe: Arc<dyn Pipe>,
        address: SocketAddr,
        failed: mpsc::Sender<(Request, StatusCode)>,
    ) -> Self {
        Self {
            address,
            pipe: Mutex::new(Some(pipe)),
            closed: CancellationToken::new(),
            used: Mutex::new(Instant::now()),
            failed,
        }
    }

    fn pipe(&self) -> Option<Arc<dyn Pipe>> {
        lock(&self.pipe).clone()
    }

    fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }

    fn close(&self) {
        self.closed.cancel();
        lock(&self.pipe).take();
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        let Some(pipe) = self.pipe() else {
            return Err(OverlayError::Closed("it is no longer used".to_owned()));
        };
        if datagram.len() > pipe.mtu() {
            return Err(OverlayError::TooLarge { size: datagram.len(), limit: pipe.mtu() });
        }
        let result = pipe.send(datagram).await;
        if let Err(OverlayError::Closed(_) | OverlayError::Stopped) = &result {
            self.close();
        }
        result
    }

    /// Nothing else would tell the transaction before its timer (RFC 3261 section 17.1.4).
    fn on_failed(&self, request: Request, error: &OverlayError) {
        let status = match error {
            OverlayError::TooLarge { .. } => StatusCode::Other(513, error.to_string()),
            _ => StatusCode::Other(503, error.to_string()),
        };
        if request.method != Method::Ack {
            self.failed.try_send((request, status)).ok();
        }
    }
}

#[async_trait]
impl UdpSocket for Socket {
    async fn recv_from(&self, _buf: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        self.closed.cancelled().await;
        Err(rsipstack::Error::Error("the pipe is closed".to_owned()))
    }

    async fn send_to(&self, buf: &[u8], _addr: SocketAddr) -> rsipstack::Result<usize> {
        let datagram = Bytes::from(reveal(buf).into_owned());
        self.touch();
        match self.send(datagram).await {
            Ok(()) => Ok(buf.len()),
            Err(error) => {
                if let Ok(request) = Request::try_from(buf) {
                    self.on_failed(request, &error);
                }
                Err(rsipstack::Error::Error(error.to_string()))
            }
        }
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Where what a pipe brings goes.
#[derive(Clone)]
struct Feed {
    endpoint: EndpointInnerRef,
    noise: Arc<AtomicU64>,
    connection: SipConnection,
    address: SocketAddr,
}

impl Feed {
    async fn message(&self, message: SipMessage) -> rsipstack::Result<()> {
        let from = SipAddr { r#type: Some(Transport::Udp), addr: self.address.into() };
        self.endpoint.on_received_message(message, self.connection.clone(), &from).await
    }

    fn is_busy(&self) -> bool {
        self.endpoint.transactions.len() >= MAX_TRANSACTIONS
    }

    fn drop_noise(&self, why: &str) {
        self.noise.fetch_add(1, Ordering::Relaxed);
        debug!(pipe = %self.address, why, "datagram dropped");
    }
}

/// Closes the socket when its reader ends, however that happens.
struct Closing(Arc<Socket>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn read(pipe: Arc<dyn Pipe>, socket: Arc<Socket>, feed: Feed) {
    let closing = Closing(socket);
    loop {
        let datagram = tokio::select! {
            () = closing.0.closed.cancelled() => None,
            datagram = pipe.recv() => datagram,
        };
        let Some(datagram) = datagram else { return };
        on_datagram(&*pipe, &closing.0, &feed, &datagram).await;
    }
}

async fn on_datagram(pipe: &dyn Pipe, socket: &Socket, feed: &Feed, datagram: &[u8]) {
    if datagram == PING {
        pipe.send(Bytes::from_static(b"\r\n")).await.ok();
    }
    if datagram.iter().all(u8::is_ascii_whitespace) {
        return;
    }
    socket.touch();
    let message = match read_message(datagram, feed.address) {
        Ok(message) => message,
        Err(why) => return feed.drop_noise(&why),
    };
    let is_new = matches!(&message, SipMessage::Request(it) if it.method != Method::Ack);
    if is_new && feed.is_busy() {
        return feed.drop_noise("too many transactions");
    }
    if let Err(error) = feed.message(message).await {
        feed.drop_noise(&error.to_string());
    }
}

/// A whole message in one datagram (RFC 3261 section 18.3), marked with where answers go (RFC 3581).
fn read_message(datagram: &[u8], from: SocketAddr) -> Result<SipMessage, String> {
    if datagram.len() > MAX_MESSAGE {
        return Err("longer than a message may be".to_owned());
    }
    let message = SipMessage::try_from(&*hide(datagram)).map_err(|error| error.to_string())?;
    let body = match &message {
        SipMessage::Request(request) => request.body.len(),
        SipMessage::Response(response) => response.body.len(),
    };
    if content_length(&message).is_some_and(|length| length > body) {
        return Err("cut short".to_owned());
    }
    SipConnection::update_msg_received(message, from, Transport::Udp)
        .map_err(|error| error.to_string())
}

fn content_length(message: &SipMessage) -> Option<usize> {
    use rsipstack::sip::HasHeaders;
    message.headers().iter().find_map(|header| match header {
        Header::ContentLength(length) => length.value().trim().parse().ok(),
        _ => None,
    })
}

/// Answers requests that could not be sent, also for a while after the end.
async fn tell(
    closed: CancellationToken,
    mut failures: mpsc::Receiver<(Request, StatusCode)>,
    feed: Feed,
) {
    let end = async {
        closed.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::pin!(end);
    loop {
        let failed = tokio::select! {
            () = &mut end => return,
            failed = failures.recv() => failed,
        };
        let Some((request, status)) = failed else { return };
        let answer = answer(&feed.endpoint, &request, status);
        feed.message(answer).await.ok();
    }
}

/// As if the other end had said so (RFC 3261 section 8.1.3.1).
fn answer(endpoint: &EndpointInnerRef, request: &Request, status: StatusCode) -> SipMessage {
    let mut response = endpoint.make_response(request, status, None);
    if let Ok(to) = response.to_header().cloned()
        && matches!(to.tag(), Ok(None))
    {
        response.headers.unique_push(to.with_tag(make_tag()).into());
    }
    response.into()
}

/// A panic of another thread leaves nothing half done behind these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
