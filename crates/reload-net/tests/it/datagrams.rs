//! Links over UDP between two drivers: with ICE, without, bootstrap, sockets that fail, addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_datagram::LinkPhase;
use reload_net::{Settings, TurnLogin, TurnServer, TurnSettings};
use reload_node::{
    DialAddress, Gathering, IceGathering, LinkEvent, LinkId, LinkPurpose, Output, Plan, Security,
    Way,
};
use reload_wire::{CandType, IceCandidate, OverlayLinkType};

use crate::kit::{Overlay, PATIENCE, bytes, loopback, nobody, soon};
use crate::nodes::{MAX_MESSAGE, Running};

pub(crate) fn udp_only() -> Settings {
    Settings { listen: vec![loopback()], tcp: false, ..Settings::default() }
}

pub(crate) fn tcp_only() -> Settings {
    Settings { listen: vec![loopback()], udp: false, ..Settings::default() }
}

/// Two nodes of one overlay with these settings.
pub(crate) async fn two(no_ice: bool, settings: Settings) -> (Running, Running) {
    let overlay = Overlay::new();
    let start = async || {
        let identity = overlay.identity(&overlay.node());
        Running::start_as(identity, settings.clone(), no_ice).await
    };
    (start().await, start().await)
}

fn credentials(name: &'static str) -> (Bytes, Bytes) {
    (bytes(name), Bytes::from(format!("the password of {name}")))
}

/// Our candidates for a new link.
pub(crate) async fn gather(
    node: &mut Running,
    purpose: LinkPurpose,
    name: &'static str,
    controlling: bool,
) -> (LinkId, Vec<IceCandidate>) {
    let link = node.with(|puppet| puppet.plan()).await;
    let (ufrag, password) = credentials(name);
    let ice = Some(IceGathering { ufrag, password, controlling });
    let own_socket = purpose != LinkPurpose::Overlay;
    node.output(Output::Gather(link, Gathering { purpose, ice, own_socket })).await;
    match node.event(link).await {
        LinkEvent::Candidates(candidates) => (link, candidates),
        other => panic!("no candidates: {other:?}"),
    }
}

async fn connect(node: &Running, link: LinkId, name: &'static str, candidates: Vec<IceCandidate>) {
    let (ufrag, password) = credentials(name);
    let deadline = Instant::now() + PATIENCE;
    let way = Way::Ice { ufrag, password, candidates };
    let security = Security::Handshake(None);
    node.output(Output::Connect(link, Plan { way, security, deadline })).await;
}

/// A link with ICE, as an Attach agrees on it.
pub(crate) async fn ice(
    one: &mut Running,
    two: &mut Running,
    purpose: LinkPurpose,
) -> (LinkId, LinkId) {
    let (ours, our_candidates) = gather(one, purpose, "one0", true).await;
    let (theirs, their_candidates) = gather(two, purpose, "two0", false).await;
    connect(one, ours, "two0", their_candidates).await;
    connect(two, theirs, "one0", our_candidates).await;
    for (node, link) in [(one, ours), (two, theirs)] {
        match node.event(link).await {
            LinkEvent::Up { mtu: Some(_), .. } => {}
            other => panic!("not up: {other:?}"),
        }
    }
    (ours, theirs)
}

#[tokio::test]
async fn ice_leads_to_a_link_that_carries_messages_both_ways() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let (ours, theirs) = ice(&mut one, &mut two, LinkPurpose::Overlay).await;
    one.send(ours, "hello").await;
    assert_eq!(two.message(theirs).await, "hello");
    two.send(theirs, "hello back").await;
    assert_eq!(one.message(ours).await, "hello back");
    let snapshot = soon(one.handle.snapshot()).await.unwrap();
    assert!(snapshot.links.is_empty(), "no TLS link is there");
    let link = &snapshot.datagram_links[0];
    assert_eq!(link.status.link, ours);
    assert_eq!(link.status.link_type, OverlayLinkType::DTLS_UDP_SR);
    assert_eq!(link.status.phase, LinkPhase::Up);
    assert_eq!(link.status.kinds, Some((CandType::Host, CandType::Host)));
    assert_eq!(link.status.local, Some(one.address()));
    assert_eq!(link.status.remote, Some(two.address()));
    assert_eq!(link.node_ids.len(), 1);
}

