//! What peers keep on their disks: nothing that was acknowledged is lost when peers are killed again
//! and again, and a peer that starts again has what is still valid.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use reload_e2e::{Overlay, Peer, items, until};

/// Kills under load.
const KILLS: u32 = 50;

/// The load goes on for at most this long before a kill.
const BEFORE_KILL_MS: u64 = 1200;

/// Between two Stores of a writer: else the commands alone keep a small machine busy.
const PACE: Duration = Duration::from_millis(50);

/// A value is readable within this, also while the ring is mended.
const READABLE: Duration = Duration::from_secs(60);

/// A peer has written everything within this when nothing new comes.
const WRITTEN: Duration = Duration::from_secs(20);

/// Dictionary entries of each writer.
const KEYS: u64 = 4;

/// Resources of each writer beside its dictionary (NODE-MULTIPLE).
const MULTIPLE: u64 = 8;

/// A value that is overwritten again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    writer: usize,
    number: u64,
}

impl Cell {
    fn arguments(self, peer: &Peer, overlay: &str) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        if self.number < KEYS {
            let (key, user) =
                (format!("key {}", self.number), format!("{}@{overlay}", peer.name()));
            return words(&["--kind", "0xF0000003", "--key", &key, &user]);
        }
        let resource = format!("node:{}/{}", peer.node_id(), self.number - KEYS + 1);
        words(&["--kind", "0xF0000004", &resource])
    }
}

/// How far a cell was written.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// The last value that was tried: it may have been stored, or not.
    tried: u64,
    /// The last one that was acknowledged.
    acknowledged: u64,
}

/// Writers, one for each peer, through its own node; they go on when it is dead.
struct Load {
    overlay: String,
    writers: Vec<Peer>,
    cells: Mutex<BTreeMap<Cell, Written>>,
    over: AtomicBool,
}

