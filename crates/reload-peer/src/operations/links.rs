//! The links of a node, as its node, its TLS connections and its datagram links know them.

use reload_link::LinkStats;
use reload_net::{DatagramLinkSnapshot, LinkPhase, LinkSnapshot, Snapshot};
use reload_node::LinkStatus;
use reload_wire::{CandType, OverlayLinkType};

use crate::control::{Failure, LinkEntry, LinksReply};
use crate::running::Running;
use crate::units::milliseconds;

/// What `reload links` shows.
///
/// # Errors
/// The node has stopped.
pub(crate) async fn links(node: &Running) -> Result<LinksReply, Failure> {
    let snapshot = node.snapshot().await?;
    Ok(LinksReply {
        this_node: snapshot.status.node_id.to_string(),
        hosts: snapshot.hosts.iter().map(ToString::to_string).collect(),
        reflexive: snapshot.reflexive.iter().map(ToString::to_string).collect(),
        relayed: snapshot.relayed.iter().map(ToString::to_string).collect(),
        links: entries(&snapshot),
    })
}

/// Every link: those of the node, then those of applications.
pub(super) fn entries(snapshot: &Snapshot) -> Vec<LinkEntry> {
    let known = snapshot.status.links.iter().map(|known| {
        let stream = snapshot.links.iter().find(|link| link.link == known.link);
        let datagrams = snapshot.datagram_links.iter().find(|link| link.status.link == known.link);
        match (stream, datagrams) {
            (Some(stream), _) => over_stream(known, stream),
            (None, Some(datagrams)) => over_datagrams(Some(known), datagrams),
            (None, None) => under_way(known),
        }
    });
    let applications = snapshot.datagram_links.iter().filter(|link| {
        link.status.application.is_some()
            && snapshot.status.links.iter().all(|known| known.link != link.status.link)
    });
    known.chain(applications.map(|link| over_datagrams(None, link))).collect()
}

/// Neither a connection nor a datagram link yet: agreed on, or being dialled.
fn under_way(known: &LinkStatus) -> LinkEntry {
    LinkEntry {
        node: known.node.map(|node| node.to_string()),
        kind: "?".to_owned(),
        direction: direction(!known.link.is_accepted()),
        state: known.state.to_owned(),
        remote: known.remote.map(|remote| remote.to_string()),
        ..LinkEntry::default()
    }
}

fn over_stream(known: &LinkStatus, link: &LinkSnapshot) -> LinkEntry {
    LinkEntry {
        node: known.node.map(|node| node.to_string()),
        user: link.user.clone(),
        kind: type_name(OverlayLinkType::TLS_TCP_FH_NO_ICE),
        direction: direction(link.dialled),
        state: known.state.to_owned(),
        local: Some(link.local.to_string()),
        remote: Some(link.remote.to_string()),
        tls: Some(link.protocol.to_owned()),
        rtt_milliseconds: round_trip(&link.stats),
        frames_sent: Some(link.stats.counters.frames_sent),
        age_seconds: Some(link.age.as_secs()),
        ..LinkEntry::default()
    }
}

fn over_datagrams(known: Option<&LinkStatus>, link: &DatagramLinkSnapshot) -> LinkEntry {
    let status = &link.status;
    let node = known.and_then(|known| known.node).or(status.node);
    let kinds = status.kinds.map(|(local, remote)| (candidate(local), candidate(remote)));
    let (local_candidate, remote_candidate) = kinds.unzip();
    let counters = status.stats.map(|stats| stats.counters);
    let dialled = !status.link.is_accepted();
    let with_ice = status.link_type == OverlayLinkType::DTLS_UDP_SR;
    LinkEntry {
        node: node.map(|node| node.to_string()),
        user: link.user.clone(),
        application: status.application,
        kind: type_name(status.link_type),
        direction: if with_ice { String::new() } else { direction(dialled) },
        state: known.map_or_else(|| phase(status.phase), |known| known.state).to_owned(),
        local: status.local.map(|local| local.to_string()),
        remote: status.remote.map(|remote| remote.to_string()),
        local_candidate,
        remote_candidate,
        tls: status.cipher.map(str::to_owned),
        rtt_milliseconds: status.stats.as_ref().and_then(round_trip),
        frames_sent: counters.map(|counters| counters.frames_sent),
        frames_lost: counters.map(|counters| counters.frames_lost),
        frames_resent: counters.map(|counters| counters.frames_resent),
        mtu: status.mtu,
        moves: Some(status.moves),
        age_seconds: status.age.map(|age| age.as_secs()),
    }
}

fn round_trip(stats: &LinkStats) -> Option<f64> {
    stats.rtt.map(milliseconds)
}

fn direction(dialled: bool) -> String {
    if dialled { "out" } else { "in" }.to_owned()
}

fn type_name(kind: OverlayLinkType) -> String {
    let name = match kind {
        OverlayLinkType::DTLS_UDP_SR => "DTLS-UDP-SR",
        OverlayLinkType::DTLS_UDP_SR_NO_ICE => "DTLS-UDP-SR-NO-ICE",
        OverlayLinkType::TLS_TCP_FH_NO_ICE => "TLS-TCP-FH-NO-ICE",
        other => return format!("type {}", other.0),
    };
    name.to_owned()
}

/// As candidates are called in RFC 8445.
fn candidate(kind: CandType) -> String {
    let name = match kind {
        CandType::Host => "host",
        CandType::Srflx => "srflx",
        CandType::Prflx => "prflx",
        CandType::Relay => "relay",
    };
    name.to_owned()
}

const fn phase(phase: LinkPhase) -> &'static str {
    match phase {
        LinkPhase::Gathering => "gathering",
        LinkPhase::Waiting => "waiting",
        LinkPhase::Connecting => "connecting",
        LinkPhase::Handshake => "handshake",
        LinkPhase::Up => "up",
        LinkPhase::Failing => "failing",
    }
}
