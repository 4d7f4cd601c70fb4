//! The running service: checks the home, binds the address, makes the document name it, serves
//! until told to stop. The exchange itself is in `http.rs` and `enroll.rs`.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use reload_enroll::ENROLL_PATH;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tracing::{info, warn};

use crate::accounts::Accounts;
use crate::authority::Authority;
use crate::devices::NodeIdLimits;
use crate::document::{self, Document};
use crate::enroll::Enrollment;
use crate::home::{HTTPS_CERTIFICATE, HTTPS_KEY, Home, Lock};
use crate::http::{self, Service};
use crate::limits::{AttemptLimits, Attempts};
use crate::password::PasswordCost;

/// How long open requests may take to end after the signal to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take for its first request and for the headers of each.
const HEADERS: Duration = Duration::from_secs(10);
/// When a renewal of the configuration that failed is tried again.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// The shortest pause between two looks at the document, which another process may have written.
const RENEW_PAUSE: Duration = Duration::from_secs(1);
/// The longest: an expiration that was set a moment ago shall not be missed.
const RENEW_LOOK: Duration = Duration::from_secs(10);

/// How a server serves.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The address to listen on; port 0 is any free port.
    pub listen: SocketAddr,
    /// How long a certificate is valid, in days.
    pub certificate_days: u32,
    /// Limits of Node-IDs and devices.
    pub node_ids: NodeIdLimits,
    /// Limits of failed attempts.
    pub attempts: AttemptLimits,
    /// Work of a password hash.
    pub password_cost: PasswordCost,
}

impl Default for ServeOptions {
    /// Loopback, any port, certificates for one year.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            certificate_days: 365,
            node_ids: NodeIdLimits::default(),
            attempts: AttemptLimits::default(),
            password_cost: PasswordCost::Standard,
        }
    }
}

/// A server that has its address and waits to be run.
#[derive(Debug)]
pub struct Server {
    home: Home,
    address: SocketAddr,
    listener: TcpListener,
    tls: RustlsConfig,
    service: Arc<Service>,
    enrollment_servers: Vec<String>,
    lock: Lock,
}

impl Server {
    /// Checks the home, takes the address and signs a new document when the old one lacks it.
    ///
    /// # Errors
    /// One line that says what is wrong with the home, its document, its keys or the address.
    pub async fn bind(home: &Home, options: ServeOptions) -> Result<Self> {
        home.require_initialised()?;
        let lock = home.lock_server()?;
        let document = Document::load(home)?;
        document.check_time()?;
        let authority = Authority::load(home, &document, options.certificate_days)?;
        let tls = RustlsConfig::from_config(Arc::new(tls_config(home)?));
        let accounts = Accounts::open(home, options.password_cost).await?;
        let listener = TcpListener::bind(options.listen)
            .with_context(|| format!("cannot listen on {} (another --listen?)", options.listen))?;
        listener.set_nonblocking(true).context("cannot listen")?;
        let address = listener.local_addr().context("cannot listen")?;
        document::name_address(home, &accounts, address).await?;
        let enrollment = Enrollment {
            home: home.clone(),
            accounts,
            authority,
            attempts: Attempts::new(options.attempts),
            node_ids: options.node_ids,
            node_id_length: document.configuration().node_id_length,
        };
        let service = Arc::new(Service { home: home.clone(), enrollment });
        let enrollment_servers = document.configuration().enrollment_servers.clone();
        Ok(Self { home: home.clone(), address, listener, tls, service, enrollment_servers, lock })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The enrollment URL on that address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}{ENROLL_PATH}", self.address)
    }

    /// The accounts it serves.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.service.enrollment.accounts
    }

    /// Serves until `shutdown` is done, then lets open requests end.
    ///
    /// # Errors
    /// When the address cannot be served any more.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let handle = Handle::new();
        let mut server = axum_server::from_tcp_rustls(self.listener, self.tls)
            .context("cannot listen")?
            .first_request_timeout(HEADERS)
            .handle(handle.clone());
        server.http_builder().http1().timer(TokioTimer::new()).header_read_timeout(HEADERS);
        server.http_builder().http2().timer(TokioTimer::new()).max_concurrent_streams(16);
        let accounts = self.service.enrollment.accounts.clone();
        let router = http::router(self.service, &self.enrollment_servers);
        let serving = server.serve(router.into_make_service_with_connect_info::<SocketAddr>());
        tokio::pin!(serving, shutdown);
        let mut renewal = Box::pin(renewal(self.home));
        let result = loop {
            tokio::select! {
                result = &mut serving => break result.context("the server ended"),
                () = &mut shutdown => {
                    info!("stopping");
                    handle.graceful_shutdown(Some(DRAIN));
                    break serving.await.context("the server ended");
                }
                () = &mut renewal => {}
            }
        };
        accounts.close().await;
        drop(self.lock);
        result
    }
}

/// Signs the configuration anew before it expires, again and again.
async fn renewal(home: Home) {
    loop {
        let home = home.clone();
        let renewed = tokio::task::spawn_blocking(move || document::renew_if_due(&home)).await;
        let wait = match renewed.map_err(anyhow::Error::from).and_then(|renewed| renewed) {
            Ok(wait) => wait.clamp(RENEW_PAUSE, RENEW_LOOK),
            Err(problem) => {
                warn!("cannot renew the configuration: {problem:#}");
                RENEW_AGAIN
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn tls_config(home: &Home) -> Result<ServerConfig> {
    let key = home.read_key(HTTPS_KEY)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| anyhow::anyhow!("{} holds no private key", home.file(HTTPS_KEY).display()))?;
    let chain = home.read(HTTPS_CERTIFICATE)?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).with_context(|| {
        format!("{} holds no certificate", home.file(HTTPS_CERTIFICATE).display())
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{} and its key do not fit", HTTPS_CERTIFICATE))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()]; // axum-server sets none
    Ok(config)
}
