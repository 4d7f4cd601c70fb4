//! A server in this process, on a free port of loopback, in a home of its own.

use std::path::Path;

use enrollment_server::{Accounts, Home, InitOptions, PasswordCost, ServeOptions, Server, init};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{ALICE, Client, OVERLAY, PASSWORD};

pub(crate) struct Service {
    pub(crate) directory: TempDir,
    pub(crate) accounts: Accounts,
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<anyhow::Result<()>>,
}

/// Cheap hashes, said here and nowhere else.
pub(crate) const COST: PasswordCost = PasswordCost::InsecureForTests;

pub(crate) fn init_options() -> InitOptions {
    InitOptions { password_cost: COST, ..InitOptions::new(OVERLAY) }
}

pub(crate) fn serve_options() -> ServeOptions {
    ServeOptions { password_cost: COST, ..ServeOptions::default() }
}

impl Service {
    /// A new overlay with alice.
    pub(crate) async fn start() -> Self {
        Self::start_with(init_options(), serve_options()).await
    }

    pub(crate) async fn start_with(new: InitOptions, options: ServeOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        let accounts = init(&home, new).await.unwrap();
        accounts.add(ALICE, PASSWORD).await.unwrap();
        accounts.close().await;
        Self::start_in(directory, options).await
    }

    pub(crate) async fn start_in(directory: TempDir, options: ServeOptions) -> Self {
        let home = Home::new(directory.path());
        let server = Server::bind(&home, options).await.unwrap();
        let client = Client::new(directory.path(), server.address());
        let accounts = server.accounts().clone();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { directory, accounts, client, stop: Some(stop), running }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn home(&self) -> Home {
        Home::new(self.path())
    }

    /// Stops the server; the home stays.
    pub(crate) async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        self.running.await.unwrap().unwrap();
        self.directory
    }
}
