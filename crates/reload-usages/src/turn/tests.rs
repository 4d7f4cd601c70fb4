//! The rules of the TURN server usage, one a test.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_config::{Configuration, ConfigurationBuilder, OverlayDocument, assemble};
use reload_node::{ApplicationAnswer, NewValue, Place, Reply, Request};
use reload_wire::{
    AppAttachReqAns, Decode, Destination, Dialect, ErrorCode, FindAns, FindKindData, KindId,
    NodeId, Now, ResourceId, StoreAns, TurnServer, UnixTime,
};

use super::record::LIFETIME;
use super::*;

#[allow(clippy::disallowed_methods, reason = "a test needs some moment to begin with")]
fn start() -> Now {
    Now { mono: Instant::now(), wall: UnixTime::from_secs(1_000_000) }
}

fn configuration(change: impl FnOnce(&mut ConfigurationBuilder)) -> Configuration {
    let mut builder = ConfigurationBuilder::new_overlay("overlay.example");
    builder.no_ice = false;
    builder.turn_density = 3;
    change(&mut builder);
    let document = assemble(&builder.build().unwrap(), &[]);
    let document = OverlayDocument::parse(&document).unwrap();
    document.configurations()[0].clone()
}

/// The name itself, shortened: enough to tell names apart.
fn hash(name: &[u8]) -> ResourceId {
    ResourceId::new(name).unwrap()
}

fn node(number: u128) -> NodeId {
    NodeId::from_u128(number)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn stored() -> Reply {
    Reply::Stored(StoreAns { kind_responses: Vec::new() })
}

fn offering(now: Now, configuration: &Configuration) -> TurnOffering {
    TurnOffering::new(now, configuration, node(7), hash, [1; 32])
}

/// All Stores that are due, by their number: the resource and what is stored there.
fn stores(
    usage: &mut TurnOffering,
    now: Now,
) -> Vec<(RecordId, ResourceId, Option<TurnServer>, u32)> {
    let requests = std::iter::from_fn(|| usage.poll_request(now));
    let read = |(id, request): (RecordId, Request)| {
        let Request::Store { resource, values } = request else { panic!("{request:?}") };
        let [NewValue { kind: KindId::TURN_SERVICE, place: Place::Single, value, lifetime, .. }] =
            &values[..]
        else {
            panic!("{values:?}")
        };
        let server = |bytes: &Bytes| TurnServer::decode_exact(&Dialect::default(), bytes).unwrap();
        (id, resource, value.exists.then(|| server(&value.value)), *lifetime)
    };
    requests.map(read).collect()
}

fn store_all(usage: &mut TurnOffering, now: Now) -> usize {
    let due = stores(usage, now);
    for (id, ..) in &due {
        usage.handle_finished(now, *id, Some(&stored()));
    }
    due.len()
}

// R6940-9-03, R6940-9-04
#[test]
fn a_server_is_recorded_turn_density_times_at_the_hash_of_node_id_and_number() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    assert_eq!(stores(&mut usage, now), Vec::new(), "it has no address yet");
    assert_eq!(usage.wakeup(), None);
    let server_address = address("198.51.100.7:3478");
    usage.set_address(Some(server_address));
    let due = stores(&mut usage, now);
    assert_eq!(due.len(), 3);
    for ((id, resource, server, _), iteration) in due.into_iter().zip(1..) {
        assert_eq!(id.number(), iteration);
        assert_eq!(resource, hash(&[node(7).as_bytes(), &[iteration]].concat())); // E73
        assert_eq!(server, Some(TurnServer { iteration, server_address: server_address.into() }));
    }
    assert_eq!(usage.wakeup(), None, "all wait for their answers");
}

// R6940-9-04
#[test]
fn the_density_is_at_most_20_and_none_without_kind_or_ice() {
    let now = start();
    for (density, expected) in [(0, 0), (1, 1), (20, 20), (21, 20), (255, 20)] {
        let mut usage = offering(now, &configuration(|it| it.turn_density = density));
        usage.set_address(Some(address("198.51.100.7:3478")));
        assert_eq!(stores(&mut usage, now).len(), expected); // E74
    }
    let without = [
        configuration(|it| it.no_ice = true),
        configuration(|it| it.kinds.retain(|kind| kind.definition.id != KindId::TURN_SERVICE)),
    ];
    for configuration in without {
        let mut usage = offering(now, &configuration);
        usage.set_address(Some(address("198.51.100.7:3478")));
        assert_eq!(stores(&mut usage, now), Vec::new());
    }
}

