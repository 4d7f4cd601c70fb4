//! Stores and reads of the demo, with what they took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::values::Item;
use crate::control::{Failure, Progress};
use crate::operations::{fetch, store};
use crate::running::Running;

/// Requests at once: a few, as of a few users.
const PARALLEL: usize = 8;

/// A value that cannot be read is tried again until then: neighbours may just be finding out.
const READ_DEADLINE: Duration = Duration::from_secs(20);

/// What requests took.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Hops of each answer.
    pub(super) hops: Vec<u8>,
    /// Latency of each request.
    pub(super) latencies: Vec<Duration>,
    /// Requests that had to be made again.
    pub(super) again: usize,
    /// What could not be done, a line each.
    pub(super) failures: Vec<String>,
}

impl Measured {
    fn add(&mut self, taken: Taken) {
        self.again += taken.tries.saturating_sub(1);
        match taken.result {
            Ok(hops) => {
                self.hops.push(hops);
                self.latencies.push(taken.latency);
            }
            Err(failure) => self.failures.push(failure.to_string()),
        }
    }
}

struct Taken {
    result: Result<u8, Failure>,
    latency: Duration,
    tries: usize,
}

/// Stores all values; also tells how many each peer is responsible for, by its Node-ID.
pub(super) async fn store_all(
    nodes: &[Running],
    items: &[Item],
) -> (Measured, BTreeMap<String, usize>) {
    let mut tasks = JoinSet::new();
    let places = Arc::new(Semaphore::new(PARALLEL));
    for item in items.iter().cloned() {
        let (node, places) = (nodes[item.writer].clone(), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            let begin = Instant::now();
            let result = store(&node, item.order(), &Progress::none()).await;
            let responsible = result.as_ref().ok().map(|reply| reply.responsible.clone());
            let result = result.map(|reply| reply.hops);
            (Taken { result, latency: begin.elapsed(), tries: 1 }, responsible)
        });
    }
    let mut measured = Measured::default();
    let mut responsible = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let Ok((taken, peer)) = done else { continue };
        measured.add(taken);
        if let Some(peer) = peer {
            *responsible.entry(peer).or_default() += 1;
        }
    }
    (measured, responsible)
}

/// Reads each value from another peer than the one that stored it.
pub(super) async fn read_all(nodes: &[Running], items: &[Item]) -> Measured {
    let mut tasks = JoinSet::new();
    let places = Arc::new(Semaphore::new(PARALLEL));
    for (number, item) in items.iter().cloned().enumerate() {
        // Peers were removed from the list, so the writer's place in it may have moved.
        let reader = (item.writer + 1 + number % (nodes.len() - 1)) % nodes.len();
        let (node, places) = (nodes[reader].clone(), Arc::clone(&places));
        tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            read(&node, &item).await
        });
    }
    let mut measured = Measured::default();
    while let Some(done) = tasks.join_next().await {
        if let Ok(taken) = done {
            measured.add(taken);
        }
    }
    measured
}

async fn read(node: &Running, item: &Item) -> Taken {
    let begin = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let reply = fetch(node, &item.name, item.kind, item.which()).await;
        let result = match reply {
            Ok(reply) if item.is_in(&reply) => Ok(reply.hops),
            Ok(_) => Err(Failure::new(format!("{} is lost ({})", item.text, item.name))),
            Err(failure) => Err(failure),
        };
        if result.is_ok() || begin.elapsed() > READ_DEADLINE {
            return Taken { result, latency: begin.elapsed(), tries };
        }
        // Not for luck: every try is a full request, and the deadline ends it.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
