//! The thread that writes: it takes everything that is pending at intervals, in one transaction. When
//! the disk refuses, it says so once, keeps what it could not write and tries again.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::disk::Disk;
use crate::error::DiskError;
use crate::pending::Pending;
use crate::store::Settings;

/// Opens the file again after a failure, moving it aside first if it is damaged.
pub(crate) type Reopen = Box<dyn Fn() -> Result<Disk, DiskError> + Send>;

/// How the writing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriterStatus {
    /// Values, removals and counters that are not in the file yet.
    pub pending: usize,
    /// Transactions that were written.
    pub commits: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Why the last attempt failed, while nothing could be written since.
    pub failing: Option<String>,
}

/// The thread and what it shares.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is to be done.
    wake: Condvar,
    /// An attempt is over.
    done: Condvar,
}

#[derive(Default)]
struct State {
    pending: Pending,
    /// The file was lost: everything has to be written.
    wants_all: bool,
    closing: bool,
    flushing: bool,
    commits: u64,
    failures: u64,
    failing: Option<String>,
}

impl Writer {
    pub(crate) fn start(
        name: String,
        disk: Disk,
        reopen: Reopen,
        pending: Pending,
        settings: Settings,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.lock().pending = pending;
        let work = Work { name, disk: Some(disk), reopen, settings, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("store".to_owned());
        let thread = thread.spawn(move || work.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Notes changes. `all` gives everything there is, where single changes are not enough.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Pending), all: impl FnOnce() -> Pending) {
        let mut state = self.shared.lock();
        change(&mut state.pending);
        if state.wants_all || state.pending.is_too_long() {
            state.pending = all();
            state.wants_all = false;
        }
        if !state.pending.is_empty() {
            self.shared.wake.notify_all();
        }
    }

    pub(crate) fn status(&self) -> WriterStatus {
        let state = self.shared.lock();
        WriterStatus {
            pending: state.pending.len(),
            commits: state.commits,
            failures: state.failures,
            failing: state.failing.clone(),
        }
    }

    /// Waits until all is written that was noted before, or an attempt has failed.
    pub(crate) fn flush(&self) -> Result<(), String> {
        let mut state = self.shared.lock();
        let failures = state.failures;
        state.flushing = true;
        self.shared.wake.notify_all();
        while state.flushing && state.failures == failures {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.failing {
            Some(reason) if state.failures > failures => Err(reason.clone()),
            _ => Ok(()),
        }
    }

    /// Writes what is left, if it can be written, and ends.
    pub(crate) fn close(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that broke has told so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own part.
struct Work {
    name: String,
    disk: Option<Disk>,
    reopen: Reopen,
    settings: Settings,
    shared: Arc<Shared>,
}

impl Work {
    fn run(mut self) {
        let mut pause = self.settings.interval;
        loop {
            self.wait(pause);
            let (pending, closing) = self.take();
            let result = self.write(pending.as_ref());
            let pending = pending.unwrap_or_default();
            let mut state = self.shared.lock();
            let ended = state.closing;
            match result {
                Ok(()) => {
                    pause = self.settings.interval;
                    self.on_written(&mut state, !pending.is_empty());
                }
                Err(error) => {
                    pause = (pause * 2).clamp(self.settings.retry, 16 * self.settings.retry);
                    self.on_failed(&mut state, pending, &error, ended);
                }
            }
            self.shared.done.notify_all();
            // What came in while the last attempt ran is written by one more.
            if closing || (ended && state.pending.is_empty()) {
                return;
            }
        }
    }

    /// What is to be written; nothing while it is not everything, and has to be.
    fn take(&self) -> (Option<Pending>, bool) {
        let mut state = self.shared.lock();
        let whole = !state.wants_all;
        (whole.then(|| std::mem::take(&mut state.pending)), state.closing)
    }

    /// Waits for the first change, and then for more, so that many changes make one transaction.
    fn wait(&self, pause: Duration) {
        let mut state = self.shared.lock();
        while state.pending.is_empty() && !state.closing && !state.flushing {
            state = self.shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + pause;
        while !state.closing && !state.flushing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.wake.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn write(&mut self, pending: Option<&Pending>) -> Result<(), DiskError> {
        let Some(pending) = pending else {
            return Err(DiskError::damaged("the file was damaged; waiting for all values"));
        };
        if pending.is_empty() {
            return Ok(());
        }
        // Taken out: after a failure the file has to be opened anew.
        let mut disk = match self.disk.take() {
            Some(disk) => disk,
            None => (self.reopen)()?,
        };
        disk.write(pending, (self.settings.clock)())?;
        self.disk = Some(disk);
        Ok(())
    }

    fn on_written(&self, state: &mut State, something: bool) {
        state.commits += u64::from(something);
        if state.pending.is_empty() {
            state.flushing = false;
        }
        if state.failing.take().is_some() {
            tracing::info!("the store {} is written again", self.name);
        }
    }

    fn on_failed(&self, state: &mut State, pending: Pending, error: &DiskError, last: bool) {
        state.pending.put_back(pending);
        state.failures += 1;
        state.flushing = false;
        state.wants_all |= error.is_damage();
        let reason = error.to_string();
        let waiting = state.pending.len();
        if last {
            tracing::error!(
                "cannot write the store {}: {reason}; {waiting} changes are not in it",
                self.name
            );
        } else if state.failing.as_ref() != Some(&reason) {
            tracing::error!(
                "cannot write the store {}: {reason}; this peer goes on from memory and tries again",
                self.name
            );
        }
        state.failing = Some(reason);
    }
}
