//! What changes under way: a NAT that forgets its mappings, and a peer that gets another address.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use reload_e2e::netns::Nat;
use reload_e2e::{Item, items, read_all};

use super::pairs::outage;
use super::town::{Access, BOOTSTRAP, Citizen, Town};

/// A link may be useless for this long.
const OUTAGE: Duration = Duration::from_secs(10);

/// All values are read within this in a ring in order.
const CALM: Duration = Duration::from_secs(90);

/// All pairs get through without a relay, which is a matter of other tests.
const CITIZENS: [Citizen; 4] = [
    Citizen::new("alice", Access::Public),
    Citizen::new("bob", Access::Behind(Nat::Symmetric)),
    Citizen::new("carol", Access::Behind(Nat::AddressRestricted)),
    Citizen::new("dave", Access::Public),
];

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_nat_that_forgets_and_a_peer_that_moves_cost_ten_seconds_and_no_value() {
    let Some(mut town) = Town::build("changes", &["--ice"], &CITIZENS) else { return };
    for place in 0..CITIZENS.len() {
        town.start(place);
    }
    say(&format!("four peers; in order after {:?}", town.overlay.settle().unwrap()));
    let items = items(&town.overlay);
    for item in &items {
        item.store(&town.overlay).unwrap();
    }
    read_all(&town.overlay, &items, Instant::now() + CALM).unwrap();

    for place in [1, 2] {
        let citizen = CITIZENS[place];
        for router in &town.streets.routers[place] {
            router.forget().unwrap();
        }
        let what = format!("the NAT of {} ({}) has forgotten", citizen.name, citizen.access);
        after_change(&mut town, &items, place, &what);
    }
    for (place, address) in [(1, [192, 168, 1, 7]), (3, [198, 18, 0, 77])] {
        town.streets.machines[place].move_to(Ipv4Addr::from(address)).unwrap();
        let what = format!("{} has another address", CITIZENS[place].name);
        after_change(&mut town, &items, place, &what);
    }
    town.close();
}

/// Both ends of the link to the bootstrap peer find each other again, and all is there.
fn after_change(town: &mut Town, items: &[Item], place: usize, what: &str) {
    let ping = |from: usize, to: usize| {
        let (from, to) = (town.overlay.peer(from), town.overlay.peer(to));
        let node = format!("node:{}", to.node_id());
        let reply = from.json(&["ping", &node])?;
        ensure!(reply["node"] == to.node_id(), "{reply}");
        anyhow::Ok(())
    };
    let begin = Instant::now();
    let out = outage("its ping is answered", 3 * OUTAGE, || ping(place, BOOTSTRAP));
    outage("it answers a ping", 3 * OUTAGE, || ping(BOOTSTRAP, place));
    let both = begin.elapsed();
    let settled = town.overlay.settle().unwrap();
    let read = read_all(&town.overlay, items, Instant::now() + CALM).unwrap();
    let values = read.len();
    say(&format!(
        "{what}: its link is of use again after {out:?}, both ways after {both:?}, the ring in order \
         {settled:?} later; {values} values read"
    ));
    assert!(both < OUTAGE, "{what}: {both:?}");
}

fn say(what: &str) {
    println!("  {what}");
}
