//! `reload peer`: the node of a home, in the foreground.

mod events;
mod load;
mod refresh;
mod skew;
mod start;
mod store;
mod turn;
mod usage;

pub(crate) use events::note_event;
pub(crate) use load::load;
pub(crate) use start::{NodeOptions, Protocols, start};
pub(crate) use turn::TurnNotes;
pub(crate) use usage::{keep_certificate_stored, sleep_until};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::{CompressLists, PeerArgs};
use crate::commands::home_directory;
use crate::control::{ControlListener, SipEntry, SipListening, serve};
use crate::home::{Home, PEERS, STORE};
use crate::operations::sip_entry;
use crate::print;
use crate::running::Running;
use crate::sip::{Sip, SipPlan};
use crate::source::Source;
use crate::stop::Stop;
use crate::units::now;
use anyhow::bail;
use reload_config::{Configuration, DEFAULT_PORT};
use reload_net::CryptoPool;

use events::{Ended, Watch};
use refresh::Refresh;
use turn::{Turn, TurnWish};

/// A node that cannot leave in good order within this time stops all the same.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs the node until it is told to stop.
///
/// # Errors
/// One line that says what is wrong and what to do.
pub(crate) async fn run(arguments: PeerArgs, json: bool) -> anyhow::Result<()> {
    let home = Home::open(&home_directory(&arguments.home)?)?;
    let mut stop = Stop::new()?;
    let _lock = home.lock()?;
    let source = Source::of(&home)?;
    if let Some(source) = &source
        && let Err(error) = refresh::renew_expired(&home, source).await
    {
        tracing::warn!("the configuration has expired, and no new one can be had: {error:#}");
    }
    let loaded = load(&home, now().wall)?;
    warn_of_key_log(&arguments);
    let options = options(&home, &arguments, &loaded.configuration.configuration)?;
    let wish = turn_wish(&arguments, &loaded.configuration.configuration)?;
    let turn_server = turn::bind(wish, &loaded.configuration.configuration.instance_name)?;
    let pool = CryptoPool::for_this_machine()?;
    let certificate = loaded.credentials.certificate();
    let configuration = &loaded.configuration.configuration;
    let phones = SipPlan::of(&arguments.sip, &home, configuration, certificate).await?;
    let node = start(loaded, options, pool).await?;
    if let Some(plan) = phones {
        node.set_sip(Sip::start(&node, &home, plan).await?);
    }
    let turn = Turn::start(node.clone(), wish, turn_server, &arguments.turn);
    let listener = ControlListener::bind(home.directory())?;
    let control = tokio::spawn(serve(listener, Arc::new(node.clone())));
    let mut watch = Watch::new(&node, &home)?;
    let interval = Duration::from_secs(arguments.config_interval.into());
    let refresh = source.map(|source| Refresh::new(node.clone(), source, interval));
    let refresh = refresh.map(|refresh| tokio::spawn(refresh.run()));
    let joined = async {
        watch.joined().await?;
        print_ready(&node, json)?;
        let usage = tokio::spawn(keep_certificate_stored(node.clone()));
        let skew = tokio::spawn(skew::warn_of_clock(node.clone()));
        let offer = tokio::spawn(store::offer_kept(node.clone()));
        let ended = watch.run().await;
        usage.abort();
        skew.abort();
        offer.abort();
        ended
    };
    let ended = tokio::select! {
        ended = joined => ended,
        () = stop.wait() => Ok(Ended::Told),
    };
    control.abort();
    if let Some(refresh) = refresh {
        refresh.abort();
    }
    if let Some(sip) = node.sip() {
        sip.stop().await;
    }
    turn.stop().await;
    let peers = node.connected_peers().await.unwrap_or_default();
    leave(&node, &mut stop).await;
    if !peers.is_empty() {
        home.write_peers(&peers)?;
    }
    match ended? {
        Ended::Told => Ok(()),
        Ended::Stopped => bail!("the node has stopped; see its log"),
        Ended::Unsupported(reason) => bail!("left the overlay: {reason}"),
    }
}

/// The `listen` addresses, and where to look for the overlay: command line, cache, configuration.
fn options(
    home: &Home,
    arguments: &PeerArgs,
    configuration: &Configuration,
) -> anyhow::Result<NodeOptions> {
    if arguments.client && !configuration.clients_permitted {
        bail!(
            "the overlay {} permits no clients: run without --client",
            configuration.instance_name
        );
    }
    let mut bootstrap = arguments.bootstrap.clone();
    bootstrap.extend(home.cached_peers());
    bootstrap.extend(&configuration.bootstrap_nodes);
    let mut seen = std::collections::BTreeSet::new();
    bootstrap.retain(|address| seen.insert(*address));
    let protocols = protocols(arguments, configuration)?;
    let mut listen = arguments.listen.clone();
    if listen.is_empty() {
        listen.extend(default_listen(arguments, configuration, &bootstrap));
    }
    if !arguments.first && bootstrap.iter().all(|address| listen.contains(address)) {
        if let Some(own) = bootstrap.first() {
            bail!(
                "no bootstrap peer is known but {own}, where this node itself is to listen: give \
                 another --listen or --bootstrap, or --first to found the overlay"
            );
        }
        bail!(
            "no bootstrap peer is known (none in the configuration, on the command line or in {}): \
             give --bootstrap ADDR:PORT, or --first to found the overlay",
            home.path(PEERS).display()
        );
    }
    Ok(NodeOptions {
        listen,
        protocols,
        advertise: arguments.advertise,
        stun: arguments.stun.clone(),
        turn: arguments.turn.clone(),
        bootstrap,
        first: arguments.first,
        client: arguments.client,
        keylog: arguments.keylog.clone(),
        lists: CompressLists::of(arguments.compress_lists),
        requests_per_second: Some(arguments.requests_per_second),
        store: (!arguments.client).then(|| home.path(STORE)),
    })
}

