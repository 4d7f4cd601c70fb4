//! What the node tells: log lines, notes for the status page, new configurations for the home.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use reload_config::OverlayDocument;
use reload_node::Event;
use reload_topology::TopologyEvent;
use reload_wire::NodeId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

use crate::home::{CONFIGURATION, Home};
use crate::running::Running;

/// How often the cache of connected peers is written if they have changed: a peer that is killed soon
/// after its start shall find its overlay again.
const KEEP_PEERS: Duration = Duration::from_millis(500);

/// The next event; none when the node has stopped.
async fn receive(events: &mut Receiver<Event>) -> Option<Event> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(lost)) => tracing::warn!("{lost} events were not seen"),
            Err(RecvError::Closed) => return None,
        }
    }
}

/// How the node came to its end.
#[derive(Debug)]
pub(super) enum Ended {
    /// By a signal.
    Told,
    /// By itself.
    Stopped,
    /// The overlay has a new configuration that this node cannot run (section 11.1).
    Unsupported(String),
}

/// Watches the events of a node.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    node: &'a Running,
    home: &'a Home,
    events: Receiver<Event>,
    tick: Interval,
    /// What the cache of connected peers holds, as far as this process has written it.
    kept: Vec<(NodeId, SocketAddr)>,
    unsupported: Option<String>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(node: &'a Running, home: &'a Home) -> anyhow::Result<Self> {
        let mut tick = interval_at(tokio::time::Instant::now() + KEEP_PEERS, KEEP_PEERS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = node.handle().events()?;
        Ok(Self { node, home, events, tick, kept: Vec::new(), unsupported: None })
    }

    /// Waits until the node is a peer, or as a client is settled.
    pub(super) async fn joined(&mut self) -> anyhow::Result<()> {
        // It may have joined before anybody listened.
        if self.is_joined().await? {
            return self.keep_peers().await;
        }
        loop {
            let event = receive(&mut self.events).await;
            let event = event.context("the node has stopped before it joined; see its log")?;
            self.act(&event);
            if matches!(event, Event::Topology(TopologyEvent::Joined)) {
                return self.keep_peers().await;
            }
        }
    }

    /// Watches until the node stops.
    pub(super) async fn run(&mut self) -> anyhow::Result<Ended> {
        loop {
            tokio::select! {
                event = receive(&mut self.events) => match event {
                    Some(event) => self.act(&event),
                    None => {
                        let reason = self.unsupported.take();
                        return Ok(reason.map_or(Ended::Stopped, Ended::Unsupported));
                    }
                },
                _ = self.tick.tick() => self.keep_peers().await?,
            }
        }
    }

    async fn is_joined(&self) -> anyhow::Result<bool> {
        use reload_topology::Phase;
        let phase = self.node.snapshot().await?.status.view.phase;
        Ok(matches!(phase, Phase::Peer | Phase::Client))
    }

    /// The cache stays as it was while nobody is connected. A full disk shall not stop a node that runs.
    async fn keep_peers(&mut self) -> anyhow::Result<()> {
        let peers = self.node.connected_peers().await?;
        if peers.is_empty() || peers == self.kept {
            return Ok(());
        }
        match self.home.write_peers(&peers) {
            Ok(()) => self.kept = peers,
            Err(error) => tracing::warn!("{error}"),
        }
        Ok(())
    }

    /// What cannot be done is told; the node runs on.
    fn act(&mut self, event: &Event) {
        if let Err(error) = self.on_event(event) {
            tracing::warn!("{error:#}");
        }
    }

    fn on_event(&mut self, event: &Event) -> anyhow::Result<()> {
        note_event(self.node, event);
        match event {
            Event::Topology(event) => on_topology(event),
            Event::BootstrapFailed { address, reason } => {
                tracing::warn!("bootstrap peer {address} does not lead into the overlay: {reason}");
            }
            Event::NoBootstrap { tried, again_in } => {
                tracing::warn!(
                    "none of {tried} bootstrap peers answers; trying again in {again_in} s"
                );
            }
            Event::LinkUp { node, remote } => tracing::debug!("link up: {node} at {remote}"),
            Event::LinkDown { node, reason } => tracing::info!("link down: {node}: {reason}"),
            Event::Configured { sequence, document } => self.on_configured(*sequence, document)?,
            Event::Unsupported { reason } => {
                tracing::error!(
                    "the new configuration asks for what this node cannot do: {reason}"
                );
                self.unsupported = Some(reason.clone());
            }
            Event::LinkFailed { node: Some(node), reason, .. } => {
                tracing::info!("no link to {node}: {reason}");
            }
            Event::LinkFailed { node: None, reason, .. } => tracing::info!("no link: {reason}"),
            Event::Pipe { node, application, .. } => {
                tracing::info!("connection of {node} for application {application}");
            }
            Event::Asked { node, application, .. } => {
                tracing::debug!("{node} asks for application {application}");
            }
            Event::Finished(..) => {}
        }
        Ok(())
    }

    /// Written whole or not at all; the node runs it already.
    fn on_configured(&self, sequence: u16, document: &[u8]) -> anyhow::Result<()> {
        tracing::info!("new configuration with sequence {sequence}");
        let parsed =
            OverlayDocument::parse(document).context("the new configuration is damaged")?;
        let name = self.node.configuration().instance_name.clone();
        let configuration = parsed.find(&name)?.clone();
        self.node.note(|notes| notes.configuration = std::sync::Arc::new(configuration));
        Ok(self.home.write(CONFIGURATION, document)?)
    }
}

fn on_topology(event: &TopologyEvent) {
    match event {
        TopologyEvent::Joining { step, node } => {
            let other = node.map(|node| format!(" ({node})")).unwrap_or_default();
            tracing::info!("joining: {step}{other}");
        }
        TopologyEvent::Joined => tracing::info!("joined the overlay"),
        TopologyEvent::JoinFailed { step } => tracing::warn!("join failed at: {step}"),
        TopologyEvent::Isolated => tracing::warn!("all successors are gone: joining again"),
        TopologyEvent::Changed => tracing::debug!("neighbours or responsibility changed"),
        TopologyEvent::Left => tracing::info!("left the overlay"),
    }
}

/// Notes what the status page shows of the join (section 10.5).
pub(crate) fn note_event(node: &Running, event: &Event) {
    let Event::Topology(TopologyEvent::Joining { step, node: other }) = event else { return };
    node.note(|notes| {
        notes.join_step = Some(step);
        if step.contains("admitting") && other.is_some() {
            notes.admitting_peer = *other;
        }
    });
}
