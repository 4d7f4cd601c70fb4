//! The values of the test: of all data models and of kinds of users and nodes, spread over the ring.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Overlay, Peer};

/// Commands at the same time; as many as a small machine can bear.
const READERS: usize = 4;

/// Values of kind NODE-MULTIPLE of each peer.
const MULTIPLE: usize = 4;

/// Entries of each array and dictionary.
const ENTRIES: usize = 2;

/// A value, and how it is stored and fetched.
#[derive(Clone, Debug)]
pub struct Item {
    owner: usize,
    kind: &'static str,
    resource: String,
    place: Vec<String>,
    value: String,
}

/// How the reading of one value went.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The value.
    pub item: Item,
    /// The moment when it was read.
    pub at: Instant,
    /// How long the reading took that gave it.
    pub took: Duration,
}

impl Item {
    /// Stores it, by its owner.
    ///
    /// # Errors
    /// What the command says.
    pub fn store(&self, overlay: &Overlay) -> Result<()> {
        let value = [self.resource.as_str(), &self.value];
        overlay.peer(self.owner).command(&self.arguments("store", &value))?;
        Ok(())
    }

    /// Reads it through a peer; it must be what was stored.
    ///
    /// # Errors
    /// What the command says, or what it gives instead.
    pub fn fetch(&self, reader: &Peer) -> Result<()> {
        let read = reader.command(&self.arguments("fetch", &[&self.resource]))?;
        ensure!(read == self.value, "{self} read by {} is `{read}`", reader.name());
        Ok(())
    }

    /// The Node-ID of the peer that is responsible for it, and of those with copies.
    ///
    /// # Errors
    /// What the command says.
    pub fn locate(&self, asker: &Peer) -> Result<(String, Vec<String>)> {
        let reply = asker.json(&["locate", &self.resource])?;
        let responsible = reply["responsible"].as_str().context("nobody is responsible")?;
        let replicas = reply["replicas"].as_array().context("no replicas")?;
        let replicas = replicas.iter().filter_map(|node| node.as_str().map(str::to_owned));
        Ok((responsible.to_owned(), replicas.collect()))
    }

    /// The Node-ID of the peer that answers a Fetch of it.
    ///
    /// # Errors
    /// What the command says.
    pub fn kept_by(&self, reader: &Peer) -> Result<String> {
        let reply = self.ask(reader, "fetch")?;
        let values = reply["values"].as_array().context("no values")?;
        ensure!(!values.is_empty(), "{self} is lost: {reply}");
        Ok(reply["from"].as_str().context("from nobody")?.to_owned())
    }

    /// Runs another reading command on it; what it says in JSON.
    ///
    /// # Errors
    /// What the command says.
    pub fn ask(&self, reader: &Peer, command: &str) -> Result<Value> {
        reader.json(&self.arguments(command, &[&self.resource]))
    }

    /// The name that it is stored under.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    fn arguments<'a>(&'a self, command: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec![command, "--kind", self.kind];
        arguments.extend(self.place.iter().map(String::as_str));
        arguments.extend(rest);
        arguments
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of kind {} {}", self.resource, self.kind, self.place.join(" "))
    }
}

/// Values of every peer that runs.
#[must_use]
pub fn items(overlay: &Overlay) -> Vec<Item> {
    overlay.running().into_iter().flat_map(|owner| items_of(overlay, owner)).collect()
}

fn items_of(overlay: &Overlay, owner: usize) -> Vec<Item> {
    let peer = overlay.peer(owner);
    let user = format!("{}@{}", peer.name(), overlay.name());
    let item = |kind, resource: String, place: &[&str]| {
        let place: Vec<_> = place.iter().map(|word| (*word).to_owned()).collect();
        let value = format!("{user} says {resource} {}", place.join(" "));
        Item { owner, kind, resource, place, value }
    };
    let mut items = vec![item("0xF0000001", user.clone(), &[])];
    for entry in 0..ENTRIES {
        items.push(item("0xF0000002", user.clone(), &["--index", &entry.to_string()]));
        items.push(item("0xF0000003", user.clone(), &["--key", &format!("key {entry}")]));
    }
    for number in 1..=MULTIPLE {
        items.push(item("0xF0000004", format!("node:{}/{number}", peer.node_id()), &[]));
    }
    items
}

/// Reads all values, each through another of the running peers, again and again until it is there.
///
/// # Errors
/// If one is not there at the deadline, and why.
pub fn read_all(overlay: &Overlay, items: &[Item], deadline: Instant) -> Result<Vec<Reading>> {
    let readers = overlay.running();
    let next = AtomicUsize::new(0);
    let readings = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            let reading = read(overlay, item, &readers, number, deadline);
            if let Ok(mut readings) = readings.lock() {
                readings.insert(number, reading);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(work);
        }
    });
    let readings = readings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    ensure!(readings.len() == items.len(), "a reader broke");
    readings.into_values().collect()
}

fn read(
    overlay: &Overlay,
    item: &Item,
    readers: &[usize],
    number: usize,
    deadline: Instant,
) -> Result<Reading> {
    let mut attempt = number;
    loop {
        let begin = Instant::now();
        let reader = overlay.peer(readers[attempt % readers.len()]);
        match item.fetch(reader) {
            Ok(()) => {
                let at = Instant::now();
                ensure!(at <= deadline, "{item} came {:?} too late", at - deadline);
                return Ok(Reading { item: item.clone(), at, took: begin.elapsed() });
            }
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("{item} is not readable in time")));
            }
            Err(_) => attempt += 1,
        }
    }
}
