//! The overlay of the demo: an enrollment server and peers, all in this process, each peer with a
//! home, a certificate, a listening socket and a runtime of its own, so that it can be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use enrollment_server::{InitOptions, ServeOptions, Server, init};
use reload_identity::{Algorithm, KeyPair};
use reload_net::CryptoPool;
use reload_node::Event;
use reload_topology::{Phase, TopologyEvent};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::control::{ControlListener, serve};
use crate::daemon::{NodeOptions, Protocols, keep_certificate_stored, load, note_event, start};
use crate::enroll::{self, Account, Overlay, Password};
use crate::home::Home;
use crate::running::Running;
use crate::source::{Place, Source};
use crate::units::now;

/// Nobody's name outside this process.
pub(super) const OVERLAY: &str = "demo.example.org";

/// A peer that takes longer to join than this has failed.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Dropping the tasks of a peer takes milliseconds.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The enrollment server.
pub(super) struct Enrollment {
    pub(super) address: SocketAddr,
    ca: Vec<u8>,
    ice: bool,
    accounts: enrollment_server::Accounts,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Enrollment {
    /// Makes CA, signer and configuration, and serves on a free port.
    pub(super) async fn start(directory: &Path, ice: bool) -> anyhow::Result<Self> {
        let home = enrollment_server::Home::new(directory);
        let accounts = init(&home, InitOptions { ice, ..InitOptions::new(OVERLAY) }).await?;
        let server = Server::bind(&home, ServeOptions::default()).await?;
        let address = server.address();
        let ca = std::fs::read(directory.join("https-ca.pem")).context("no CA of the server")?;
        let (stop, stopped) = oneshot::channel();
        // An end without a word is a stop as well.
        let task = tokio::spawn(server.run(async { drop(stopped.await) }));
        Ok(Self { address, ca, ice, accounts, stop: Some(stop), task })
    }

    /// Stops serving.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.stop.take());
        self.task.await.context("the enrollment server broke")?
    }

    /// Opens an account and enrolls: what `reload-enroll user add` and `reload enroll` do.
    async fn enroll(&self, home: &Home, user: &str) -> anyhow::Result<()> {
        let password = Password::new(format!("{user} in the demo"));
        self.accounts.add(user, password.expose()).await?;
        let url = format!("https://{}{}", self.address, reload_enroll::WELL_KNOWN_PATH);
        let ca = String::from_utf8(self.ca.clone()).context("the CA of the server is no PEM")?;
        let source = Source { place: Place::Url(url), ca: Some(ca) };
        let fetched = source.fetch(OVERLAY, None).await?.context("no configuration is served")?;
        let overlay = Overlay::new(&fetched.document, OVERLAY, Some(self.ca.clone()))?;
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        let account = Account { user, password: &password, device: "demo" };
        let certificate = enroll::request_certificate(&overlay, &key, account).await?;
        enroll::write_home(home, &overlay, Some(&key), &certificate)
    }
}

/// One peer.
pub(super) struct Peer {
    /// The part of the user name before the @.
    pub(super) name: String,
    /// Its home.
    pub(super) home: PathBuf,
    /// The node.
    pub(super) node: Running,
    /// From the first dial to the end of the join.
    pub(super) joined_in: Duration,
    runtime: Option<Runtime>,
}

impl Peer {
    /// Enrolls, starts and joins.
    pub(super) async fn start(
        enrollment: &Enrollment,
        name: &str,
        directory: &Path,
        bootstrap: Vec<SocketAddr>,
        pool: &CryptoPool,
    ) -> anyhow::Result<Self> {
        let home = Home::create(directory)?;
        let user = format!("{name}@{OVERLAY}");
        enrollment.enroll(&home, &user).await.with_context(|| format!("{user} cannot enroll"))?;
        let runtime = runtime(name)?;
        let begin = Instant::now();
        let options = NodeOptions {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            // As behind a NAT: whoever has ICE needs no TCP at all.
            protocols: if enrollment.ice { Protocols::UdpOnly } else { Protocols::Both },
            first: bootstrap.is_empty(),
            bootstrap,
            ..NodeOptions::default()
        };
        let running = runtime.spawn(run(home, options, pool.clone())).await;
        let mut peer = Self {
            name: name.to_owned(),
            home: directory.to_owned(),
            node: running.context("the peer broke")??,
            joined_in: Duration::ZERO,
            runtime: Some(runtime),
        };
        wait_until_joined(&peer.node).await.with_context(|| format!("{name} does not join"))?;
        peer.joined_in = begin.elapsed();
        Ok(peer)
    }

    /// The address it listens on.
    pub(super) fn address(&self) -> anyhow::Result<SocketAddr> {
        self.node.handle().listening().first().copied().context("the peer listens nowhere")
    }

    /// Kills it as `kill -9` does: its tasks are dropped where they stand, its sockets are closed,
    /// and it says goodbye to nobody. Afterwards none of its tasks acknowledges anything any more.
    pub(super) async fn kill(mut self) {
        if let Some(runtime) = self.runtime.take() {
            let shutdown = move || runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
            // A thread that does not end is left behind.
            drop(tokio::task::spawn_blocking(shutdown).await);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name(name).enable_all().build();
    runtime.context("cannot start a runtime for a peer")
}

/// What `reload peer` does, without signals.
async fn run(home: Home, options: NodeOptions, pool: CryptoPool) -> anyhow::Result<Running> {
    let loaded = load(&home, now().wall)?;
    let node = start(loaded, options, pool).await?;
    let listener = ControlListener::bind(home.directory())?;
    tokio::spawn(serve(listener, Arc::new(node.clone())));
    Ok(node)
}

async fn wait_until_joined(node: &Running) -> anyhow::Result<()> {
    let mut events = node.handle().events()?;
    let joined = async {
        while node.snapshot().await?.status.view.phase != Phase::Peer {
            // Lost events show in the next look at the phase.
            match events.recv().await {
                Ok(Event::BootstrapFailed { address, reason }) => {
                    bail!("the bootstrap peer {address} does not answer: {reason}")
                }
                Ok(Event::Topology(TopologyEvent::JoinFailed { step })) => {
                    tracing::warn!("join failed at {step}");
                }
                Ok(event) => note_event(node, &event),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        Ok(())
    };
    let timeout = tokio::time::timeout(JOIN_TIMEOUT, joined).await;
    timeout.context("not joined in time")??;
    tokio::spawn(keep_certificate_stored(node.clone()));
    Ok(())
}
