//! The TURN server usage (section 9) in a whole overlay.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use reload_node::{Reply, Request, RequestId, Role};
use reload_sim::{HostId, Overlay, Weather, World, ring_faults};
use reload_usages::{RecordId, SeekId, TURN_CREDENTIALS, TurnGrant, TurnOffering, TurnSeeking};

/// Two nodes of a ring of ten and their halves of the usage.
struct Town {
    world: World,
    server: HostId,
    seeker: HostId,
    offering: TurnOffering,
    seeking: TurnSeeking,
    storing: BTreeMap<RequestId, RecordId>,
    asking: BTreeMap<RequestId, SeekId>,
    granted: Vec<TurnGrant>,
}

impl Town {
    fn new(seed: u64, density: u8) -> Self {
        let overlay = Overlay::with_turn(density);
        let mut world = World::new(seed, Weather::default(), &overlay);
        for number in 0..10 {
            let peer = world.add(Role::Peer);
            world.start(peer, if number == 0 { &[] } else { &[0] }, number == 0);
            world.run_for(Duration::from_secs(2));
        }
        world.run_for(Duration::from_secs(60));
        assert_eq!(ring_faults(&world), Vec::<String>::new());
        let (server, seeker) = (3, 7);
        let configuration = &overlay.configuration.configuration;
        let node = world.hosts[server].node();
        let hash = |name: &[u8]| node.resource_id(name);
        let id = world.hosts[server].node_id;
        let offering = TurnOffering::new(world.now, configuration, id, hash, [1; 32]);
        let id = world.hosts[seeker].node_id;
        let seeking = TurnSeeking::new(world.now, configuration, id, [2; 32]);
        world.offer_application(server, TURN_CREDENTIALS);
        let (storing, asking, granted) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { world, server, seeker, offering, seeking, storing, asking, granted }
    }

    /// Lets both halves do what they want for so long.
    fn play(&mut self, span: Duration) {
        let end = self.world.elapsed() + span;
        while self.world.elapsed() < end {
            self.ask();
            self.world.run_for(Duration::from_millis(100));
            self.hear();
        }
    }

    fn ask(&mut self) {
        let now = self.world.now;
        if self.world.hosts[self.server].is_running() {
            while let Some((id, request)) = self.offering.poll_request(now) {
                self.storing.insert(self.world.request(self.server, request), id);
            }
        }
        while let Some((id, request)) = self.seeking.poll_request(now) {
            self.asking.insert(self.world.request(self.seeker, request), id);
        }
    }

    fn hear(&mut self) {
        let now = self.world.now;
        for (request, result) in std::mem::take(&mut self.world.hosts[self.server].finished) {
            let reply = result.ok().map(|response| response.reply);
            self.offering.handle_finished(now, self.storing[&request], reply.as_ref());
        }
        for (request, result) in std::mem::take(&mut self.world.hosts[self.seeker].finished) {
            let reply = result.ok().map(|response| response.reply);
            self.seeking.handle_finished(now, self.asking[&request], reply);
        }
        for (asking, node, application) in std::mem::take(&mut self.world.hosts[self.server].asked)
        {
            assert_eq!(application, TURN_CREDENTIALS);
            let grant = self.offering.grant(now, node);
            let answer = grant.as_ref().map(|grant| grant.answer.clone()).map_err(|code| *code);
            self.granted.extend(grant);
            self.world.answer_application(self.server, asking, answer);
        }
    }
}

fn relay() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], 3478))
}

// R6940-9-03, R6940-9-07
#[test]
fn a_turn_server_is_found_in_a_ring_of_ten_and_gives_a_login() {
    let mut town = Town::new(1, 3);
    town.offering.set_address(Some(relay()));
    town.play(Duration::from_secs(10));
    assert_eq!(town.offering.stored(), 3);
    let now = town.world.now;
    town.seeking.set_wanted(now, 1);
    town.play(Duration::from_secs(120));
    let [login] = &town.seeking.logins()[..] else { panic!("{:?}", town.seeking) };
    assert_eq!(login.server, relay());
    let grant = town.granted.last().expect("it was asked for");
    assert_eq!((&login.username, &login.password), (&grant.username, &grant.password));
    // and again for hours, the same one
    town.play(Duration::from_secs(3 * 3600));
    assert_eq!(town.seeking.logins(), std::slice::from_ref(login));
    assert!(town.granted.len() >= 4);
}

// R6940-9-01
#[test]
fn no_turn_server_is_found_when_the_only_one_is_no_longer_public() {
    let mut town = Town::new(2, 3);
    town.offering.set_address(Some(relay()));
    town.play(Duration::from_secs(10));
    town.offering.set_address(None);
    town.play(Duration::from_secs(10));
    assert_eq!(town.offering.stored(), 0);
    let now = town.world.now;
    town.seeking.set_wanted(now, 1);
    town.play(Duration::from_secs(120));
    assert_eq!(town.seeking.logins(), []);
}

// R6940-9-09
#[test]
fn a_record_can_be_checked_when_its_writer_has_gone() {
    let mut town = Town::new(3, 1);
    town.offering.set_address(Some(relay()));
    town.play(Duration::from_secs(10));
    let writer = town.world.hosts[town.server].node_id;
    town.world.crash(town.server, reload_sim::Condition::Killed);
    town.world.run_for(Duration::from_secs(60));
    let now = town.world.now;
    town.seeking.set_wanted(now, 1);
    let found = loop {
        let (id, request) = town.seeking.poll_request(now).expect("it looks on");
        let fetches = matches!(request, Request::Fetch { .. });
        let reply = town.world.ask(town.seeker, request).ok().map(|response| response.reply);
        if fetches {
            break reply.expect("it is there");
        }
        town.seeking.handle_finished(now, id, reply);
    };
    let Reply::Fetched(kinds) = found else { panic!("{found:?}") };
    assert_eq!(kinds[0].discarded, 0);
    assert_eq!(kinds[0].values[0].signer().node_id, writer);
}
