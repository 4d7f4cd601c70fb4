//! The signals that tell a program to stop: SIGTERM, and SIGINT from the terminal.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGTERM and SIGINT.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("cannot wait for signals")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
        Ok(Self { terminate, interrupt })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
