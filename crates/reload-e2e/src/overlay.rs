//! An overlay: its enrollment server and its peers, in one temporary directory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::command::run;
use crate::process::{Process, Signal};
use crate::{Peer, Programs, Site, Start, until};

/// One command; argon2 in a debug build on a busy machine takes its time.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The enrollment server says that it serves, or ends.
const SERVE_LIMIT: Duration = Duration::from_secs(30);

/// A ring that is left alone is in order within this.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

/// An overlay on this machine.
#[derive(Debug)]
pub struct Overlay {
    name: String,
    programs: Programs,
    server: Process,
    address: SocketAddr,
    keylogs: Option<PathBuf>,
    peers: Vec<Peer>,
    /// Last, so that logs can be told when a test has failed.
    directory: TempDir,
}

impl Overlay {
    /// Makes CA and configuration and serves on loopback; no peer runs yet. With `keylogs`, peers
    /// write their TLS secrets there.
    ///
    /// # Errors
    /// What went wrong.
    pub fn new(name: &str, keylogs: Option<&Path>) -> Result<Self> {
        Self::at(name, keylogs, &Site::loopback(), &[])
    }

    /// The same with an enrollment server elsewhere, and with more options of `reload-enroll init`.
    ///
    /// # Errors
    /// What went wrong.
    pub fn at(name: &str, keylogs: Option<&Path>, site: &Site, init: &[&str]) -> Result<Self> {
        let programs = Programs::build()?;
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let home = directory.path().join("enroll");
        let enroll = |arguments: &[&str]| {
            let mut command = site.program(&programs.reload_enroll);
            command.arg("--home").arg(&home).args(arguments);
            command
        };
        let host = site.address().to_string();
        let settings = [&["init", "--overlay", name, "--host", &host], init].concat();
        run(enroll(&settings), COMMAND_LIMIT).context("reload-enroll init")?;
        let log = directory.path().join("enroll.log");
        let serve = enroll(&[
            "serve",
            "--listen",
            &SocketAddr::new(site.address(), site.https_port()).to_string(),
        ]);
        let mut server = Process::start("reload-enroll", serve, &log)?;
        let line = server.line("ready https=", SERVE_LIMIT)?;
        let address = line.trim_start_matches("ready https=").parse();
        let address = address.with_context(|| format!("no address in `{line}`"))?;
        let keylogs = keylogs.map(Path::to_owned);
        let name = name.to_owned();
        Ok(Self { name, programs, directory, server, address, keylogs, peers: Vec::new() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home of the enrollment server.
    #[must_use]
    pub fn enrollment_home(&self) -> PathBuf {
        self.directory.path().join("enroll")
    }

    /// Runs a command of `reload-enroll`; its standard output.
    ///
    /// # Errors
    /// What it says.
    pub fn reload_enroll(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.programs.reload_enroll);
        command.arg("--home").arg(self.enrollment_home()).args(arguments);
        run(command, COMMAND_LIMIT)
    }

    /// Opens an account and enrolls; the peer does not run yet. Its place among the peers.
    ///
    /// # Errors
    /// What went wrong.
    pub fn enroll(&mut self, name: &str) -> Result<usize> {
        self.enroll_at(name, &Site::loopback())
    }

    /// The same for a peer elsewhere, which has to reach the enrollment server from there.
    ///
    /// # Errors
    /// What went wrong.
    pub fn enroll_at(&mut self, name: &str, site: &Site) -> Result<usize> {
        let (user, password) = self.account(name);
        std::fs::write(&password, format!("{name} has a password"))?;
        self.reload_enroll(&["user", "add", &user, "--password-file", &password])?;
        self.enroll_device(name, name, site)
    }

    /// Enrolls another device of somebody who has an account, under a name of its own.
    ///
    /// # Errors
    /// What went wrong.
    pub fn enroll_device(&mut self, device: &str, name: &str, site: &Site) -> Result<usize> {
        let (user, password) = self.account(name);
        let home = self.directory.path().join(device);
        let mut peer = Peer::new(device, &home, &self.programs, self.keylogs.as_deref(), site);
        let ca = self.enrollment_home().join("https-ca.pem").to_string_lossy().into_owned();
        let url = format!("https://{}/.well-known/reload-config", self.address);
        let from = ["--config-url", &url, "--ca", &ca];
        let who = ["--user", &user, "--password-file", &password];
        peer.command(&[&["enroll", "--overlay", &self.name][..], &who, &from].concat())?;
        peer.read_node_id()?;
        self.peers.push(peer);
        Ok(self.peers.len() - 1)
    }

    /// The user name of an account, and the file with its password.
    fn account(&self, name: &str) -> (String, String) {
        let password = self.directory.path().join(format!("{name}.password"));
        (format!("{name}@{}", self.name), password.to_string_lossy().into_owned())
    }

    /// Enrolls a peer and lets it join through the first one, which founds the ring.
    ///
    /// # Errors
    /// What went wrong.
    pub fn add_peer(&mut self, name: &str) -> Result<usize> {
        let place = self.enroll(name)?;
        self.start(place)?;
        Ok(place)
    }

    /// Starts a peer at the address it had, if it had one.
    ///
    /// # Errors
    /// If it does not join.
    pub fn start(&mut self, place: usize) -> Result<()> {
        let bootstrap = self.peers.first().and_then(Peer::address).filter(|_| place > 0);
        let start = Start { first: place == 0, bootstrap: bootstrap.into_iter().collect() };
        self.peers[place].start(&start)
    }

    /// A peer by its place.
    #[must_use]
    pub fn peer(&self, place: usize) -> &Peer {
        &self.peers[place]
    }

    /// A peer by its place.
    pub fn peer_mut(&mut self, place: usize) -> &mut Peer {
        &mut self.peers[place]
    }

    /// All peers, also those that do not run.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The places of the peers that run.
    #[must_use]
    pub fn running(&self) -> Vec<usize> {
        (0..self.peers.len()).filter(|place| self.peers[*place].is_running()).collect()
    }

    /// The place of the peer with that Node-ID.
    ///
    /// # Errors
    /// If there is none.
    pub fn place(&self, node_id: &str) -> Result<usize> {
        let place = self.peers.iter().position(|peer| peer.node_id() == node_id);
        place.with_context(|| format!("{node_id} is none of our peers"))
    }

    /// The places of the running peers in the order of the ring.
    #[must_use]
    pub fn ring(&self) -> Vec<usize> {
        let mut ring = self.running();
        ring.sort_by_key(|place| self.peers[*place].node_id().to_owned());
        ring
    }

    /// Waits until each running peer knows its neighbours; how long that took.
    ///
    /// # Errors
    /// Who does not.
    pub fn settle(&mut self) -> Result<Duration> {
        for place in self.running() {
            self.peers[place].check_alive()?;
        }
        let settled = until("the ring is in order", SETTLE_LIMIT, || self.check_ring())?;
        Ok(settled.1)
    }

    /// Fails unless the nearest neighbours of each peer are those of the sorted list.
    fn check_ring(&self) -> Result<()> {
        self.check_ring_of(&self.ring())
    }

    /// Fails unless the nearest neighbours of each of these peers are these and no others.
    ///
    /// # Errors
    /// Whose are not.
    pub fn check_ring_of(&self, places: &[usize]) -> Result<()> {
        let mut ring = places.to_vec();
        ring.sort_by_key(|place| self.peers[*place].node_id());
        let count = ring.len();
        let near = (count - 1).min(NEIGHBOURS);
        for (here, place) in ring.iter().enumerate() {
            let peer = &self.peers[*place];
            let status = peer.json(&["status"])?;
            let node = |at: usize| self.peers[ring[at % count]].node_id();
            for (key, back) in [("successors", false), ("predecessors", true)] {
                let wanted = (1..=near)
                    .map(|step| node(if back { here + count - step } else { here + step }));
                let known = status[key].as_array().with_context(|| format!("no {key}"))?;
                let known: Vec<_> = known.iter().filter_map(|id| id.as_str()).collect();
                let strangers =
                    known.iter().any(|id| !ring.iter().any(|at| self.peers[*at].node_id() == *id));
                if !wanted.eq(known.iter().copied().take(near)) || known.len() < near || strangers {
                    bail!("{} has the {key} {known:?}", peer.name());
                }
            }
        }
        Ok(())
    }

    /// Ends the enrollment server, which must end with 0.
    ///
    /// # Errors
    /// If it does not.
    pub fn stop_server(&mut self) -> Result<()> {
        self.server.signal(Signal::Terminate)?;
        let status = self.server.wait(COMMAND_LIMIT)?;
        ensure!(status.success(), "reload-enroll ends with {status}");
        Ok(())
    }
}

/// Peers on each side that must be known (section 10.1).
const NEIGHBOURS: usize = 3;