#[test]
fn a_record_is_stored_again_before_it_ends() {
    let mut now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    let lifetimes: Vec<u32> = stores(&mut usage, now)
        .into_iter()
        .map(|(id, _, _, lifetime)| {
            usage.handle_finished(now, id, Some(&stored()));
            lifetime
        })
        .collect();
    assert_eq!((lifetimes, usage.stored()), (vec![LIFETIME; 3], 3));
    assert_eq!(store_all(&mut usage, now), 0);
    for _ in 0..5 {
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait > Duration::ZERO && wait < Duration::from_secs(u64::from(LIFETIME)));
        now = now.after(wait);
        assert_eq!(store_all(&mut usage, now), 3);
    }
}

#[test]
fn another_address_takes_the_place_of_the_old_one() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    store_all(&mut usage, now);
    usage.set_address(Some(address("198.51.100.8:3478")));
    let servers: Vec<_> = stores(&mut usage, now).into_iter().map(|(_, _, it, _)| it).collect();
    assert_eq!(servers.len(), 3);
    assert!(
        servers
            .iter()
            .flatten()
            .all(|it| { it.server_address.socket_addr() == Some(address("198.51.100.8:3478")) })
    );
}

// R6940-9-01
#[test]
fn the_records_are_removed_when_the_node_is_no_longer_public() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    store_all(&mut usage, now);
    usage.set_address(None);
    let due = stores(&mut usage, now);
    assert_eq!(due.len(), 3);
    for (id, _, server, _) in due {
        assert_eq!(server, None);
        usage.handle_finished(now, id, Some(&stored()));
    }
    assert_eq!((usage.stored(), usage.wakeup()), (0, None));
    assert_eq!(usage.grant(now, node(9)), Err(ErrorCode::NOT_FOUND));
}

#[test]
fn a_change_while_a_store_is_under_way_follows_it() {
    let now = start();
    let mut usage = offering(now, &configuration(|it| it.turn_density = 1));
    usage.set_address(Some(address("198.51.100.7:3478")));
    let (id, ..) = stores(&mut usage, now)[0];
    usage.set_address(None);
    assert_eq!(stores(&mut usage, now), Vec::new());
    usage.handle_finished(now, id, Some(&stored()));
    assert!(matches!(stores(&mut usage, now)[..], [(_, _, None, _)]));
}

#[test]
fn records_beyond_a_lower_density_are_removed() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    store_all(&mut usage, now);
    usage.set_configuration(&configuration(|it| it.turn_density = 1));
    let due = stores(&mut usage, now);
    assert_eq!(due.iter().map(|(id, ..)| id.number()).collect::<Vec<_>>(), [2, 3]);
    assert!(due.iter().all(|(_, _, server, _)| server.is_none()));
}

#[test]
fn a_store_that_fails_is_tried_again_ever_later() {
    let mut now = start();
    let mut usage = offering(now, &configuration(|it| it.turn_density = 1));
    usage.set_address(Some(address("198.51.100.7:3478")));
    let mut last = Duration::ZERO;
    for _ in 0..12 {
        let (id, ..) = stores(&mut usage, now)[0];
        usage.handle_finished(now, id, None);
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait >= last && wait <= Duration::from_secs(600), "{wait:?}");
        last = wait;
        now = now.after(wait);
    }
    assert_eq!(last, Duration::from_secs(600));
}

#[test]
fn a_login_is_random_and_stays_as_long_as_it_is_asked_for_in_time() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    let first = usage.grant(now, node(9)).unwrap();
    assert!(first.username.len() >= 16 && first.password.len() >= 32);
    assert_eq!(first.lifetime, LOGIN_LIFETIME);
    let other = usage.grant(now, node(10)).unwrap();
    assert_ne!((&first.username, &first.password), (&other.username, &other.password));
    let later = now.after(Duration::from_secs(2700));
    assert_eq!(usage.grant(later, node(9)).unwrap(), first);
    let much_later = later.after(LOGIN_LIFETIME);
    let anew = usage.grant(much_later, node(9)).unwrap();
    assert!(anew.username != first.username && anew.password != first.password);
    let shown = format!("{first:?}");
    assert!(!shown.contains(&first.password), "{shown}");
}

#[test]
fn the_answer_tells_the_login_and_the_address_of_the_server() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    let TurnGrant { username, password, answer, .. } = usage.grant(now, node(9)).unwrap();
    let ApplicationAnswer { ufrag, password: told, candidates } = answer;
    assert_eq!((ufrag, told), (Bytes::from(username), Bytes::from(password))); // E104
    let [candidate] = &candidates[..] else { panic!("{candidates:?}") };
    assert_eq!(candidate.addr_port.socket_addr(), Some(address("198.51.100.7:3478")));
}