#[tokio::test]
async fn many_links_share_one_socket() {
    let overlay = Overlay::new();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let identity = overlay.identity(&overlay.node());
        nodes.push(Running::start_as(identity, udp_only(), false).await);
    }
    let mut hub = nodes.pop().unwrap();
    for node in &mut nodes {
        let (ours, theirs) = ice(&mut hub, node, LinkPurpose::Overlay).await;
        hub.send(ours, "to you").await;
        assert_eq!(node.message(theirs).await, "to you");
    }
    let snapshot = soon(hub.handle.snapshot()).await.unwrap();
    let up = snapshot.datagram_links.iter().filter(|link| link.status.phase == LinkPhase::Up);
    assert_eq!(up.count(), 3);
    let address = hub.address();
    assert!(snapshot.datagram_links.iter().all(|link| link.status.local == Some(address)));
}

#[tokio::test]
async fn a_flood_over_datagrams_arrives_whole() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let (ours, theirs) = ice(&mut one, &mut two, LinkPurpose::Overlay).await;
    for number in 0..400_u32 {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(1000, 7);
        one.send(ours, message).await;
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 400 {
        let message = two.message(theirs).await;
        seen.insert(u32::from_be_bytes(message[..4].try_into().unwrap()));
    }
}

#[tokio::test]
async fn without_ice_dtls_is_dialled_at_the_address_listened_on() {
    let (mut one, mut two) = two(true, udp_only()).await;
    let address = two.address();
    let ours = one.dial_by(address, &[OverlayLinkType::DTLS_UDP_SR_NO_ICE]).await;
    assert!(matches!(one.event(ours).await, LinkEvent::Up { mtu: Some(_), .. }));
    let theirs = two.up().await;
    assert!(theirs.is_accepted());
    one.send(ours, "hello").await;
    assert_eq!(two.message(theirs).await, "hello");
    let snapshot = soon(two.handle.snapshot()).await.unwrap();
    let link = &snapshot.datagram_links[0].status;
    assert_eq!(link.link_type, OverlayLinkType::DTLS_UDP_SR_NO_ICE);
    assert_eq!(link.kinds, None);
}

#[tokio::test]
async fn links_accepted_over_tcp_and_udp_have_different_names() {
    let (mut one, mut two) =
        two(true, Settings { listen: vec![loopback()], ..Settings::default() }).await;
    let mut names = std::collections::BTreeSet::new();
    for link in [OverlayLinkType::DTLS_UDP_SR_NO_ICE, OverlayLinkType::TLS_TCP_FH_NO_ICE] {
        for _ in 0..2 {
            let ours = one.dial_by(two.address(), &[link]).await;
            assert!(matches!(one.event(ours).await, LinkEvent::Up { .. }));
            names.insert(two.up().await);
        }
    }
    assert_eq!(names.len(), 4);
}

// R6940-11.4-03
#[tokio::test]
async fn bootstrap_takes_dtls_at_once_where_tls_is_refused() {
    let (mut one, two) = two(true, udp_only()).await;
    let begin = Instant::now();
    let link = one.dial(two.address()).await;
    assert!(matches!(one.event(link).await, LinkEvent::Up { mtu: Some(_), .. }));
    assert!(begin.elapsed() < Duration::from_secs(2), "not only after the head start of TLS");
}

#[tokio::test]
async fn bootstrap_takes_tls_where_there_is_tls() {
    let (mut one, two) =
        two(true, Settings { listen: vec![loopback()], ..Settings::default() }).await;
    let link = one.dial(two.address()).await;
    assert!(matches!(one.event(link).await, LinkEvent::Up { mtu: None, .. }));
    let snapshot = soon(one.handle.snapshot()).await.unwrap();
    assert_eq!(snapshot.datagram_links.len(), 0, "DTLS was not even tried");
}

#[tokio::test]
async fn bootstrap_tells_why_neither_way_works() {
    let (mut one, two) = two(true, tcp_only()).await;
    drop(two);
    let (_held, address) = nobody();
    let link = one.dial(address).await;
    let reason = one.down(link).await;
    assert!(reason.contains("nothing listens there"), "{reason}");
}

#[tokio::test]
async fn tls_and_dtls_have_the_same_port() {
    let (one, _two) = two(true, Settings { listen: vec![loopback()], ..Settings::default() }).await;
    assert_eq!(one.handle.listening().len(), 1);
    let snapshot = soon(one.handle.snapshot()).await.unwrap();
    assert_eq!(snapshot.hosts, one.handle.listening());
}

