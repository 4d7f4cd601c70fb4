//! Ping, Probe, the path to a resource, and who keeps it.

use reload_node::{Reply, Request, Response};
use reload_wire::{Destination, NodeId, ProbeInformation, ProbeInformationType, ResourceId};

use super::ring::after;
use crate::control::{Failure, LocateReply, Pong, Probed, Progress, RouteReply, RouteStep};
use crate::running::{Running, unexpected};
use crate::units::{milliseconds, now};

/// Copies of a value besides the responsible peer's (section 10.4).
const REPLICAS: usize = 2;

/// A path is never longer than this: initial-ttl has 8 bits.
const MAX_PATH: usize = 255;

/// Pings a node or the peer responsible for a resource (section 6.5.3).
///
/// # Errors
/// One line.
pub(crate) async fn ping(node: &Running, target: &str) -> Result<Pong, Failure> {
    let response = ping_destination(node, node.destination(target).await?).await?;
    let Reply::Pong { time, .. } = response.reply else { return Err(unexpected()) };
    Ok(Pong {
        node: response.from.to_string(),
        hops: response.hops,
        milliseconds: milliseconds(response.elapsed),
        clock_milliseconds: difference(time.0, now().wall.0),
    })
}

/// Theirs minus ours, as far as it fits.
fn difference(theirs: u64, ours: u64) -> i64 {
    let span = i64::try_from(theirs.abs_diff(ours)).unwrap_or(i64::MAX);
    if theirs >= ours { span } else { -span }
}

async fn ping_destination(node: &Running, to: Destination) -> Result<Response, Failure> {
    node.request(Request::Ping { to: vec![to], padding: 0 }).await
}

/// Probes a peer (section 6.4.2.5).
///
/// # Errors
/// One line.
pub(crate) async fn probe(node: &Running, target: &str) -> Result<Probed, Failure> {
    let (_, probed) = probe_destination(node, node.destination(target).await?).await?;
    Ok(probed)
}

pub(super) async fn probe_destination(
    node: &Running,
    to: Destination,
) -> Result<(NodeId, Probed), Failure> {
    let information = vec![
        ProbeInformationType::RESPONSIBLE_SET,
        ProbeInformationType::NUM_RESOURCES,
        ProbeInformationType::UPTIME,
    ];
    let response = node.request(Request::Probe { to: vec![to], information }).await?;
    let Reply::Probed(said) = response.reply else { return Err(unexpected()) };
    let mut probed = Probed {
        node: response.from.to_string(),
        hops: response.hops,
        milliseconds: milliseconds(response.elapsed),
        share_percent: None,
        resources: None,
        uptime: None,
    };
    for information in said {
        match information {
            // In parts per billion.
            ProbeInformation::ResponsibleSet(ppb) => {
                probed.share_percent = Some(f64::from(ppb) / 1e7)
            }
            ProbeInformation::NumResources(number) => probed.resources = Some(number),
            ProbeInformation::Uptime(seconds) => probed.uptime = Some(seconds),
            _ => {}
        }
    }
    Ok((response.from, probed))
}

/// The path to a resource or node, by asking peer by peer where it would send next (10.8).
///
/// # Errors
/// One line.
pub(crate) async fn route(
    node: &Running,
    target: &str,
    progress: &Progress,
) -> Result<RouteReply, Failure> {
    let destination = node.destination(target).await?;
    let mut path = vec![RouteStep { node: node.node_id().to_string(), milliseconds: None }];
    let mut current = node.node_id();
    while path.len() <= MAX_PATH {
        let to = vec![Destination::Node(current)];
        let request = Request::RouteQuery { to, target: destination.clone() };
        let response = node.request(request).await?;
        if let Some(step) = path.last_mut().filter(|_| current != node.node_id()) {
            step.milliseconds = Some(milliseconds(response.elapsed));
        }
        let Reply::Routed(next) = response.reply else { return Err(unexpected()) };
        // The responsible peer names itself.
        if next == current {
            return Ok(RouteReply { target: show(&destination), path });
        }
        progress.say(format!("hop {}: {next}", path.len()));
        path.push(RouteStep { node: next.to_string(), milliseconds: None });
        current = next;
        if destination == Destination::Node(next) {
            return Ok(RouteReply { target: show(&destination), path });
        }
    }
    Err(Failure::new(format!(
        "the path goes on after {MAX_PATH} peers: the ring is not in order yet"
    )))
}

fn show(destination: &Destination) -> String {
    match destination {
        Destination::Node(node) => format!("node {node}"),
        Destination::Resource(resource) => format!("resource {resource}"),
        other => format!("{other:?}"),
    }
}

/// The responsible peer of a name and its replicas: the next peers of the ring (section 10.4).
///
/// # Errors
/// One line.
pub(crate) async fn locate(node: &Running, name: &str) -> Result<LocateReply, Failure> {
    let resource = node.resource_id(name).await?;
    let response = ping_destination(node, Destination::Resource(resource.clone())).await?;
    let mut keepers = vec![response.from];
    while keepers.len() <= REPLICAS {
        let last = keepers.last().copied().unwrap_or(response.from);
        let next = successor(node, &last).await?;
        if keepers.contains(&next) {
            break; // a ring of fewer than three
        }
        keepers.push(next);
    }
    Ok(LocateReply {
        name: name.to_owned(),
        resource: resource.to_string(),
        responsible: response.from.to_string(),
        replicas: keepers.iter().skip(1).map(ToString::to_string).collect(),
        hops: response.hops,
    })
}

async fn successor(node: &Running, peer: &NodeId) -> Result<NodeId, Failure> {
    let next: ResourceId = after(peer)?;
    Ok(ping_destination(node, Destination::Resource(next)).await?.from)
}