/// What is spoken: a client that listens nowhere still needs UDP where links have ICE.
fn protocols(arguments: &PeerArgs, configuration: &Configuration) -> anyhow::Result<Protocols> {
    match (arguments.no_udp, configuration.no_ice) {
        (true, false) => bail!(
            "the links of the overlay {} have ICE, which needs UDP: run without --no-udp",
            configuration.instance_name
        ),
        (true, true) => Ok(Protocols::TcpOnly),
        (false, _) if arguments.client && arguments.listen.is_empty() => Ok(Protocols::UdpOnly),
        (false, _) => Ok(Protocols::Both),
    }
}

/// Where a peer listens that was told nothing; and from where such a client sends if links have ICE,
/// from loopback if that is where the overlay is.
fn default_listen(
    arguments: &PeerArgs,
    configuration: &Configuration,
    bootstrap: &[SocketAddr],
) -> Option<SocketAddr> {
    let loopback = [127, 0, 0, 1];
    if !arguments.client {
        return Some(SocketAddr::from((loopback, DEFAULT_PORT)));
    }
    let here = bootstrap.iter().all(|address| address.ip().is_loopback());
    let ip = if here { loopback } else { [0, 0, 0, 0] };
    (!configuration.no_ice).then(|| SocketAddr::from((ip, 0)))
}

/// Whether it relays for others (section 9): they need that only where links have ICE.
fn turn_wish(arguments: &PeerArgs, configuration: &Configuration) -> anyhow::Result<TurnWish> {
    if arguments.turn_server.is_some() && configuration.no_ice {
        bail!(
            "the links of the overlay {} have no ICE, so nobody needs a TURN server: run without --turn-server",
            configuration.instance_name
        );
    }
    let never = arguments.no_turn_server || arguments.client || arguments.no_udp;
    Ok(match arguments.turn_server {
        Some(Some(address)) => TurnWish::At(address),
        Some(None) => TurnWish::Anyway,
        None if never => TurnWish::Never,
        None => TurnWish::IfPublic,
    })
}

fn warn_of_key_log(arguments: &PeerArgs) {
    let environment = std::env::var_os("SSLKEYLOGFILE").filter(|text| !text.is_empty());
    let file = arguments.keylog.clone().or(environment.map(Into::into));
    if let Some(file) = file {
        tracing::warn!(
            "TLS SECRETS ARE WRITTEN to {}: whoever has that file can read all traffic of this node",
            file.display()
        );
    }
}

/// The line that tells that this node serves.
fn print_ready(node: &Running, json: bool) -> anyhow::Result<()> {
    let overlay = &node.configuration().instance_name;
    let listen: Vec<_> = node.handle().listening().iter().map(ToString::to_string).collect();
    if json {
        let node_id = node.node_id().to_string();
        let mut line = serde_json::json!({"ready": true, "node_id": node_id, "overlay": overlay, "listen": listen});
        if let Some(sip) = sip_entry(node) {
            line["sip"] = serde_json::to_value(sip)?;
        }
        return print::text(&format!("{line}\n"));
    }
    let listen = if listen.is_empty() { "none".to_owned() } else { listen.join(",") };
    let ready = format!("ready node-id={} overlay={overlay} listen={listen}\n", node.node_id());
    print::text(&(ready + &sip_entry(node).map_or_else(String::new, |sip| for_phones(&sip))))
}

/// What to type into a phone.
fn for_phones(sip: &SipEntry) -> String {
    let SipListening { udp, tcp, tls } = &sip.listening;
    let by = if udp == tcp { "UDP or TCP" } else { "UDP" };
    let tls = tls.as_ref().map_or_else(String::new, |tls| format!(", {tls} (TLS)"));
    let password = if sip.password { "as in --sip-password-file" } else { "none" };
    format!(
        "phones: user={} domain={} proxy={udp} ({by}){tls} password={password}\n",
        sip.user, sip.domain
    )
}

/// Leaves in good order, unless it takes too long or is told again.
async fn leave(node: &Running, stop: &mut Stop) {
    tracing::info!("leaving the overlay");
    tokio::select! {
        () = node.handle().shutdown() => tracing::info!("left"),
        () = tokio::time::sleep(LEAVE_TIMEOUT) => tracing::warn!("leaving takes too long: stopping"),
        () = stop.wait() => tracing::warn!("stopping at once"),
    }
}
