//! The overlay comes apart with the network, and comes together with it (section 10.7.4.4): real
//! processes at two places with a cable between them.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reload_e2e::netns::{Host, Lab};
use reload_e2e::{Overlay, Peer, Site, until};

/// Links across the cut are given up and each side is a ring of its own within this.
const APART: Duration = Duration::from_secs(120);

/// The cut lasts at least this long: whoever looks for a lost peer at once has looked in vain.
const CUT: Duration = Duration::from_secs(30);

/// Peers look for another part of the overlay every 45 to 90 s, each through a bootstrap node that it
/// picks by chance: a few of these have to pass.
const TOGETHER: Duration = Duration::from_secs(400);

/// All values are at their places this long after the ring is one.
const MERGED: Duration = Duration::from_secs(120);

/// Peers of each side.
const WEST: [usize; 3] = [0, 1, 2];
const EAST: [usize; 3] = [3, 4, 5];

/// A value that its owner writes through the own peer.
#[derive(Clone, Debug)]
struct Value {
    owner: usize,
    key: String,
    text: String,
}

impl Value {
    /// Dictionary entries of every user, and what they hold at one time of the test.
    fn all(owners: &[usize], keys: &[&str], when: &str) -> Vec<Self> {
        let of = |owner: usize| {
            keys.iter().map(move |key| {
                let (key, text) = ((*key).to_owned(), format!("{key} of {owner}, {when}"));
                Self { owner, key, text }
            })
        };
        owners.iter().copied().flat_map(of).collect()
    }

    fn arguments<'a>(&'a self, command: &'a str, user: &'a str) -> Vec<&'a str> {
        vec![command, "--kind", "0xF0000003", "--key", &self.key, user]
    }

    fn store(&self, overlay: &Overlay) -> anyhow::Result<()> {
        let (owner, user) = (overlay.peer(self.owner), user(overlay, self.owner));
        owner.command(&[&self.arguments("store", &user)[..], &[&self.text]].concat())?;
        Ok(())
    }

    fn check(&self, overlay: &Overlay, reader: &Peer) -> anyhow::Result<()> {
        let user = user(overlay, self.owner);
        let read = reader.command(&self.arguments("fetch", &user))?;
        ensure!(read.trim() == self.text, "{} reads `{read}`, not `{}`", reader.name(), self.text);
        Ok(())
    }
}

fn user(overlay: &Overlay, owner: usize) -> String {
    format!("{}@{}", overlay.peer(owner).name(), overlay.name())
}

fn store_all(overlay: &Overlay, values: &[Value]) {
    for value in values {
        until("it is stored", MERGED, || value.store(overlay)).unwrap();
    }
}

/// Every reader reads every value.
fn read_all(overlay: &Overlay, values: &[Value], readers: &[usize]) -> Duration {
    let (_, took) = until("every value is readable from every peer", MERGED, || {
        for reader in readers {
            for value in values {
                value.check(overlay, overlay.peer(*reader)).context("not merged")?;
            }
        }
        anyhow::Ok(())
    })
    .unwrap();
    took
}

/// No capture: TLS with a hole in it, where the cable was cut, opens nowhere.
///
/// What was stored both before and during the cut is overwritten by the one that was there last.
// R6940-10.7.4.4-01
// R6940-10.7.4.4-03
#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn two_rings_that_were_cut_apart_become_one_with_the_newest_values_of_both() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let between = lab.switch("between").unwrap();
    let west = lab.host("west", &between, Ipv4Addr::new(198, 18, 0, 1)).unwrap();
    let east = lab.host("east", &between, Ipv4Addr::new(198, 18, 0, 2)).unwrap();
    let mut overlay = overlay_of(&west, &east);
    say(&format!("six peers at two places; in order after {:?}", overlay.settle().unwrap()));

    let everybody = [WEST, EAST].concat();
    let mut values = Value::all(&everybody, &["old", "changed"], "before the cut");
    store_all(&overlay, &values);
    say(&format!(
        "{} values; all read by all in {:?}",
        12,
        read_all(&overlay, &values, &everybody)
    ));

    east.plug(false).unwrap();
    let cut = Instant::now();
    let (_, west_took) =
        until("the west is a ring", APART, || overlay.check_ring_of(&WEST)).unwrap();
    let (_, more) = until("the east is a ring", APART, || overlay.check_ring_of(&EAST)).unwrap();
    say(&format!(
        "the cable is cut: rings of three after {west_took:?} and {:?}",
        west_took + more
    ));

    let fresh = Value::all(&everybody, &["changed", "new"], "during the cut");
    store_all(&overlay, &fresh);
    values.retain(|value| value.key != "changed");
    values.extend(fresh);
    // Each side has its own new values, and not yet those of the other.
    for (side, others) in [(WEST, EAST), (EAST, WEST)] {
        let own: Vec<_> =
            values.iter().filter(|value| side.contains(&value.owner)).cloned().collect();
        let own: Vec<_> = own.into_iter().filter(|value| value.key != "old").collect();
        read_all(&overlay, &own, &side);
        assert!(own[0].check(&overlay, overlay.peer(others[0])).is_err(), "nothing was cut");
    }
    say("both sides took new values of their users, which the other does not have");

    sleep(CUT.saturating_sub(cut.elapsed()));
    east.plug(true).unwrap();
    let (_, together) =
        until("the rings are one", TOGETHER, || overlay.check_ring_of(&everybody)).unwrap();
    let merged = read_all(&overlay, &values, &everybody);
    say(&format!(
        "the cable is back after {CUT:?}: one ring after {together:?}; {} values read by {} peers {merged:?} later",
        values.len(),
        everybody.len()
    ));
    for place in everybody {
        overlay.peer_mut(place).terminate().unwrap();
    }
    overlay.stop_server().unwrap();
}

fn overlay_of(west: &Host, east: &Host) -> Overlay {
    let (here, there) = (Site::from(west), Site::from(east));
    let mut overlay = Overlay::at("cut.example.org", None, &here, &[]).unwrap();
    let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    for (place, name) in names.iter().enumerate() {
        let site = if WEST.contains(&place) { &here } else { &there };
        overlay.enroll_at(name, site).unwrap();
        overlay.start(place).unwrap();
    }
    overlay
}

fn say(what: &str) {
    println!("  {what}");
}
