//! A line on the terminal for anything that takes longer than a second.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Nothing is shown before.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shown until it is dropped. Only on a terminal.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    done: Option<Sender<()>>,
    starter: Option<JoinHandle<()>>,
}

impl ProgressLine {
    /// Starts with a text.
    #[must_use]
    pub(crate) fn start(text: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_message(text.to_owned());
        let (done, waiting) = channel();
        let shown = bar.clone();
        let starter = std::thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(120));
            }
        });
        Self { bar, done: Some(done), starter: Some(starter) }
    }

    /// Another text.
    pub(crate) fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(starter) = self.starter.take() {
            let _ = starter.join();
        }
        self.bar.finish_and_clear();
    }
}
