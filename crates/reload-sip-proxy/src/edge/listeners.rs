//! Where phones reach the proxy: UDP and TCP at one port, TLS at another if it is asked for. The ports are
//! bound at once; the SIP stack would bind them later and not say which.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::tls::TlsConnection;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tracing::debug;

use crate::methods::AnyMethod;

/// Ports that are tried until UDP and TCP have the same one free.
const ATTEMPTS: usize = 64;
/// Streams of phones at one time: one for each phone, and room for those that come and go.
const MAX_STREAMS: usize = 64;
/// A stream on which nothing comes for longer than any registration lasts is dead.
const MAX_IDLE: Duration = Duration::from_secs(3700);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The sockets for phones.
pub(crate) struct Listeners {
    udp: UdpSocket,
    tcp: TcpListener,
    tls: Option<(TcpListener, TlsAcceptor)>,
    addresses: Addresses,
}

#[derive(Clone, Copy)]
struct Addresses {
    plain: SocketAddr,
    tls: Option<SocketAddr>,
}

/// Where TLS is spoken, and as whom.
pub(crate) struct TlsIdentity {
    pub(crate) listen: SocketAddr,
    pub(crate) certificate_pem: Vec<u8>,
    pub(crate) key_pem: Vec<u8>,
}

/// Why phones cannot be listened to.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    /// The address is not to be had.
    #[error("{address}: {error}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The certificate or the key is none.
    #[error("the certificate or key for TLS: {0}")]
    Identity(String),
}

impl Listeners {
    /// Binds all of them.
    pub(crate) async fn bind(
        listen: SocketAddr,
        tls: Option<TlsIdentity>,
    ) -> Result<Self, ListenError> {
        let (udp, tcp, plain) =
            bind_both(listen).await.map_err(|error| bind_error(listen, error))?;
        let mut addresses = Addresses { plain, tls: None };
        let mut secure = None;
        if let Some(identity) = tls {
            let acceptor = acceptor(&identity).map_err(ListenError::Identity)?;
            let bound = bind_tcp(identity.listen).await;
            let (listener, address) = bound.map_err(|error| bind_error(identity.listen, error))?;
            addresses.tls = Some(address);
            secure = Some((listener, acceptor));
        }
        Ok(Self { udp, tcp, tls: secure, addresses })
    }

    /// The address of UDP.
    pub(crate) fn udp(&self) -> SocketAddr {
        self.addresses.plain
    }

    /// The address of TCP, at the same port.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.addresses.plain
    }

    /// The address of TLS, if it is spoken.
    pub(crate) fn tls(&self) -> Option<SocketAddr> {
        self.addresses.tls
    }

    /// Gives UDP to the SIP stack, which has to be started afterwards, and accepts streams for it. Gives
    /// the connection of UDP.
    pub(crate) async fn serve(
        self,
        endpoint: &EndpointInnerRef,
        end: CancellationToken,
    ) -> SipConnection {
        let layer = &endpoint.transport_layer;
        layer.set_stream_idle_timeout(MAX_IDLE);
        let addr = sip_address(Transport::Udp, self.addresses.plain);
        let inner = UdpInner { conn: Arc::new(AnyMethod(self.udp)), addr };
        let udp = UdpConnection::attach(inner, None, Some(end.child_token())).await;
        let udp = SipConnection::Udp(udp);
        layer.add_transport(udp.clone());
        let streams = Streams {
            endpoint: endpoint.clone(),
            permits: Arc::new(Semaphore::new(MAX_STREAMS)),
            end,
        };
        if let Some((listener, acceptor)) = self.tls {
            tokio::spawn(streams.clone().accept(listener, Some(acceptor)));
        }
        tokio::spawn(streams.accept(self.tcp, None));
        udp
    }
}

/// Streams on their way into the SIP stack.
#[derive(Clone)]
struct Streams {
    endpoint: EndpointInnerRef,
    permits: Arc<Semaphore>,
    end: CancellationToken,
}

impl Streams {
    async fn accept(self, listener: TcpListener, acceptor: Option<TlsAcceptor>) {
        loop {
            let accepted = tokio::select! {
                () = self.end.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match (accepted, Arc::clone(&self.permits).try_acquire_owned()) {
                (Ok((stream, _)), Ok(permit)) => {
                    tokio::spawn(self.clone().serve(stream, acceptor.clone(), permit));
                }
                (Ok((_, from)), Err(_)) => debug!(%from, "too many streams, closed"),
                (Err(error), _) => {
                    debug!(%error, "no stream accepted");
                    // out of file descriptors: not at full speed
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn serve(
        self,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
        permit: OwnedSemaphorePermit,
    ) {
        let token = self.end.child_token();
        let connection = match open(stream, acceptor, token.clone()).await {
            Ok(connection) => connection,
            Err(error) => return debug!(%error, "stream closed"),
        };
        self.endpoint.transport_layer.add_connection(connection);
        // cancelled by the stack when the stream ends
        token.cancelled().await;
        drop(permit);
    }
}

async fn open(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    token: CancellationToken,
) -> rsipstack::Result<SipConnection> {
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    let Some(acceptor) = acceptor else {
        let local = sip_address(Transport::Tcp, local);
        return Ok(TcpConnection::from_stream(stream, local, Some(token))?.into());
    };
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
    let stream = handshake.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (local, remote) = (sip_address(Transport::Tls, local), sip_address(Transport::Tls, remote));
    Ok(TlsConnection::from_server_stream(stream, local, remote, Some(token)).await?.into())
}

/// UDP and TCP at one port.
async fn bind_both(listen: SocketAddr) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut attempt = 0;
    loop {
        let udp = UdpSocket::bind(listen).await?;
        let address = udp.local_addr()?;
        attempt += 1;
        match TcpListener::bind(address).await {
            Ok(tcp) => return Ok((udp, tcp, address)),
            Err(_) if listen.port() == 0 && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

async fn bind_tcp(listen: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bind_error(address: SocketAddr, error: io::Error) -> ListenError {
    ListenError::Bind { address, error }
}

fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, String> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&identity.certificate_pem).collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    let key =
        PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|error| error.to_string())?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|it| it.with_no_client_auth().with_single_cert(certificates, key))
        .map_err(|error| error.to_string())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn sip_address(transport: Transport, address: SocketAddr) -> SipAddr {
    SipAddr { r#type: Some(transport), addr: address.into() }
}

#[cfg(test)]
mod tests;
