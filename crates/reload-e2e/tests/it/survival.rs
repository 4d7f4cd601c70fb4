//! Five peers hold values while peers are killed, stopped, restarted and told to leave.

use std::thread::sleep;
use std::time::{Duration, Instant};

use reload_e2e::{Capturing, Item, Overlay, Signal, items, read_all, until};

/// A killed peer may be missed for this long.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// A peer that came back has its share within this.
const SHARE_LIMIT: Duration = Duration::from_secs(60);

/// How long a peer stands still.
const STANDSTILL: Duration = Duration::from_secs(12);

/// From one read to the next meanwhile.
const PACE: Duration = Duration::from_millis(80);

/// 99 of 100 reads are faster than this while a peer stands still.
const P99: Duration = Duration::from_secs(2);

/// All values are read within this in a ring in order.
const CALM: Duration = Duration::from_secs(60);

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn nothing_is_lost_when_peers_are_killed_stopped_restarted_and_leave() {
    let capturing = Capturing::on_loopback("survival").unwrap();
    let mut overlay = Overlay::new("e2e.example.org", capturing.directory()).unwrap();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        overlay.add_peer(name).unwrap();
    }
    say(&format!("five peers; in order after {:?}", overlay.settle().unwrap()));
    let items = items(&overlay);
    for item in &items {
        item.store(&overlay).unwrap();
    }
    let read = read_all(&overlay, &items, Instant::now() + CALM).unwrap();
    say(&format!("{} values stored and read", read.len()));

    look_around(&overlay, &items);
    let killed = kill_a_responsible_peer(&mut overlay, &items);
    bring_back(&mut overlay, &items, killed);
    stop_another(&mut overlay, &items, killed);
    restart_the_bootstrap_peer(&mut overlay, &items);
    three_neighbours_leave(&mut overlay, &items);

    let addresses: Vec<_> = overlay.peers().iter().filter_map(|peer| peer.address()).collect();
    for place in overlay.running() {
        overlay.peer_mut(place).terminate().unwrap();
    }
    overlay.stop_server().unwrap();
    capturing.finish(&addresses).unwrap();
}

/// Each reading command has an answer, from a peer that stored none of it.
fn look_around(overlay: &Overlay, items: &[Item]) {
    let (item, reader) = (&items[0], overlay.peer(4)); // of alice, read by erin
    let stat = item.ask(reader, "stat").unwrap();
    assert_eq!(stat["values"][0]["exists"], true, "{stat}");
    let (responsible, replicas) = item.locate(reader).unwrap();
    assert_eq!(replicas.len(), 2, "{replicas:?}");
    let ask = |words: &[&str]| reader.json(words).unwrap();
    let found = ask(&["find", "--kind", "0xF0000001", item.resource()]);
    assert_eq!(found["results"][0]["closest"], stat["resource"], "{found}");
    let route = ask(&["route", item.resource()]);
    let path = route["path"].as_array().unwrap();
    assert_eq!(path.last().unwrap()["node"], responsible.as_str(), "{route}");
    for command in ["ping", "probe"] {
        let reply = ask(&[command, item.resource()]);
        assert_eq!(reply["node"], responsible.as_str(), "{reply}");
    }
    say("stat, locate, find, route, ping and probe answer");
}

/// Kills the peer with the most values, but not the bootstrap peer, whose turn comes later.
fn kill_a_responsible_peer(overlay: &mut Overlay, items: &[Item]) -> usize {
    let (victim, share) = busiest(overlay, items, &[0]);
    overlay.peer_mut(victim).kill().unwrap();
    let begin = Instant::now();
    let read = read_all(overlay, items, begin + AFTER_KILL).unwrap();
    let last = read.iter().map(|reading| reading.at - begin).max().unwrap();
    say(&format!("kill -9 of the peer responsible for {share}: all readable after {last:?}"));
    victim
}

