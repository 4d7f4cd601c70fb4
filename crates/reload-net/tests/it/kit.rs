//! An overlay for tests: its CA, certificates good and bad, captured log lines, bounded waiting.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity, random_node_id,
};
use reload_net::{AcceptLimits, Accepted, Gate, Listener, NetError, TlsIdentity};
use reload_wire::{NodeId, NodeIdLength, UnixTime};
use rustls::SupportedProtocolVersion;
use tokio::sync::mpsc;
use tracing::subscriber::DefaultGuard;

pub(crate) const OVERLAY: &str = "overlay.example.org";
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Each version of TLS alone.
pub(crate) const TLS_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
pub(crate) const TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// An address at which nobody listens, and that nobody else gets while the socket is held.
pub(crate) fn nobody() -> (tokio::net::TcpSocket, SocketAddr) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(loopback()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

pub(crate) fn wall() -> UnixTime {
    reload_net::now().wall
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it should have happened by now")
}

/// A certificate authority and the overlay it stands for.
pub(crate) struct Overlay {
    pub(crate) issuer: Issuer,
}

impl Overlay {
    pub(crate) fn new() -> Self {
        Self::with_ca("test CA")
    }

    pub(crate) fn with_ca(name: &str) -> Self {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        Self { issuer: Issuer::create(key, name, Validity::starting(wall(), YEAR)).unwrap() }
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        self.trust_without(&[])
    }

    pub(crate) fn trust_without(&self, bad_nodes: &[NodeId]) -> Arc<Trust> {
        let settings = TrustSettings {
            overlay: OVERLAY,
            node_id_length: NodeIdLength::DEFAULT,
            root_certs: &[self.issuer.certificate_der().clone()],
            self_signed: None,
            bad_nodes,
            leniency: Leniency::Strict,
        };
        Arc::new(Trust::from_settings(&settings).unwrap())
    }

    pub(crate) fn node(&self) -> Credentials {
        self.node_with(KeyPair::generate(Algorithm::EcdsaP256).unwrap(), valid())
    }

    pub(crate) fn rsa_node(&self) -> Credentials {
        static KEY: OnceLock<String> = OnceLock::new(); // slow to make
        let pem = KEY.get_or_init(|| KeyPair::generate(Algorithm::Rsa2048).unwrap().to_pem());
        self.node_with(KeyPair::from_pem(pem).unwrap(), valid())
    }

    pub(crate) fn expired_node(&self) -> Credentials {
        self.node_with(KeyPair::generate(Algorithm::EcdsaP256).unwrap(), expired())
    }

    fn node_with(&self, key: KeyPair, validity: Validity) -> Credentials {
        let id = random_node_id(NodeIdLength::DEFAULT).unwrap();
        let certificate =
            self.issuer.node_certificate(key.spki(), OVERLAY, &[id], None, validity).unwrap();
        // The owner of an expired certificate loaded it in time.
        let then = UnixTime(validity.not_after.0 - 1000);
        let certificate = self.trust().check(&certificate, &[], then).unwrap();
        Credentials::new(key, certificate).unwrap()
    }

    pub(crate) fn identity(&self, credentials: &Credentials) -> TlsIdentity {
        identity(credentials, self.trust())
    }
}

pub(crate) fn identity(credentials: &Credentials, trust: Arc<Trust>) -> TlsIdentity {
    TlsIdentity::new(credentials, trust, None).unwrap()
}

pub(crate) fn valid() -> Validity {
    Validity::starting(wall(), YEAR)
}

pub(crate) fn expired() -> Validity {
    let day = 86_400_000;
    Validity { not_before: UnixTime(wall().0 - 9 * day), not_after: UnixTime(wall().0 - day) }
}

/// A listener that hands out what it accepted.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) accepted: mpsc::Receiver<Accepted>,
    task: tokio::task::JoinHandle<()>,
}

impl Door {
    pub(crate) async fn open(
        identity: TlsIdentity,
        limits: AcceptLimits,
    ) -> Result<Self, NetError> {
        let listener = Listener::bind(loopback()).await?;
        let (gate, address) = (Gate::new(limits), listener.address());
        let (sender, accepted) = mpsc::channel(8);
        let task = listener.serve(identity, gate.clone(), sender);
        Ok(Self { address, gate, accepted, task })
    }

    pub(crate) async fn accepted(&mut self) -> Accepted {
        soon(self.accepted.recv()).await.unwrap()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The log lines of this thread, from `warn` up.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until a line has `part`.
    pub(crate) async fn wait_for(&self, part: &str) {
        let seen = async {
            while !self.text().contains(part) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, seen).await;
        assert!(waited.is_ok(), "no log line with {part:?} in:\n{}", self.text());
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A data frame (section 6.6.2).
pub(crate) fn frame(sequence: u32, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![128];
    frame.extend_from_slice(&sequence.to_be_bytes());
    frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes()[1..]);
    frame.extend_from_slice(message);
    frame
}

pub(crate) fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}