#[test]
fn logins_are_bounded_by_node() {
    let now = start();
    let mut usage = offering(now, &configuration(|_| ()));
    usage.set_address(Some(address("198.51.100.7:3478")));
    for number in 0..256 {
        usage.grant(now, node(1000 + number)).unwrap();
        usage.grant(now, node(1000 + number)).unwrap();
    }
    assert_eq!(usage.grant(now, node(9)), Err(ErrorCode::FORBIDDEN));
    assert!(usage.grant(now, node(1000)).is_ok());
    assert!(usage.grant(now.after(LOGIN_LIFETIME), node(9)).is_ok());
}

fn seeking(now: Now) -> TurnSeeking {
    let mut usage = TurnSeeking::new(now, &configuration(|_| ()), node(7), [2; 32]);
    usage.set_wanted(now, 1);
    usage
}

fn next(usage: &mut TurnSeeking, now: Now) -> (SeekId, Request) {
    usage.poll_request(now).expect("something is to be asked")
}

fn found(resource: Option<ResourceId>) -> Option<Reply> {
    let closest = resource.unwrap_or_else(|| ResourceId::new(&[0; 16]).unwrap());
    let results = vec![FindKindData { kind: KindId::TURN_SERVICE, closest }];
    Some(Reply::Found(FindAns { results }))
}

/// It has found this server at a random place.
fn find(usage: &mut TurnSeeking, now: Now, server: NodeId) {
    let (id, request) = next(usage, now);
    assert!(matches!(request, Request::Find { .. }), "{request:?}");
    usage.handle_finished(now, id, found(Some(hash(b"there"))));
    let (_, request) = next(usage, now);
    assert!(matches!(request, Request::Fetch { resource, .. } if resource == hash(b"there")));
    usage.on_found(now, BTreeSet::from([server]));
}

fn answered(server: &str, username: &str) -> Option<Reply> {
    let now = start();
    let mut offering = offering(now, &configuration(|_| ()));
    offering.set_address(Some(address(server)));
    let ApplicationAnswer { candidates, .. } = offering.grant(now, node(1)).unwrap().answer;
    Some(Reply::AppAnswered(AppAttachReqAns {
        ufrag: Bytes::copy_from_slice(username.as_bytes()),
        password: Bytes::from_static(b"secret"),
        application: TURN_CREDENTIALS,
        role: Bytes::from_static(b"active"),
        candidates,
    }))
}

/// Attach and AppAttach to this server end well.
fn log_in(usage: &mut TurnSeeking, now: Now, server: NodeId, username: &str) {
    let (id, request) = next(usage, now);
    let Request::Attach { to } = request else { panic!("{request:?}") };
    assert_eq!(to, [Destination::Node(server)]);
    usage.handle_finished(now, id, Some(Reply::Attached(server)));
    let (id, request) = next(usage, now);
    let Request::AppAttach { to, application, connect } = request else { panic!("{request:?}") };
    assert_eq!((application, connect), (61441, false)); // E104
    assert_eq!(to, [Destination::Node(server)]);
    usage.handle_finished(now, id, answered("198.51.100.7:3478", username));
}

// R6940-9-07
#[test]
fn a_server_is_found_at_a_random_place_and_gives_a_login_over_a_link_of_its_own() {
    let now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    let logins = usage.poll_change().expect("there is one now");
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0].server, address("198.51.100.7:3478"));
    assert_eq!((&logins[0].username[..], &logins[0].password[..]), ("user", "secret"));
    assert_eq!(usage.poll_change(), None);
    assert!(usage.poll_request(now).is_none(), "one was wanted");
}

// R6940-9-07
#[test]
fn other_random_places_are_looked_at_while_nothing_is_found_and_then_not_at_once() {
    let mut now = start();
    let mut usage = seeking(now);
    let mut places = BTreeSet::new();
    let mut pauses = Vec::new();
    for _ in 0..100 {
        let (id, request) = next(&mut usage, now);
        let Request::Find { resource, kinds } = request else { panic!("{request:?}") };
        assert_eq!(kinds, [KindId::TURN_SERVICE]);
        assert!(places.insert(resource), "it is another one each time");
        usage.handle_finished(now, id, found(None));
        let wait = usage.wakeup().unwrap().saturating_duration_since(now.mono);
        if !wait.is_zero() {
            assert!(usage.poll_request(now).is_none());
            pauses.push(wait.as_secs());
        }
        now = now.after(wait);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 600, 600, 600, 600, 600, 600, 600]);
}

#[test]
fn the_login_is_asked_for_again_before_the_hour_ends() {
    let mut now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    usage.poll_change();
    for username in ["user", "user", "other"] {
        let wait = usage.wakeup().unwrap() - now.mono;
        assert!(wait > Duration::ZERO && wait < LOGIN_LIFETIME);
        now = now.after(wait);
        log_in(&mut usage, now, node(9), username);
        assert_eq!(usage.poll_change().is_some(), username == "other");
    }
}