/// It must get back what it is responsible for.
fn bring_back(overlay: &mut Overlay, items: &[Item], place: usize) {
    overlay.settle().unwrap();
    overlay.start(place).unwrap(); // checks its Node-ID
    overlay.settle().unwrap();
    let node_id = overlay.peer(place).node_id().to_owned();
    let asker = overlay.peer(0);
    let mut share = 0;
    for item in items {
        let (kept_by, _) = until("the share is back", SHARE_LIMIT, || {
            let (responsible, _) = item.locate(asker)?;
            let kept_by = item.kept_by(asker)?;
            anyhow::ensure!(responsible == kept_by, "{item} is at {kept_by}, not {responsible}");
            anyhow::Ok(kept_by)
        })
        .unwrap();
        share += usize::from(kept_by == node_id);
    }
    assert!(share > 0, "it has nothing, and had the most");
    say(&format!("it starts again with its Node-ID and has {share} values of its share back"));
}

/// A stopped process: its kernel still acknowledges, it does not.
fn stop_another(overlay: &mut Overlay, items: &[Item], killed: usize) {
    let (victim, share) = busiest(overlay, items, &[0, killed]);
    let readers: Vec<_> = overlay.running().into_iter().filter(|at| *at != victim).collect();
    overlay.peer(victim).signal(Signal::Stop).unwrap();
    let begin = Instant::now();
    let mut took = Vec::new();
    while begin.elapsed() < STANDSTILL || took.len() < 3 * items.len() {
        let number = took.len();
        let reader = overlay.peer(readers[number % readers.len()]);
        let at = Instant::now();
        items[number % items.len()].fetch(reader).unwrap();
        took.push(at.elapsed());
        sleep(PACE.saturating_sub(at.elapsed())); // hundreds of reads, not thousands
        assert!(begin.elapsed() < 10 * STANDSTILL, "only {number} reads");
    }
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    say(&format!(
        "SIGSTOP of the peer responsible for {share}: {} reads go on, median {:?}, p99 {p99:?}, longest {:?}",
        took.len(),
        took[took.len() / 2],
        took[took.len() - 1]
    ));
    assert!(p99 < P99, "{took:?}");
    overlay.peer(victim).signal(Signal::Continue).unwrap();
    let settled = overlay.settle().unwrap();
    read_all(overlay, items, Instant::now() + CALM).unwrap();
    say(&format!("SIGCONT: the ring is in order after {settled:?}"));
}

/// It is told to found a ring if nobody answers, and must find its own.
fn restart_the_bootstrap_peer(overlay: &mut Overlay, items: &[Item]) {
    overlay.peer_mut(0).kill().unwrap();
    overlay.settle().unwrap();
    overlay.start(0).unwrap();
    overlay.settle().unwrap();
    let ring = overlay.peer(0).json(&["ring"]).unwrap();
    assert_eq!(ring["peers"].as_array().unwrap().len(), 5, "{ring}");
    read_all(overlay, items, Instant::now() + CALM).unwrap();
    say("the bootstrap peer, killed and started again, is in its overlay");
}

/// Nobody waits between them but for the end of the process.
fn three_neighbours_leave(overlay: &mut Overlay, items: &[Item]) {
    let leaving = overlay.ring()[1..4].to_vec();
    for place in leaving {
        overlay.peer_mut(place).terminate().unwrap();
    }
    let begin = Instant::now();
    let read = read_all(overlay, items, begin + CALM).unwrap();
    let settled = overlay.settle().unwrap();
    say(&format!(
        "SIGTERM of three neighbours: {} values read in {:?}, the ring of two in order {settled:?} later",
        read.len(),
        begin.elapsed()
    ));
}

/// The running peer that is responsible for the most values, and for how many.
fn busiest(overlay: &Overlay, items: &[Item], but: &[usize]) -> (usize, usize) {
    let mut shares = vec![0; overlay.peers().len()];
    for item in items {
        let (responsible, _) = item.locate(overlay.peer(0)).unwrap();
        shares[overlay.place(&responsible).unwrap()] += 1;
    }
    let places = (0..shares.len()).filter(|place| !but.contains(place));
    let busiest = places.max_by_key(|place| shares[*place]).unwrap();
    assert!(shares[busiest] > 0, "nobody is responsible for anything: {shares:?}");
    (busiest, shares[busiest])
}

fn say(what: &str) {
    println!("  {what}");
}
