//! Links through TURN: one allocation of the overlay socket serves all its links, an application link has
//! one of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_datagram::{Endpoint, EndpointOutput, EndpointSettings, SocketId};
use reload_ice::{RelaySocket, TurnLogin, TurnOutput, TurnQuotas, TurnService};
use reload_link::LinkSettings;
use reload_node::{Gathering, IceGathering, LinkId, LinkPurpose};
use reload_wire::{CandType, Dialect, IceCandidate, Now};

use crate::certificates::{Overlay, WALL, identity};
use crate::nat::Kind;
use crate::world::{SECOND, World, message};

/// A TURN server and its relaying sockets.
pub(crate) struct Turn {
    service: TurnService,
    ports: BTreeMap<u16, RelaySocket>,
    next_port: u16,
}

/// What it sends.
type Datagrams = Vec<(SocketAddr, SocketAddr, Bytes)>;

impl Turn {
    fn new(now: Instant) -> Self {
        let address = SocketAddr::from(([203, 0, 113, 50], 3478));
        let quotas = TurnQuotas { allocations_per_user: 8, ..TurnQuotas::default() };
        let mut service = TurnService::new(now, address, "example.org", quotas, [5; 32]);
        assert!(service.add_user(now, "someone", "a password", Duration::from_secs(3600)));
        Self { service, ports: BTreeMap::new(), next_port: 50_000 }
    }

    fn login(&self) -> TurnLogin {
        let (username, password) = ("someone".to_owned(), "a password".to_owned());
        TurnLogin { server: self.service.address(), username, password }
    }

    pub(crate) fn ip(&self) -> IpAddr {
        self.service.address().ip()
    }

    pub(crate) fn take(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        data: &[u8],
    ) -> Datagrams {
        match self.ports.get(&to.port()) {
            Some(socket) => self.service.handle_relay_datagram(now, *socket, from, data),
            None => self.service.handle_datagram(now, from, data),
        }
        let mut out = Vec::new();
        while let Some(output) = self.service.poll_output() {
            match output {
                TurnOutput::AllocateSocket(socket) => {
                    self.next_port += 1;
                    self.ports.insert(self.next_port, socket);
                    let address = SocketAddr::new(self.ip(), self.next_port);
                    self.service.handle_allocated(now, socket, Some(address));
                }
                TurnOutput::CloseSocket(socket) => self.ports.retain(|_, it| *it != socket),
                TurnOutput::ToClient { remote, data } => {
                    out.push((self.service.address(), remote, data));
                }
                TurnOutput::ToPeer { socket, remote, data } => {
                    let port = self.ports.iter().find(|(_, it)| **it == socket).map(|it| *it.0);
                    let from = port.map(|port| SocketAddr::new(self.ip(), port));
                    out.extend(from.map(|from| (from, remote, data)));
                }
            }
        }
        out
    }
}

/// Homes behind symmetric NATs that know the server.
pub(crate) fn homes(world: &mut World, count: usize) -> Vec<usize> {
    let turn = Turn::new(world.now.mono);
    let login = turn.login();
    world.turn = Some(turn);
    let home = |_| world.home_with(Kind::Symmetric, |it| it.turn_servers = vec![login.clone()]);
    (0..count).map(home).collect()
}

pub(crate) fn link(
    world: &mut World,
    hosts: [usize; 2],
    number: u64,
    purpose: LinkPurpose,
) -> LinkId {
    let link = world.attach_for(hosts[0], hosts[1], number, purpose);
    world.run_until(20 * SECOND, |world| {
        hosts.iter().all(|host| world.hosts[*host].up.contains(&link))
    });
    link
}

