//! Threads for signing and checking, shared by the nodes of a process. The queue is bounded: beyond
//! it the node's own task does the job, which slows its intake instead of growing memory.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use reload_node::{Job, JobId, JobResult};
use tokio::sync::mpsc;

use crate::error::NetError;

/// Jobs that wait for a thread.
const QUEUE: usize = 4096;

/// A pool of threads; they end with its last clone.
#[derive(Clone, Debug)]
pub struct CryptoPool {
    shared: Arc<Shared>,
    _open: Arc<Open>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Work>,
    closed: bool,
}

#[derive(Debug)]
struct Work {
    id: JobId,
    job: Job,
    results: mpsc::Sender<(JobId, JobResult)>,
}

/// Closes the queue when the last clone of the pool is gone.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.0.changed.notify_all();
    }
}

impl CryptoPool {
    /// A pool of `threads` threads, at least one.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(threads: usize) -> Result<Self, NetError> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let pool = Self { shared: Arc::clone(&shared), _open: Arc::new(Open(shared)) };
        for number in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            thread::Builder::new()
                .name(format!("reload-crypto-{number}"))
                .spawn(move || work(&shared))
                .map_err(NetError::Thread)?;
        }
        Ok(pool)
    }

    /// A pool with one thread a core, eight at most.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn for_this_machine() -> Result<Self, NetError> {
        Self::new(thread::available_parallelism().map_or(1, usize::from).min(8))
    }

    /// Queues a job, or gives it back when the queue is full.
    pub(crate) fn submit(
        &self,
        id: JobId,
        job: Job,
        results: &mpsc::Sender<(JobId, JobResult)>,
    ) -> Result<(), Box<Job>> {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.queue.len() >= QUEUE {
            return Err(Box::new(job));
        }
        state.queue.push_back(Work { id, job, results: results.clone() });
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

fn work(shared: &Shared) {
    while let Some(Work { id, job, results }) = next(shared) {
        // The node may be gone; its results then interest nobody.
        let _ = results.blocking_send((id, job.run()));
    }
}

fn next(shared: &Shared) -> Option<Work> {
    let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(work) = state.queue.pop_front() {
            return Some(work);
        }
        if state.closed {
            return None;
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}