#[test]
fn a_renewal_that_fails_is_tried_again_until_the_login_ends_and_then_another_server_is_sought() {
    let mut now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    usage.poll_change();
    let ends = now.mono + LOGIN_LIFETIME;
    let mut tries = 0;
    loop {
        now = now.after(usage.wakeup().unwrap().saturating_duration_since(now.mono));
        let (id, request) = next(&mut usage, now);
        match request {
            Request::Attach { .. } => tries += 1,
            Request::Find { .. } => break,
            other => panic!("{other:?}"),
        }
        assert_eq!(usage.logins().len(), 1);
        usage.handle_finished(now, id, None);
    }
    assert!(tries > 10 && now.mono >= ends, "{tries}");
    assert_eq!(usage.poll_change(), Some(Vec::new()));
}

#[test]
fn a_server_of_no_use_is_avoided_and_so_is_this_node_itself() {
    let mut now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(7)); // our own record
    find(&mut usage, now, node(9));
    let (id, _) = next(&mut usage, now);
    usage.handle_finished(now, id, None);
    find(&mut usage, now, node(9));
    assert!(matches!(next(&mut usage, now).1, Request::Find { .. }));
    now = now.after(Duration::from_secs(601));
    usage.on_found(now, BTreeSet::from([node(9)]));
    assert!(matches!(next(&mut usage, now).1, Request::Attach { .. }));
}

#[test]
fn a_server_that_does_not_relay_is_replaced() {
    let now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    usage.poll_change();
    usage.handle_failed(now, address("203.0.113.1:1"));
    assert_eq!(usage.poll_change(), None, "that is another one");
    usage.handle_failed(now, address("198.51.100.7:3478"));
    assert_eq!(usage.poll_change(), Some(Vec::new()));
    find(&mut usage, now, node(10));
}

#[test]
fn an_answer_without_one_address_or_without_a_name_is_no_login() {
    let now = start();
    let break_it: [fn(&mut AppAttachReqAns); 4] = [
        |it| it.candidates.clear(),
        |it| it.candidates.push(it.candidates[0].clone()),
        |it| it.ufrag = Bytes::new(),
        |it| it.password = Bytes::from_static(b"\xff\xff"),
    ];
    for break_it in break_it {
        let mut usage = seeking(now);
        find(&mut usage, now, node(9));
        let (id, _) = next(&mut usage, now);
        usage.handle_finished(now, id, Some(Reply::Attached(node(9))));
        let (id, _) = next(&mut usage, now);
        let Some(Reply::AppAnswered(mut answer)) = answered("198.51.100.7:1", "user") else {
            panic!("it is one")
        };
        break_it(&mut answer);
        usage.handle_finished(now, id, Some(Reply::AppAnswered(answer)));
        assert_eq!((usage.logins(), usage.poll_change()), (Vec::new(), None));
    }
}

#[test]
fn nothing_is_sought_where_nothing_is_wanted_or_no_ice_is_used() {
    let now = start();
    let mut usage = TurnSeeking::new(now, &configuration(|_| ()), node(7), [2; 32]);
    assert!(usage.poll_request(now).is_none() && usage.wakeup().is_none());
    let mut usage = TurnSeeking::new(now, &configuration(|it| it.no_ice = true), node(7), [2; 32]);
    usage.set_wanted(now, 1);
    assert!(usage.poll_request(now).is_none() && usage.wakeup().is_none());
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    usage.poll_change();
    usage.set_wanted(now, 0);
    assert_eq!(usage.poll_change(), Some(Vec::new()));
}

#[test]
fn a_server_whose_link_is_lost_is_asked_again_at_once_and_dropped_if_it_does_not_answer() {
    let now = start();
    let mut usage = seeking(now);
    find(&mut usage, now, node(9));
    log_in(&mut usage, now, node(9), "user");
    assert_eq!(usage.servers(), [(node(9), address("198.51.100.7:3478"))]);
    usage.poll_change();
    usage.handle_link_down(now, node(8));
    assert!(usage.poll_request(now).is_none(), "that is another node");
    usage.handle_link_down(now, node(9));
    log_in(&mut usage, now, node(9), "user");
    assert_eq!(usage.poll_change(), None, "it is still there");
    usage.handle_link_down(now, node(9));
    let (id, request) = next(&mut usage, now);
    assert!(matches!(request, Request::Attach { .. }), "{request:?}");
    usage.handle_finished(now, id, None);
    assert_eq!(usage.poll_change(), Some(Vec::new()));
    assert!(matches!(next(&mut usage, now).1, Request::Find { .. }), "another one is sought");
}
