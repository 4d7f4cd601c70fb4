//! Puts a node together and starts it in its driver.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use reload_chord::{Chord, ChordConfig};
use reload_net::{Bound, CryptoPool, Settings, TlsIdentity, TurnLogin, key_log_from};
use reload_node::{Limits, ListCompression, Node, Role, Setup, Start};

use super::load::Loaded;
use super::store::open_store;
use crate::running::Running;
use crate::units::now;

/// How a node shall run.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeOptions {
    /// Where to listen.
    pub listen: Vec<SocketAddr>,
    /// What is spoken there.
    pub protocols: Protocols,
    /// What others are told to dial.
    pub advertise: Option<SocketAddr>,
    /// STUN servers besides the bootstrap nodes.
    pub stun: Vec<SocketAddr>,
    /// TURN servers.
    pub turn: Vec<TurnLogin>,
    /// Where to look for the overlay, in this order.
    pub bootstrap: Vec<SocketAddr>,
    /// Found the overlay if nobody answers.
    pub first: bool,
    /// Be a client.
    pub client: bool,
    /// Where TLS secrets go.
    pub keylog: Option<PathBuf>,
    /// Whether it compresses via lists.
    pub lists: ListCompression,
    /// Requests that one node may make here in a second, where not as by default.
    pub requests_per_second: Option<u32>,
    /// The directory of the stored values; they are kept in memory alone without one.
    pub store: Option<PathBuf>,
}

/// What is spoken at the addresses of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// TLS over TCP, DTLS and ICE over UDP.
    #[default]
    Both,
    /// TLS over TCP.
    TcpOnly,
    /// DTLS and ICE over UDP.
    UdpOnly,
}

/// Binds and starts. The node is on its way into the overlay when this returns.
///
/// # Errors
/// What the system or the configuration does not allow.
pub(crate) async fn start(
    loaded: Loaded,
    options: NodeOptions,
    pool: CryptoPool,
) -> anyhow::Result<Running> {
    let Loaded { configuration, trust, credentials } = loaded;
    let trust = Arc::new(trust);
    let seed = random_seed()?;
    let chord = chord(&configuration.configuration, &credentials, &options, seed)?;
    let store = open_store(options.store.as_deref(), &configuration, &trust, &chord)?;
    let key_log = key_log_from(options.keylog.as_deref())?;
    let identity = TlsIdentity::new(&credentials, Arc::clone(&trust), key_log)?;
    let settings = Settings {
        listen: options.listen.clone(),
        tcp: options.protocols != Protocols::UdpOnly,
        udp: options.protocols != Protocols::TcpOnly,
        advertise: options.advertise.into_iter().collect(),
        stun_servers: stun_servers(&configuration.configuration, &options),
        turn_servers: options.turn.clone(),
        ..Settings::default()
    };
    let bound = Bound::new(settings, identity, pool).await?;
    let role = if options.client { Role::Client } else { Role::Peer };
    let plain = Arc::new(configuration.configuration.clone());
    let certificate = Arc::clone(credentials.certificate());
    // A node does not look for itself.
    let own = bound.listening();
    let bootstrap = options.bootstrap.into_iter();
    let bootstrap = bootstrap.filter(|address| !own.contains(address)).collect();
    let credentials = Arc::new(credentials);
    let mut limits = Limits::default();
    if let Some(most) = options.requests_per_second {
        limits.requests_per_second = most;
    }
    let lists = options.lists;
    let setup = Setup { credentials, configuration, trust, role, seed, lists, limits };
    let node = Node::new(now(), setup, chord, store);
    let handle = bound.run(node, Start { bootstrap, first: options.first });
    Ok(Running::new(handle, certificate, plain))
}

/// Where there is ICE the bootstrap nodes are the first to be asked (section 6.5.1.4).
fn stun_servers(
    configuration: &reload_config::Configuration,
    options: &NodeOptions,
) -> Vec<SocketAddr> {
    let mut servers = options.stun.clone();
    if !configuration.no_ice {
        servers.extend(&options.bootstrap);
    }
    servers
}

fn chord(
    configuration: &reload_config::Configuration,
    credentials: &reload_identity::Credentials,
    options: &NodeOptions,
    seed: [u8; 32],
) -> anyhow::Result<Chord> {
    let role = if options.client {
        let dialable = !options.listen.is_empty() || options.advertise.is_some();
        reload_chord::Role::Client { dialable }
    } else {
        reload_chord::Role::Peer
    };
    let [a, b, c, d, e, f, g, h, ..] = seed;
    let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    let mut config = ChordConfig::new(credentials.node_id(), role, number);
    config.update_interval = configuration.chord.update_interval;
    config.ping_interval = configuration.chord.ping_interval;
    config.reactive = configuration.chord.reactive;
    Ok(Chord::new(&config)?)
}

/// Transaction ids must not be guessed (section 6.3.2).
fn random_seed() -> anyhow::Result<[u8; 32]> {
    use rand::TryRngCore;
    let mut seed = [0; 32];
    let filled = rand::rngs::OsRng.try_fill_bytes(&mut seed);
    filled.context("the system gives no random numbers")?;
    Ok(seed)
}