#[tokio::test]
async fn candidates_without_ice_are_tls_then_dtls() {
    let (mut one, _two) =
        two(true, Settings { listen: vec![loopback()], ..Settings::default() }).await;
    let link = one.with(|puppet| puppet.plan()).await;
    let gathering = Gathering { purpose: LinkPurpose::Overlay, ice: None, own_socket: false };
    one.output(Output::Gather(link, gathering)).await;
    let LinkEvent::Candidates(candidates) = one.event(link).await else { panic!("candidates") };
    let links: Vec<_> = candidates.iter().map(|candidate| candidate.overlay_link).collect();
    let wanted = [OverlayLinkType::TLS_TCP_FH_NO_ICE, OverlayLinkType::DTLS_UDP_SR_NO_ICE];
    assert_eq!(links, wanted);
}

#[tokio::test]
async fn without_udp_there_are_no_candidates_for_ice() {
    let (mut one, _two) = two(false, tcp_only()).await;
    let (_, candidates) = gather(&mut one, LinkPurpose::Overlay, "one0", true).await;
    assert_eq!(candidates, []);
}

// R6940-6.5.1.11-01, R6940-6.6.1-01
#[tokio::test]
async fn a_certificate_of_another_overlay_is_refused_over_dtls() {
    let (ours, theirs) = (Overlay::new(), Overlay::with_ca("another CA"));
    let mut one = Running::start_as(ours.identity(&ours.node()), udp_only(), true).await;
    let two = Running::start_as(theirs.identity(&theirs.node()), udp_only(), true).await;
    let link = one.dial_by(two.address(), &[OverlayLinkType::DTLS_UDP_SR_NO_ICE]).await;
    let reason = one.down(link).await;
    assert!(reason.contains("certificate") || reason.contains("issuer"), "{reason}");
}

#[tokio::test]
async fn a_closed_link_is_gone_on_both_sides() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let (ours, theirs) = ice(&mut one, &mut two, LinkPurpose::Overlay).await;
    one.output(Output::Close(ours)).await;
    let reason = two.down(theirs).await;
    assert!(reason.contains("closed"), "{reason}");
    one.send(ours, "into the void").await;
    let snapshot = soon(one.handle.snapshot()).await.unwrap();
    assert!(snapshot.datagram_links.iter().all(|link| link.status.link != ours));
}

#[tokio::test]
async fn a_node_that_stops_closes_its_datagram_links() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let (_, theirs) = ice(&mut one, &mut two, LinkPurpose::Overlay).await;
    soon(one.handle.shutdown()).await;
    two.down(theirs).await;
}

#[tokio::test]
async fn noise_at_the_socket_disturbs_nothing() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let (ours, theirs) = ice(&mut one, &mut two, LinkPurpose::Overlay).await;
    let stranger = tokio::net::UdpSocket::bind(loopback()).await.unwrap();
    for length in 0..200_usize {
        let noise: Vec<u8> = (0..length).map(|at| u8::try_from(at * 7 % 256).unwrap()).collect();
        stranger.send_to(&noise, one.address()).await.unwrap();
    }
    two.send(theirs, "x".repeat(usize::try_from(MAX_MESSAGE).unwrap() / 5)).await;
    assert_eq!(one.message(ours).await.len(), usize::try_from(MAX_MESSAGE).unwrap() / 5);
    let counters = soon(one.handle.snapshot()).await.unwrap().datagrams.unwrap();
    assert!(counters.strays > 0);
}

#[tokio::test]
async fn a_turn_server_that_allocates_nothing_is_told() {
    let mut settings = TurnSettings::new(loopback(), "overlay.example.org");
    settings.quotas.allocations_per_user = 0;
    let server = TurnServer::start(settings).unwrap();
    let (username, password) = ("alice".to_owned(), "wonderland".to_owned());
    assert!(server.add_user(username.clone(), password.clone(), PATIENCE).await);
    let login = TurnLogin { server: server.address(), username, password };
    let (mut one, _two) = two(false, Settings { turn_servers: vec![login], ..udp_only() }).await;
    gather(&mut one, LinkPurpose::Overlay, "one0", true).await;
    let snapshot = soon(one.handle.snapshot()).await.unwrap();
    assert_eq!(snapshot.turn_failed, [server.address()]);
    assert!(snapshot.relayed.is_empty());
}

/// The address to dial, by these protocols.
pub(crate) fn way(address: SocketAddr, links: &[OverlayLinkType]) -> Way {
    Way::Dial(links.iter().map(|link| DialAddress { address, link: *link }).collect())
}
