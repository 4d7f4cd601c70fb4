//! A village: peers on this machine that each serve the phones of their user.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reload_e2e::phones::{Account, Baresip};
use reload_e2e::{Overlay, Peer, Site};
use tempfile::TempDir;

/// A phone has an answer within this, also one for that a Store or a Fetch is needed.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// A final answer comes within this, whatever happens (RFC 3261 section 17.1.1.2: Timer B).
pub(super) const FINAL: Duration = Duration::from_secs(32);

/// Everybody's first device, in the order in which they join.
pub(super) const USERS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const CAROL: usize = 2;
pub(super) const DAVE: usize = 3;

/// The overlay and the files of the phones.
pub(super) struct Village {
    pub(super) overlay: Overlay,
    directory: TempDir,
}

impl Village {
    /// Founds it with all users, and more options for each peer. Connections for calls are made by ICE.
    pub(super) fn found(name: &str, options: &[&str]) -> Self {
        let domain = format!("{name}.example.org");
        let overlay = Overlay::at(&domain, None, &Site::loopback(), &["--ice"]).unwrap();
        let mut village = Self { overlay, directory: tempfile::tempdir().unwrap() };
        for name in USERS {
            let place = village.overlay.enroll(name).unwrap();
            village.open(place, options);
        }
        village.overlay.settle().unwrap();
        village
    }

    /// Adds another device of a user.
    pub(super) fn add_device(&mut self, device: &str, user: &str) -> usize {
        let place = self.overlay.enroll_device(device, user, &Site::loopback()).unwrap();
        self.open(place, &[]);
        self.overlay.settle().unwrap();
        place
    }

    fn open(&mut self, place: usize, options: &[&str]) {
        self.overlay.peer_mut(place).set_options(&[&["--sip", ANY_PORT], options].concat());
        self.overlay.start(place).unwrap();
        // Phones are told the address once, so that it has to stay.
        let address = self.proxy(place).to_string();
        self.overlay.peer_mut(place).set_options(&[&["--sip", &address], options].concat());
    }

    /// Starts a peer again, with more options.
    pub(super) fn reopen(&mut self, place: usize, options: &[&str]) {
        let address = self.proxy(place).to_string();
        let peer = self.overlay.peer_mut(place);
        peer.terminate().unwrap();
        peer.set_options(&[&["--sip", &address], options].concat());
        self.overlay.start(place).unwrap();
        self.overlay.settle().unwrap();
    }

    pub(super) fn domain(&self) -> &str {
        self.overlay.name()
    }

    /// The files of the phones.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// `user@domain`.
    pub(super) fn aor(&self, user: &str) -> String {
        format!("{user}@{}", self.domain())
    }

    /// What is typed into a phone to call the user.
    pub(super) fn uri(&self, user: &str) -> String {
        format!("sip:{}", self.aor(user))
    }

    /// Where a peer serves phones.
    pub(super) fn proxy(&self, place: usize) -> SocketAddr {
        proxy(self.overlay.peer(place)).unwrap()
    }

    /// What is typed into a phone of a user, at whose peer ever.
    pub(super) fn account(&self, user: &str, place: usize) -> Account {
        Account::new(user, self.domain(), self.proxy(place))
    }

    /// A phone with an account; it registers. None if there is no baresip.
    pub(super) fn plug_in(&self, account: Account, hertz: u32) -> Option<Baresip> {
        Baresip::start(&Site::loopback(), self.directory(), account, hertz).unwrap()
    }

    /// A registered phone of the user of a peer.
    pub(super) fn phone(&self, place: usize, hertz: u32) -> Option<Baresip> {
        let phone = self.plug_in(self.account(USERS[place], place), hertz)?;
        phone.registered(SOON).unwrap();
        Some(phone)
    }
}

/// Where a peer serves phones.
pub(super) fn proxy(peer: &Peer) -> Result<SocketAddr> {
    let status = peer.json(&["status"])?;
    let address = status["sip"]["listening"]["udp"].as_str();
    let address = address.with_context(|| format!("{} serves no phones", peer.name()))?;
    Ok(address.parse()?)
}

const ANY_PORT: &str = "127.0.0.1:0";
