//! From a TCP connection to an authenticated one, on either side: the TLS handshake is the
//! connectivity check of a No-ICE link (section 6.5.1.11). Nothing of RELOAD is spoken here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reload_identity::VerifiedCertificate;
use reload_wire::NodeId;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::tls::{Refusal, Side, TlsIdentity, Verdict, explain};

/// How long a refused connection is drained, so that the alert arrives and no reset overtakes it.
const LINGER: Duration = Duration::from_millis(500);
/// How much a refused connection may still say.
const LINGER_BYTES: u64 = 64 * 1024;

/// An authenticated connection that is no link yet.
#[derive(Debug)]
pub struct Authenticated {
    /// The stream.
    pub stream: TlsStream<TcpStream>,
    /// The certificate of the other side, checked within the handshake.
    pub certificate: Arc<VerifiedCertificate>,
    /// The address of the other side.
    pub remote: SocketAddr,
    /// Our address on this connection.
    pub local: SocketAddr,
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    /// Whether we dialled.
    pub dialled: bool,
}

/// Dials one address; the certificate must hold `expected`, if given.
///
/// # Errors
/// [`Refusal`], one line for the log. In TLS 1.3 a refusal by the other side comes later, as the
/// reason why the link goes down.
pub async fn dial(
    identity: &TlsIdentity,
    remote: SocketAddr,
    expected: Option<NodeId>,
    deadline: Instant,
) -> Result<Authenticated, Refusal> {
    let connecting = timeout_at(deadline, TcpStream::connect(remote)).await;
    let stream = connecting
        .map_err(|_| Refusal::Timeout { remote })?
        .map_err(|reason| Refusal::Io { remote, reason })?;
    // An address is no name: no SNI is sent, and the verifier looks at Node-IDs only.
    let name = ServerName::IpAddress(remote.ip().into());
    let (config, verdict) = identity.client(expected).map_err(|error| setup(remote, &error))?;
    let handshake = TlsConnector::from(config).connect(name, stream).into_fallible();
    match timeout_at(deadline, handshake).await {
        Err(_) => Err(Refusal::Timeout { remote }),
        Ok(Ok(stream)) => finish(TlsStream::Client(stream), remote, true, &verdict),
        Ok(Err((error, stream))) => {
            tokio::spawn(linger(stream));
            Err(explain(remote, Side::Dialled, Some(&verdict), error))
        }
    }
}

/// Shakes hands on an accepted connection.
///
/// # Errors
/// [`Refusal`], one line for the log.
pub async fn accept(
    identity: &TlsIdentity,
    stream: TcpStream,
    remote: SocketAddr,
    deadline: Instant,
) -> Result<Authenticated, Refusal> {
    let (config, verdict) = identity.server().map_err(|error| setup(remote, &error))?;
    let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
    match timeout_at(deadline, handshake).await {
        Err(_) => Err(Refusal::Timeout { remote }),
        Ok(Ok(stream)) => finish(TlsStream::Server(stream), remote, false, &verdict),
        Ok(Err((error, stream))) => {
            linger(stream).await;
            Err(explain(remote, Side::Accepted, Some(&verdict), error))
        }
    }
}

fn finish(
    stream: TlsStream<TcpStream>,
    remote: SocketAddr,
    dialled: bool,
    verdict: &Verdict,
) -> Result<Authenticated, Refusal> {
    let (tcp, session) = stream.get_ref();
    let protocol = protocol_name(session.protocol_version());
    let local = tcp.local_addr().map_err(|reason| Refusal::Io { remote, reason })?;
    // Frames are small and answered at once: never wait for more.
    tcp.set_nodelay(true).map_err(|reason| Refusal::Io { remote, reason })?;
    match verdict.get() {
        Some(Ok(certificate)) => {
            let certificate = Arc::clone(certificate);
            Ok(Authenticated { stream, certificate, remote, local, protocol, dialled })
        }
        Some(Err(reason)) => Err(Refusal::Certificate { remote, reason: reason.clone() }),
        None => Err(Refusal::NoCertificate { remote }),
    }
}

/// Closes a refused connection so that the other side can read our alert: what it still sends is
/// thrown away for a moment, since unread bytes would turn the close into a reset.
async fn linger(mut stream: TcpStream) {
    let _ = timeout(LINGER, async {
        let _ = stream.shutdown().await;
        let _ = tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await;
    })
    .await;
}

fn protocol_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLS",
    }
}

fn setup(remote: SocketAddr, error: &crate::NetError) -> Refusal {
    Refusal::Setup { remote, reason: error.to_string() }
}
