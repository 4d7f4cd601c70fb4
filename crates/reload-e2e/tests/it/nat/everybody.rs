//! One home behind every kind of NAT: all join one overlay, store and fetch, and each opens a pipe to
//! every other.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use reload_e2e::netns::Nat;
use reload_e2e::{items, read_all};

use super::pairs::{Pipe, Row, Table, Way, overlay_ways};
use super::town::{Access, BOOTSTRAP, Citizen, Town};

/// All values are read within this in a ring in order.
const CALM: Duration = Duration::from_secs(90);

/// The best way is chosen within this after the first one.
const BETTER: Duration = Duration::from_secs(5);

/// From one look to the next.
const PACE: Duration = Duration::from_millis(100);

/// The first Application-ID of the pipes: private ones, which may be streams.
const APPLICATIONS: u16 = 0xf100;

const CITIZENS: [Citizen; 8] = [
    Citizen::new("alice", Access::Public),
    Citizen::new("bob", Access::Behind(Nat::FullCone)),
    Citizen::new("carol", Access::Behind(Nat::AddressRestricted)),
    Citizen::new("dave", Access::Behind(Nat::PortRestricted)),
    Citizen::new("erin", Access::Behind(Nat::Symmetric)),
    Citizen::new("frank", Access::Behind(Nat::Symmetric)),
    Citizen::new("grace", Access::Twice(Nat::PortRestricted, Nat::PortRestricted)),
    Citizen { name: "heidi", access: Access::Behind(Nat::Symmetric), coturn: true },
];

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn all_pairs_of_homes_join_one_overlay_store_fetch_and_open_a_pipe() {
    let Some(mut town) = Town::build("nat", &["--ice"], &CITIZENS) else { return };
    for (place, citizen) in CITIZENS.iter().enumerate() {
        let begin = Instant::now();
        town.start(place);
        say(&format!("{} ({}) has joined in {:?}", citizen.name, citizen.access, begin.elapsed()));
    }
    say(&format!("eight peers; in order after {:?}", town.overlay.settle().unwrap()));

    let items = items(&town.overlay);
    for item in &items {
        item.store(&town.overlay).unwrap();
    }
    let read = read_all(&town.overlay, &items, Instant::now() + CALM).unwrap();
    let slowest = read.iter().map(|reading| reading.took).max().unwrap();
    say(&format!("{} values stored and read, the slowest in {slowest:?}", read.len()));

    for ((from, to), way) in overlay_ways(&town) {
        let (from, to) = (CITIZENS[from].name, CITIZENS[to].name);
        say(&format!("overlay link {from} - {to}: {} - {}", way.local_kind, way.remote_kind));
    }
    let rows = open_all_pipes(&town);
    println!("{}", Table { town: &town, rows: &rows });
    check_ways(&town, &rows);
    town.close();
}

/// Only HTTPS takes part, which every NAT lets out.
#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn homes_behind_every_nat_enroll_at_the_same_server() {
    let Some(town) = Town::without_peers("enrolling", &CITIZENS) else { return };
    let mut ids: Vec<_> = town.overlay.peers().iter().map(|peer| peer.node_id()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CITIZENS.len());
}

fn open_all_pipes(town: &Town) -> Vec<Row> {
    let count = CITIZENS.len();
    let pairs = (0..count).flat_map(|from| (from + 1..count).map(move |to| (from, to)));
    let mut rows = Vec::new();
    for ((from, to), application) in pairs.zip(APPLICATIONS..) {
        // Half of them are opened by the other side.
        let (from, to) = if (from + to) % 2 == 0 { (from, to) } else { (to, from) };
        let pipe = Pipe::open(town, from, to, application);
        let pipe = pipe.unwrap_or_else(|error| {
            panic!("{} to {}: {error:#}", CITIZENS[from].name, CITIZENS[to].name)
        });
        let way = last_way(town, from, to, application);
        rows.push(Row { from, to, way, took: pipe.took });
        pipe.close().unwrap();
    }
    rows
}

/// A relay may be the first way that is found; where there is a better one, it comes soon.
fn last_way(town: &Town, from: usize, to: usize, application: u16) -> Way {
    let needed = CITIZENS[from].access.needs_relay(CITIZENS[to].access);
    let begin = Instant::now();
    loop {
        let way = Pipe::way(town, from, application).unwrap();
        if way.is_relayed() == needed || begin.elapsed() > BETTER {
            return way;
        }
        sleep(PACE);
    }
}

/// Relays where nothing else helps, and only there.
fn check_ways(town: &Town, rows: &[Row]) {
    let mut counts = BTreeMap::new();
    for row in rows {
        let (from, to) = (CITIZENS[row.from], CITIZENS[row.to]);
        let relayed = row.way.is_relayed();
        let needed = from.access.needs_relay(to.access);
        assert_eq!(relayed, needed, "{} to {}: {:?}", from.name, to.name, row.way);
        for relay in row.way.relays() {
            *counts.entry(town.relay_name(relay)).or_insert(0) += 1;
        }
    }
    say(&format!("relays: {counts:?}"));
    // Two with symmetric NATs that know of no server but those in the overlay.
    let row = rows.iter().find(|row| row.from.min(row.to) == 4 && row.from.max(row.to) == 5);
    let alice = town.streets.machines[BOOTSTRAP].address();
    let relays = row.unwrap().way.relays();
    assert!(relays.iter().all(|relay| *relay == alice), "{relays:?}, not {alice}");
    if town.streets.coturn.is_some() {
        assert!(counts.keys().any(|name| name == "coturn"), "nothing went through coturn");
    }
}

fn say(what: &str) {
    println!("  {what}");
}