impl Load {
    fn of(overlay: &Overlay) -> Self {
        Self {
            overlay: overlay.name().to_owned(),
            writers: overlay.peers().iter().map(Peer::for_commands).collect(),
            cells: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    fn run(&self, writer: usize) {
        let numbers = (0..KEYS + MULTIPLE).cycle();
        for number in numbers {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            // Its peer may be down.
            let _ = self.write(Cell { writer, number });
            sleep(PACE);
        }
    }

    fn write(&self, cell: Cell) -> Result<()> {
        let value = {
            let mut cells = self.cells.lock().unwrap();
            let written = cells.entry(cell).or_default();
            written.tried += 1;
            written.tried
        };
        let peer = &self.writers[cell.writer];
        let mut arguments = vec!["store".to_owned()];
        arguments.extend(cell.arguments(peer, &self.overlay));
        arguments.push(value.to_string());
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        peer.command(&arguments)?;
        self.cells.lock().unwrap().entry(cell).or_default().acknowledged = value;
        Ok(())
    }

    fn acknowledged(&self) -> Vec<Cell> {
        let cells = self.cells.lock().unwrap();
        let known = cells.iter().filter(|(_, written)| written.acknowledged > 0);
        known.map(|(cell, _)| *cell).collect()
    }

    /// Reads a cell through a peer: what was acknowledged before must be there, or something newer.
    fn check(&self, cell: Cell, reader: &Peer) -> Result<()> {
        let least = self.cells.lock().unwrap()[&cell].acknowledged;
        let mut arguments = vec!["fetch".to_owned()];
        arguments.extend(cell.arguments(&self.writers[cell.writer], &self.overlay));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let read: u64 = reader.command(&arguments)?.trim().parse().context("no number")?;
        let most = self.cells.lock().unwrap()[&cell].tried;
        ensure!(
            (least..=most).contains(&read),
            "{cell:?} is {read}: {least} was acknowledged, {most} tried"
        );
        Ok(())
    }

    /// Checks cells, each through one of the running peers.
    fn check_all(&self, overlay: &Overlay, cells: &[Cell]) {
        let readers = overlay.running();
        for (turn, cell) in cells.iter().enumerate() {
            let mut attempt = turn;
            until(&format!("{cell:?} is readable"), READABLE, || {
                attempt += 1;
                self.check(*cell, overlay.peer(readers[attempt % readers.len()]))
            })
            .unwrap();
        }
    }
}

/// Numbers from a seed (xorshift), so that a failed run can be played again.
struct Dice(u64);

impl Dice {
    fn seeded() -> Self {
        let given = std::env::var("RELOAD_E2E_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs());
        let seed = given.unwrap_or_else(now).max(1);
        println!("  RELOAD_E2E_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn every_acknowledged_value_is_readable_after_each_of_fifty_kills_under_load() {
    let mut dice = Dice::seeded();
    let mut overlay = Overlay::new("kills.example.org", None).unwrap();
    for name in ["alice", "bob", "carol", "dave"] {
        overlay.add_peer(name).unwrap();
    }
    overlay.settle().unwrap();
    let load = Load::of(&overlay);
    std::thread::scope(|scope| {
        for writer in 0..load.writers.len() {
            let load = &load;
            scope.spawn(move || load.run(writer));
        }
        // Else a panic here would wait for the writers for ever.
        let _over = Over(&load.over);
        kill_again_and_again(&mut overlay, &load, &mut dice);
    });
    let cells = load.acknowledged();
    load.check_all(&overlay, &cells);
    let sum: u64 = load.cells.lock().unwrap().values().map(|cell| cell.acknowledged).sum();
    println!("  {KILLS} kills, {sum} Stores at least, {} values: none is lost", cells.len());
}

fn kill_again_and_again(overlay: &mut Overlay, load: &Load, dice: &mut Dice) {
    let mut longest = Duration::ZERO;
    for number in 1..=KILLS {
        sleep(Duration::from_millis(dice.below(BEFORE_KILL_MS)));
        let victim = usize::try_from(dice.below(4)).unwrap();
        overlay.peer_mut(victim).kill().unwrap();
        // Some at once, from those that are left; all of them now and then.
        let mut cells = load.acknowledged();
        if number % 10 != 0 {
            let start = usize::try_from(dice.below(1000)).unwrap();
            cells = cells.iter().cycle().skip(start).take(cells.len().min(4)).copied().collect();
        }
        let begin = Instant::now();
        load.check_all(overlay, &cells);
        longest = longest.max(begin.elapsed());
        overlay.start(victim).unwrap();
        overlay.settle().unwrap();
    }
    println!("  the longest check after a kill took {longest:?}");
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until the file has everything.
fn written(peer: &Peer) {
    until("everything is written", WRITTEN, || {
        let status = peer.json(&["status"])?;
        let (left, values) = (&status["counters"]["store_unwritten"], &status["values"]);
        ensure!(left == 0 && values.as_u64() > Some(0), "{left} left of {values}");
        anyhow::Ok(())
    })
    .unwrap();
}

/// With nobody else, only its disk can give it its values back.
#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_started_again_gives_back_what_is_still_valid_and_drops_what_expired() {
    let mut overlay = Overlay::new("alone.example.org", None).unwrap();
    overlay.add_peer("alice").unwrap();
    let items = items(&overlay);
    for item in &items {
        item.store(&overlay).unwrap();
    }
    let short = ["--kind", "0xF0000003", "--key", "short", "alice@alone.example.org"];
    let store = [&["store", "--lifetime", "6"], &short[..], &["soon gone"]].concat();
    let stored = Instant::now();
    overlay.peer(0).command(&store).unwrap();
    written(overlay.peer(0));
    overlay.peer_mut(0).kill().unwrap();
    overlay.start(0).unwrap();
    for item in &items {
        item.fetch(overlay.peer(0)).unwrap();
    }
    let read = overlay.peer(0).process().unwrap().logged(&["values read back"], READABLE).unwrap();
    println!("  {read}");
    assert!(!read.contains(" 0 values"), "{read}");

    overlay.peer_mut(0).terminate().unwrap();
    while stored.elapsed() < Duration::from_secs(7) {
        sleep(Duration::from_millis(50));
    }
    overlay.start(0).unwrap();
    for item in &items {
        item.fetch(overlay.peer(0)).unwrap();
    }
    let fetch = [&["fetch", "--json"], &short[..]].concat();
    let fetched = overlay.peer(0).command(&fetch).unwrap_or_default();
    assert!(!fetched.contains("soon gone"), "{fetched}");
    overlay.peer_mut(0).terminate().unwrap();
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn a_peer_with_a_damaged_store_starts_all_the_same_and_gets_its_values_from_the_overlay() {
    let mut overlay = Overlay::new("damaged.example.org", None).unwrap();
    for name in ["alice", "bob", "carol"] {
        overlay.add_peer(name).unwrap();
    }
    overlay.settle().unwrap();
    let items = items(&overlay);
    for item in &items {
        item.store(&overlay).unwrap();
    }
    let victim = 1;
    written(overlay.peer(victim));
    overlay.peer_mut(victim).kill().unwrap();
    let home: PathBuf = overlay.peer(victim).home().to_owned();
    let file = home.join("store").join("values.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[..middle].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&file, &bytes).unwrap();

    overlay.start(victim).unwrap();
    let process = overlay.peer(victim).process().unwrap();
    let told = process.logged(&["is damaged", "store.damaged-1"], READABLE).unwrap();
    println!("  {told}");
    assert_eq!(std::fs::read(home.join("store.damaged-1/values.redb")).unwrap(), bytes);
    overlay.settle().unwrap();
    for item in &items {
        until("it is readable", READABLE, || item.fetch(overlay.peer(victim))).unwrap();
    }
    until("it has values again", READABLE, || {
        let status = overlay.peer(victim).json(&["status"])?;
        ensure!(status["values"].as_u64() > Some(0), "{}", status["values"]);
        anyhow::Ok(())
    })
    .unwrap();
}

/// The whole overlay goes down, and one disk with it: the others have copies of what it had.
#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn an_overlay_that_was_down_as_a_whole_has_its_values_again_though_one_store_is_lost() {
    let mut overlay = Overlay::new("outage.example.org", None).unwrap();
    for name in ["alice", "bob", "carol"] {
        overlay.add_peer(name).unwrap();
    }
    overlay.settle().unwrap();
    let items = items(&overlay);
    for item in &items {
        item.store(&overlay).unwrap();
    }
    for place in overlay.running() {
        written(overlay.peer(place));
        overlay.peer_mut(place).kill().unwrap();
    }
    let store = overlay.peer(0).home().join("store");
    std::fs::remove_dir_all(&store).unwrap();
    // Alice founds the ring with nothing; what is hers the others have to bring.
    for place in 0..3 {
        overlay.start(place).unwrap();
    }
    overlay.settle().unwrap();
    let begin = Instant::now();
    for (number, item) in items.iter().enumerate() {
        let reader = overlay.peer(number % 3);
        until(&format!("{item} is readable"), READABLE, || item.fetch(reader)).unwrap();
    }
    println!("  {} values are there {:?} after the ring", items.len(), begin.elapsed());
}
