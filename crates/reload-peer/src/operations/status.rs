//! The picture of a node.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reload_net::{Refused, Snapshot};
use reload_node::Counters;
use reload_store::WriterStatus;
use reload_topology::{Phase, View};
use reload_wire::NodeId;

use super::links::entries;
use super::sip_entry;
use crate::control::{Failure, Finger, RelayedByEntry, StatusReply, TurnServerEntry};
use crate::daemon::TurnNotes;
use crate::running::Running;

/// What `reload status` shows.
///
/// # Errors
/// The node has stopped.
pub(crate) async fn status(node: &Running) -> Result<StatusReply, Failure> {
    let snapshot = node.snapshot().await?;
    let links = entries(&snapshot);
    let Snapshot { status, listening, connections_refused, datagrams, .. } = snapshot;
    let half_open_refused =
        connections_refused.half_open + datagrams.map_or(0, |counters| counters.refused);
    let refused = Refused { half_open: half_open_refused, ..connections_refused };
    let store = node.store_status().await?;
    let notes = node.notes();
    let configuration = notes.configuration;
    let View { phase, predecessors, successors, fingers, responsible } = status.view.clone();
    Ok(StatusReply {
        node_id: status.node_id.to_string(),
        user: node.user().map(str::to_owned),
        overlay: configuration.instance_name.clone(),
        overlay_hash: format!("{:08x}", configuration.overlay_hash()),
        configuration_sequence: status.sequence,
        phase: phase_name(phase).to_owned(),
        join_step: notes.join_step.map(str::to_owned),
        admitting_peer: notes.admitting_peer.map(|node| node.to_string()),
        listen: listening.iter().map(ToString::to_string).collect(),
        turn_server: turn_server(&notes.turn).await,
        relayed_by: notes.turn.used.iter().map(relayed_by).collect(),
        sip: sip_entry(node),
        uptime_seconds: status.uptime,
        predecessors: predecessors.iter().map(ToString::to_string).collect(),
        successors: successors.iter().map(ToString::to_string).collect(),
        fingers: fingers.into_iter().map(finger).collect(),
        responsible: responsible.map(|range| (range.after.to_string(), range.through.to_string())),
        links,
        transactions: status.transactions,
        resources: status.resources,
        values: status.values,
        stored_bytes: status.stored_bytes,
        counters: counters(&status.counters, refused, &store),
    })
}

async fn turn_server(notes: &TurnNotes) -> Option<TurnServerEntry> {
    let server = notes.server.as_ref()?;
    let status = server.status().await?;
    Some(TurnServerEntry {
        address: server.address().to_string(),
        records: notes.records,
        users: status.users,
        allocations: status.allocations,
        bytes_to_peers: status.bytes_to_peers,
        bytes_to_clients: status.bytes_to_clients,
        dropped: status.dropped,
    })
}

fn relayed_by((node, server): &(Option<NodeId>, SocketAddr)) -> RelayedByEntry {
    RelayedByEntry { server: server.to_string(), node: node.map(|node| node.to_string()) }
}

fn finger((number, node): (u8, NodeId)) -> Finger {
    Finger { number, node: node.to_string() }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Joining => "joining",
        Phase::Peer => "peer",
        Phase::Client => "client",
        Phase::Leaving => "leaving",
    }
}

fn counters(
    counters: &Counters,
    connections: Refused,
    store: &WriterStatus,
) -> BTreeMap<String, u64> {
    let all = [
        ("received", counters.received),
        ("sent", counters.sent),
        ("forwarded", counters.forwarded),
        ("answered", counters.answered),
        ("refused", counters.refused),
        ("completed", counters.completed),
        ("failed", counters.failed),
        ("retransmitted", counters.retransmitted),
        ("rerouted", counters.rerouted),
        ("repeated", counters.repeated),
        ("noise", counters.noise),
        ("unroutable", counters.unroutable),
        ("unverified", counters.unverified),
        ("stray", counters.stray),
        ("lists_compressed", counters.lists_compressed),
        ("lists_restored", counters.lists_restored),
        ("lists_refused", counters.lists_refused),
        ("overload", counters.overload()),
        ("fragments_dropped", counters.fragments_dropped),
        ("transactions_refused", counters.transactions_refused),
        ("links_refused", counters.links_refused),
        ("checks_dropped", counters.checks_dropped),
        ("answers_dropped", counters.answers_dropped),
        ("requests_throttled", counters.requests_throttled),
        ("values_refused", counters.values_refused),
        ("store_full", counters.store_full),
        ("connections_refused", connections.all()),
        ("half_open_refused", connections.half_open),
        ("address_refused", connections.of_address),
        ("store_unwritten", u64::try_from(store.pending).unwrap_or(u64::MAX)),
        ("store_commits", store.commits),
        ("store_failures", store.failures),
    ];
    all.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_its_counter() {
        let node = Counters {
            fragments_dropped: 1,
            transactions_refused: 2,
            links_refused: 3,
            checks_dropped: 4,
            answers_dropped: 5,
            requests_throttled: 6,
            values_refused: 7,
            store_full: 8,
            ..Counters::default()
        };
        let shown =
            counters(&node, Refused { half_open: 9, of_address: 10 }, &WriterStatus::default());
        for (name, count) in [
            ("fragments_dropped", 1),
            ("transactions_refused", 2),
            ("links_refused", 3),
            ("checks_dropped", 4),
            ("answers_dropped", 5),
            ("requests_throttled", 6),
            ("values_refused", 7),
            ("store_full", 8),
            ("half_open_refused", 9),
            ("address_refused", 10),
            ("connections_refused", 19),
            ("overload", 36),
        ] {
            assert_eq!(shown.get(name), Some(&count), "{name}");
        }
    }
}