#[test]
fn links_between_symmetric_nats_share_the_allocation_of_the_overlay_socket() {
    let mut world = World::new(60);
    let homes = homes(&mut world, 3);
    let pairs = [[homes[0], homes[1]], [homes[0], homes[2]], [homes[1], homes[2]]];
    let links: Vec<LinkId> = (1..)
        .zip(pairs)
        .map(|(number, pair)| link(&mut world, pair, number, LinkPurpose::Overlay))
        .collect();
    for (link, pair) in links.iter().zip(pairs) {
        let now = world.now;
        world.hosts[pair[0]].send(now, *link, message(1));
        world.hosts[pair[1]].send(now, *link, message(2));
    }
    world.run(2 * SECOND);
    for (link, pair) in links.iter().zip(pairs) {
        assert_eq!(world.hosts[pair[1]].messages[link], [message(1)]);
        assert_eq!(world.hosts[pair[0]].messages[link], [message(2)]);
        let status = world.hosts[pair[0]].endpoint.links(world.now);
        let kinds = status.iter().find(|it| it.link == *link).unwrap().kinds.unwrap();
        assert!([kinds.0, kinds.1].contains(&CandType::Relay), "{kinds:?}");
    }
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 3);
}

#[test]
fn a_relayed_link_lives_on_past_the_lifetime_of_its_allocation() {
    let mut world = World::new(61);
    let homes = homes(&mut world, 2);
    let pair = [homes[0], homes[1]];
    let link = link(&mut world, pair, 1, LinkPurpose::Overlay);
    world.run(1500 * SECOND);
    let now = world.now;
    world.hosts[pair[0]].send(now, link, message(1));
    world.run(2 * SECOND);
    assert_eq!(world.hosts[pair[1]].messages[&link], [message(1)]);
}

#[test]
fn an_application_link_has_an_allocation_of_its_own_and_gives_it_back() {
    let mut world = World::new(62);
    let homes = homes(&mut world, 2);
    let pair = [homes[0], homes[1]];
    let pipe = link(&mut world, pair, 1, LinkPurpose::Application(61_443));
    let now = world.now;
    world.hosts[pair[0]].send(now, pipe, Bytes::from_static(b"a datagram"));
    world.run(SECOND);
    assert_eq!(world.hosts[pair[1]].datagrams[&pipe], ["a datagram"]);
    let now = world.now;
    world.hosts[pair[0]].endpoint.close(now, pipe);
    world.hosts[pair[0]].drain(now);
    world.run(SECOND);
    assert!(world.hosts[pair[1]].down.contains_key(&pipe));
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 0);
}

#[test]
fn a_server_that_is_no_longer_ours_gets_its_allocation_back() {
    let mut world = World::new(63);
    let homes = homes(&mut world, 2);
    link(&mut world, [homes[0], homes[1]], 1, LinkPurpose::Overlay);
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 2);
    for home in homes {
        let now = world.now;
        world.hosts[home].endpoint.set_turn_servers(now, Vec::new());
        world.hosts[home].drain(now);
    }
    world.run(5 * SECOND);
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 0);
}

#[test]
fn an_allocation_that_no_link_needs_is_given_back_and_taken_again_for_the_next() {
    let mut world = World::new(64);
    let turn = Turn::new(world.now.mono);
    let login = turn.login();
    world.turn = Some(turn);
    let hosts = [(); 3].map(|()| world.host_with(|it| it.turn_servers = vec![login.clone()]));
    link(&mut world, [hosts[0], hosts[1]], 1, LinkPurpose::Overlay);
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 2);
    world.run(200 * SECOND);
    assert_eq!(world.turn.as_ref().unwrap().service.allocations(), 0, "they are linked directly");
    let again = link(&mut world, [hosts[0], hosts[2]], 2, LinkPurpose::Overlay);
    let candidates = &world.hosts[hosts[0]].candidates[&again];
    assert!(candidates.iter().any(|it| it.kind == CandType::Relay));
}

