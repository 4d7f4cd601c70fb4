//! One peer: its home, its process, and the commands that talk to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reload_identity::certificates_from_pem;
use serde_json::Value;

use crate::command::run;
use crate::process::{Process, Signal};
use crate::{Programs, Site};

/// No command takes longer, not even one that waits for every retransmission (section 6.2.1: 15 s).
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// A peer has joined within this.
const JOIN_LIMIT: Duration = Duration::from_secs(60);

/// A peer has handed its values over within this.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// How a peer shall start.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// `--first`.
    pub first: bool,
    /// `--bootstrap`.
    pub bootstrap: Vec<SocketAddr>,
}

/// A peer, running or not.
#[derive(Debug)]
pub struct Peer {
    name: String,
    home: PathBuf,
    programs: Programs,
    keylogs: Option<PathBuf>,
    node_id: String,
    site: Site,
    options: Vec<String>,
    address: Option<SocketAddr>,
    starts: u32,
    process: Option<Process>,
}

impl Peer {
    pub(crate) fn new(
        name: &str,
        home: &Path,
        programs: &Programs,
        keylogs: Option<&Path>,
        site: &Site,
    ) -> Self {
        Self {
            name: name.to_owned(),
            home: home.to_owned(),
            programs: programs.clone(),
            keylogs: keylogs.map(Path::to_owned),
            node_id: String::new(),
            site: site.clone(),
            options: Vec::new(),
            address: None,
            starts: 0,
            process: None,
        }
    }

    /// The same home for commands alone: it does not run, whether or not the peer does.
    #[must_use]
    pub fn for_commands(&self) -> Self {
        Self {
            name: self.name.clone(),
            home: self.home.clone(),
            programs: self.programs.clone(),
            keylogs: self.keylogs.clone(),
            node_id: self.node_id.clone(),
            site: self.site.clone(),
            options: self.options.clone(),
            address: self.address,
            starts: 0,
            process: None,
        }
    }

    /// The part of the user name before the @, or the name of another device of a user.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its Node-ID, in hex.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// Where it listens or has listened.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Whether it was started and not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// More options of `reload peer`, from the next start on.
    pub fn set_options(&mut self, options: &[&str]) {
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
    }

    /// It will listen on that port of all addresses of its machine, which may change; on any free port
    /// of one address without this.
    pub fn set_port(&mut self, port: u16) {
        self.address = Some(SocketAddr::from(([0, 0, 0, 0], port)));
    }

    /// Starts and joins, with the Node-ID of its certificate.
    ///
    /// # Errors
    /// If it does not join.
    pub fn start(&mut self, start: &Start) -> Result<()> {
        self.spawn(start)?;
        let process = self.process.as_mut().context("started just now")?;
        let line = process.line("ready ", JOIN_LIMIT)?;
        let word = |key: &str| {
            let mut words = line.split_whitespace();
            let found = words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            found.with_context(|| format!("no {key} in `{line}`"))
        };
        ensure!(word("node-id")? == self.node_id, "{} has another Node-ID: {line}", self.name);
        let address = word("listen")?.parse();
        self.address = Some(address.with_context(|| format!("no address in `{line}`"))?);
        Ok(())
    }

    /// Starts without waiting for anything.
    ///
    /// # Errors
    /// If there is no such program.
    pub fn spawn(&mut self, start: &Start) -> Result<()> {
        let listen = self.address.unwrap_or(SocketAddr::new(self.site.address(), 0));
        let mut command = self.reload(&["peer", "--listen", &listen.to_string()]);
        for address in &start.bootstrap {
            command.arg("--bootstrap").arg(address.to_string());
        }
        if start.first {
            command.arg("--first");
        }
        command.args(&self.options);
        self.starts += 1;
        if let Some(directory) = &self.keylogs {
            command
                .arg("--keylog")
                .arg(directory.join(format!("{}-{}.keys", self.name, self.starts)));
        }
        let log = self.home.with_extension(format!("{}.log", self.starts));
        self.process = Some(Process::start(&self.name, command, &log)?);
        Ok(())
    }

    /// The running process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.name))
    }

    /// Waits for the end of a peer that ends by itself; how it ended and what it said.
    ///
    /// # Errors
    /// If it goes on.
    pub fn ended(&mut self) -> Result<(Option<i32>, String)> {
        let mut process = self.take()?;
        let status = process.wait(COMMAND_LIMIT)?;
        Ok((status.code(), process.log_text()))
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.take()?.kill()
    }

    /// Has it leave in good order; it must end with 0.
    ///
    /// # Errors
    /// If it does not.
    pub fn terminate(&mut self) -> Result<()> {
        self.take()?.terminate(LEAVE_LIMIT)
    }

    /// Has it stand still or go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process()?.signal(signal)
    }

    pub(crate) fn check_alive(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::check_alive)
    }

    /// Runs a command of `reload` for this home; its standard output.
    ///
    /// # Errors
    /// The line that it says.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let done = run(self.reload(arguments), COMMAND_LIMIT);
        done.with_context(|| format!("{} at {}", arguments.join(" "), self.name))
    }

    /// The same with `--json`.
    ///
    /// # Errors
    /// The line that it says.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.command(&[arguments, &["--json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))
    }

    /// A command of `reload` for this home, on its machine.
    #[must_use]
    pub fn reload(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.program(&self.programs.reload);
        command.args(arguments).arg("--home").arg(&self.home);
        command.env_remove("RUST_LOG").env_remove("SSLKEYLOGFILE");
        command
    }

    fn take(&mut self) -> Result<Process> {
        self.process.take().with_context(|| format!("{} does not run", self.name))
    }

    /// From the certificate, as an independent look at what the peer says of itself.
    pub(crate) fn read_node_id(&mut self) -> Result<()> {
        let pem = std::fs::read_to_string(self.home.join("node.crt"))?;
        let certificates = certificates_from_pem(&pem)?;
        let leaf = certificates.first().context("node.crt is empty")?;
        self.node_id = node_id(leaf).context("no Node-ID in node.crt")?;
        Ok(())
    }
}

/// The Node-ID of `reload://0110<hex>@overlay/` (section 11.3, E17): 01 is its type, 10 its length.
fn node_id(certificate: &[u8]) -> Option<String> {
    const SCHEME: &[u8] = b"reload://0110";
    const DIGITS: usize = 32;
    let at = certificate.windows(SCHEME.len()).position(|bytes| bytes == SCHEME)?;
    let digits = certificate.get(at + SCHEME.len()..)?.get(..DIGITS)?;
    Some(String::from_utf8_lossy(digits).into_owned())
}
