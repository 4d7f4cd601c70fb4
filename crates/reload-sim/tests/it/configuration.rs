//! New configurations in rings of real nodes: they reach everybody by ConfigUpdate (section 6.5.4), over
//! links that lose messages, and no value is lost.

use std::time::Duration;

use reload_node::Role;
use reload_sim::{
    Address, Assignment, Book, Condition, HostId, Overlay, Weather, World, fetched, ring_faults,
};
use reload_wire::KindId;

const PEERS: usize = 16;
const KIND: KindId = KindId(0xF000_0009);

/// A ring, and a value or more of each peer.
fn ring(seed: u64, overlay: &Overlay) -> (World, Book) {
    let weather = Weather { loss: 0.02, ..Weather::default() };
    let mut world = World::new(seed, weather, overlay);
    for host in 0..PEERS {
        assert_eq!(world.add(Role::Peer), host);
        world.start(host, &[0], host == 0);
        let joined = world.run_until(Duration::from_secs(60), |world| world.hosts[host].joined);
        assert!(joined, "host {host} did not join");
    }
    world.run_for(Duration::from_secs(60));
    let mut book = Book::new();
    for host in 0..PEERS {
        let value = Assignment::new(&mut world, host, 0);
        world.ask(host, value.store()).expect("the owner may store");
        book.insert(value.address, value.value);
    }
    (world, book)
}

fn sequence(world: &World, host: HostId) -> u16 {
    world.hosts[host].node().configuration().sequence
}

fn all_have(world: &mut World, wanted: u16) {
    let begin = world.elapsed();
    let all = |world: &World| (0..PEERS).all(|host| sequence(world, host) == wanted);
    let done = world.run_until(Duration::from_secs(60), all);
    let sequences: Vec<u16> = (0..PEERS).map(|host| sequence(world, host)).collect();
    assert!(done, "{sequences:?}");
    println!("sequence {wanted} everywhere after {:?}", world.elapsed() - begin);
}

fn all_is_there(world: &mut World, book: &Book) {
    for (number, (address, value)) in book.iter().enumerate() {
        let response = world.ask(number % PEERS, address.fetch()).expect("everybody may fetch");
        assert_eq!(fetched(&response.reply).as_ref(), Some(value), "{address:?}");
    }
}

// R6940-6.5.4-01
#[test]
fn one_node_that_has_the_new_document_is_enough_and_nothing_is_lost() {
    let overlay = Overlay::new();
    for seed in 0..3 {
        let (mut world, book) = ring(seed, &overlay);
        let lower = overlay.document(|c| (c.sequence, c.initial_ttl) = (2, 30));
        world.offer(seed.try_into().unwrap(), &lower).unwrap();
        all_have(&mut world, 2);
        all_is_there(&mut world, &book);
        let kinds = overlay.document(|c| {
            (c.sequence, c.initial_ttl, c.max_message_size) = (7, 30, 100_000);
            let new = ["0xF0000009", "model=SINGLE", "access=USER-MATCH", "max-count=1"];
            c.change("kind", &[&new[..], &["max-size=10"]].concat()).unwrap();
            c.change("kind", &["0xF0000001", "max-size=20000"]).unwrap();
        });
        world.offer(9, &kinds).unwrap();
        all_have(&mut world, 7);
        assert!(
            (0..PEERS)
                .all(|host| { world.hosts[host].node().configuration().kind(KIND).is_some() })
        );
        all_is_there(&mut world, &book);
        assert_eq!(ring_faults(&world), Vec::<String>::new());
    }
}

// R6940-6.5.4-01
#[test]
fn a_node_that_slept_is_updated_by_its_neighbours_when_it_comes_back() {
    let overlay = Overlay::new();
    let (mut world, book) = ring(20, &overlay);
    world.crash(5, Condition::Killed);
    world.run_for(Duration::from_secs(60));
    let lower = overlay.document(|c| (c.sequence, c.initial_ttl) = (2, 30));
    world.offer(0, &lower).unwrap();
    world.run_for(Duration::from_secs(30));
    world.restart(5, &[0, 1]); // with the first document
    assert_eq!(sequence(&world, 5), 1);
    assert!(world.run_until(Duration::from_secs(120), |world| world.hosts[5].joined));
    all_have(&mut world, 2);
    world.run_for(Duration::from_secs(60));
    assert_eq!(ring_faults(&world), Vec::<String>::new());
    all_is_there(&mut world, &book);
}

// R6940-11.1-47
#[test]
fn a_document_of_a_stranger_changes_nothing_anywhere() {
    let (overlay, stranger) = (Overlay::new(), Overlay::new());
    let (mut world, book) = ring(30, &overlay);
    let forged = stranger.document(|c| c.sequence = 9);
    for host in 0..PEERS {
        world.offer(host, &forged).unwrap_err();
    }
    world.run_for(Duration::from_secs(30));
    assert!((0..PEERS).all(|host| sequence(&world, host) == 1));
    all_is_there(&mut world, &book);
    let address: Option<&Address> = book.keys().next();
    assert!(address.is_some(), "there was something to lose");
}