#[test]
fn a_host_that_has_moved_allocates_from_where_it_is() {
    let mut world = World::new(65);
    let homes = homes(&mut world, 2);
    link(&mut world, [homes[0], homes[1]], 1, LinkPurpose::Overlay);
    let now = world.now;
    let before = world.hosts[homes[0]].candidates[&LinkId::planned(1)].clone();
    world.hosts[homes[0]].move_to(now, [10, 0, 0, 77].into());
    world.run(SECOND);
    let again = link(&mut world, [homes[0], homes[1]], 2, LinkPurpose::Overlay);
    let relay = |of: &[IceCandidate]| {
        of.iter().find(|it| it.kind == CandType::Relay).map(|it| it.addr_port.to_string())
    };
    let after = relay(&world.hosts[homes[0]].candidates[&again]);
    assert!(after.is_some() && after != relay(&before), "{after:?}");
}

/// Carries what an endpoint and the server have for each other, for a second.
fn carry(endpoint: &mut Endpoint, turn: &mut Turn, now: &mut Now) {
    let end = now.mono + SECOND;
    loop {
        match endpoint.poll_output() {
            EndpointOutput::Transmit { local, remote, data, .. } => {
                let from = SocketAddr::new(local, 6084);
                for (server, to, data) in turn.take(now.mono, from, remote, &data) {
                    endpoint.handle_datagram(*now, SocketId::OVERLAY, to, server, &data);
                }
            }
            EndpointOutput::Idle(Some(due)) if due < end => {
                *now = now.after(due - now.mono);
                endpoint.handle_timeout(*now);
            }
            EndpointOutput::Idle(_) => return,
            _ => {}
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn the_allocation_of_an_address_that_stays_outlives_that_of_one_that_goes() {
    let (overlay, mut now) = (Overlay::new(), Now { mono: Instant::now(), wall: WALL });
    let mut turn = Turn::new(now.mono);
    let mut settings = EndpointSettings::new(LinkSettings::new(Dialect::default(), 5000));
    settings.turn_servers = vec![turn.login()];
    let own = identity(&overlay.node());
    let mut endpoint = Endpoint::new(settings, own, overlay.trust(), [9; 32]);
    let [stays, goes] = [1, 2].map(|last| SocketAddr::from(([192, 0, 2, last], 6084)));
    endpoint.set_addresses(now, SocketId::OVERLAY, vec![stays]);
    let (ufrag, password) = ("name".into(), "a password that is long enough".into());
    let ice = Some(IceGathering { ufrag, password, controlling: true });
    let purpose = LinkPurpose::Overlay;
    let gathering = Gathering { purpose, ice, own_socket: false };
    endpoint.gather(now, LinkId::planned(1), gathering);
    let mut move_to = |addresses: &[SocketAddr]| {
        endpoint.set_addresses(now, SocketId::OVERLAY, addresses.to_vec());
        carry(&mut endpoint, &mut turn, &mut now);
        endpoint.relayed()
    };
    let first = move_to(&[stays]);
    assert_eq!(first.len(), 1);
    assert_eq!(move_to(&[goes, stays]).len(), 2, "from the new address too");
    assert_eq!(move_to(&[stays]), first);
}

#[test]
fn a_server_whose_quota_is_reached_is_told_until_others_are_set() {
    let mut world = World::new(66);
    let mut turn = Turn::new(world.now.mono);
    let quotas = TurnQuotas { allocations_per_user: 0, ..TurnQuotas::default() };
    let (now, address) = (world.now.mono, turn.service.address());
    turn.service = TurnService::new(now, address, "example.org", quotas, [5; 32]);
    assert!(turn.service.add_user(now, "someone", "a password", Duration::from_secs(3600)));
    let login = turn.login();
    world.turn = Some(turn);
    let hosts = [(); 2].map(|()| world.host_with(|it| it.turn_servers = vec![login.clone()]));
    link(&mut world, hosts, 1, LinkPurpose::Overlay);
    let (now, host) = (world.now, &mut world.hosts[hosts[0]]);
    assert_eq!(host.endpoint.failed_turn_servers(), [login.server]);
    host.endpoint.set_turn_servers(now, Vec::new());
    assert!(host.endpoint.failed_turn_servers().is_empty());
}
