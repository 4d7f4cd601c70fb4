//! Eight peers over DTLS and Simple Reliability (section 6.6.3) on a network that loses, delays and
//! reorders datagrams and is narrow.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use reload_e2e::netns::{Host, Lab, Proxy, Weather};
use reload_e2e::{Capturing, Overlay, Peer, Site, Start, Watched, until};

/// Where all listen: each has a machine of its own.
const PORT: u16 = 6084;

/// Bytes of an IP packet that get through, as of an IPv6 path (RFC 8200 section 5).
const MTU: u16 = 1280;

/// Of each: Stores, then Fetches.
const OPERATIONS: usize = 1000;

/// Commands at the same time: of half the peers.
const AT_ONCE: usize = NAMES.len() / 2;

/// 99 of 100 operations are faster, with the start of a process for each.
const P99: Duration = Duration::from_secs(3);

/// A value that needs several fragments.
const LARGE: usize = 4000;

/// What was stored is readable within this, should a node have to ask again.
const LIMIT: Duration = Duration::from_secs(60);

const NAMES: [&str; 8] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];

const WEATHER: Weather = Weather {
    lost: 100,
    delay: Duration::from_millis(30),
    jitter: Duration::from_millis(10),
    late: 50,
    mtu: 1280,
};

/// One value of a dictionary of its owner.
#[derive(Clone, Copy, Debug)]
struct Value(usize);

impl Value {
    fn owner(self) -> usize {
        self.0 % NAMES.len()
    }

    fn arguments(self, overlay: &Overlay) -> Vec<String> {
        let user = format!("{}@{}", NAMES[self.owner()], overlay.name());
        let key = format!("key {}", self.0 / NAMES.len());
        ["--kind", "0xF0000003", "--key", &key, &user].map(str::to_owned).to_vec()
    }

    fn store(self, overlay: &Overlay) -> anyhow::Result<()> {
        let arguments = self.arguments(overlay);
        let mut words = vec!["store"];
        words.extend(arguments.iter().map(String::as_str));
        let value = format!("value {}", self.0);
        words.push(&value);
        overlay.peer(self.owner()).command(&words)?;
        Ok(())
    }

    /// By a peer that has nothing to do with it but by chance.
    fn fetch(self, overlay: &Overlay) -> anyhow::Result<()> {
        let arguments = self.arguments(overlay);
        let mut words = vec!["fetch"];
        words.extend(arguments.iter().map(String::as_str));
        let reader = overlay.peer((self.0 + 3) % NAMES.len());
        let read = reader.command(&words)?;
        ensure!(read.trim() == format!("value {}", self.0), "{self:?} is `{read}`");
        Ok(())
    }
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e lossy`"]
fn eight_peers_on_a_bad_network_lose_no_value_and_are_fast_enough() {
    let Some(lab) = Lab::open().unwrap() else { return };
    let public = lab.switch("public").unwrap();
    let gateway = Ipv4Addr::new(203, 0, 113, 1);
    let outside = Ipv4Addr::new(198, 18, 0, 1);
    let router = lab.router("router", &public, outside, gateway).unwrap();
    let server = lab.host("server", router.lan(), Ipv4Addr::new(203, 0, 113, 2)).unwrap();
    let addresses: Vec<_> =
        (10..).zip(NAMES).map(|(at, _)| Ipv4Addr::new(203, 0, 113, at)).collect();
    let machines: Vec<_> = NAMES
        .iter()
        .zip(&addresses)
        .map(|(name, address)| lab.isolated_host(name, &router, *address).unwrap())
        .collect();
    let proxy = Proxy::between(&router, &addresses, PORT, WEATHER, 1).unwrap();
    let last = NAMES.len() - 1;
    let watched = Watched {
        site: Site::from(&machines[last]),
        name: NAMES[last].to_owned(),
        filter: "udp".to_owned(),
    };

    let bootstrap = SocketAddr::from((addresses[0], PORT)).to_string();
    let init = ["--ice", "--bootstrap", &bootstrap];
    let keylogs = std::env::var_os("RELOAD_E2E_DIR").map(|path| Path::new(&path).join("lossy"));
    if let Some(directory) = &keylogs {
        std::fs::create_dir_all(directory).unwrap();
    }
    let mut overlay =
        Overlay::at("lossy.example.org", keylogs.as_deref(), &Site::from(&server), &init).unwrap();
    for (place, machine) in machines.iter().enumerate() {
        join(&mut overlay, place, machine);
    }
    say(&format!("eight peers; in order after {:?}", overlay.settle().unwrap()));
    check_links(&overlay);

    let begin = Instant::now();
    let values: Vec<_> = (0..OPERATIONS).map(Value).collect();
    let stores = timed("Stores", &values, |value| value.store(&overlay));
    let fetches = timed("Fetches", &values, |value| value.fetch(&overlay));
    say(&format!("all in {:?}; {:?}", begin.elapsed(), proxy.fates()));
    check_links(&overlay);
    assert!(stores < P99 && fetches < P99, "p99 {stores:?} and {fetches:?}");

    // The last one starts again, so that the capture has its handshakes.
    overlay.peer_mut(last).terminate().unwrap();
    for machine in &machines {
        machine.set_mtu(MTU).unwrap();
    }
    let capturing = Capturing::on_hosts("lossy", &[watched]).unwrap();
    start(&mut overlay, last);
    overlay.settle().unwrap();
    large_value(&overlay, last);
    for value in values.iter().step_by(97) {
        until("it is still there", LIMIT, || value.fetch(&overlay)).unwrap();
    }
    for place in overlay.running().into_iter().rev() {
        overlay.peer_mut(place).terminate().unwrap();
    }
    overlay.stop_server().unwrap();
    capturing.finish(&[]).unwrap();
}

fn join(overlay: &mut Overlay, place: usize, machine: &Host) {
    overlay.enroll_at(NAMES[place], &Site::from(machine)).unwrap();
    overlay.peer_mut(place).set_port(PORT);
    start(overlay, place);
}

fn start(overlay: &mut Overlay, place: usize) {
    let start = Start { first: place == 0, bootstrap: Vec::new() };
    overlay.peer_mut(place).start(&start).unwrap();
}

/// Every link is one of datagrams, and many had to be sent again.
fn check_links(overlay: &Overlay) {
    let (mut count, mut sent, mut resent) = (0, 0, 0);
    for place in overlay.running() {
        for link in links(overlay.peer(place)) {
            // That to the bootstrap peer is without ICE.
            let kind = link["kind"].as_str().unwrap();
            assert!(kind.starts_with("DTLS-UDP-SR"), "{link}");
            let frames = |key: &str| link[key].as_u64().unwrap();
            (count, sent) = (count + 1, sent + frames("frames_sent"));
            resent += frames("frames_resent");
        }
    }
    say(&format!("{count} links; of {sent} frames {resent} were sent again"));
    assert!(count >= NAMES.len());
    assert!(resent * 20 > sent, "the network lost less than it should");
}

fn links(peer: &Peer) -> Vec<serde_json::Value> {
    let reply = peer.json(&["links"]).unwrap();
    reply["links"].as_array().unwrap().clone()
}

/// Does something with all values, some at the same time; the time that 99 of 100 need at most.
fn timed(
    what: &str,
    values: &[Value],
    act: impl Fn(Value) -> anyhow::Result<()> + Sync,
) -> Duration {
    let (next, took) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(value) = values.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begin = Instant::now();
            match act(*value) {
                Ok(()) => took.lock().unwrap().push(begin.elapsed()),
                Err(error) => failed.lock().unwrap().push(format!("{error:#}")),
            }
        }
    };
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let mut took = took.into_inner().unwrap();
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} {what} failed: {failed:#?}", failed.len());
    took.sort();
    let at = |hundredth: usize| took[took.len() * hundredth / 100];
    say(&format!(
        "{} {what} in {:?}: median {:?}, p90 {:?}, p99 {:?}, longest {:?}",
        took.len(),
        begin.elapsed(),
        at(50),
        at(90),
        at(99),
        took[took.len() - 1]
    ));
    at(99)
}

/// From the narrow network and back, by way of everybody.
fn large_value(overlay: &Overlay, owner: usize) {
    let text: String = ('a'..='z').cycle().take(LARGE).collect();
    let user = format!("{}@{}", NAMES[owner], overlay.name());
    let place = ["--kind", "0xF0000003", "--key", "large", &user];
    let begin = Instant::now();
    overlay.peer(owner).command(&[&["store"], &place[..], &[&text]].concat()).unwrap();
    let stored = begin.elapsed();
    let begin = Instant::now();
    for reader in overlay.running() {
        let read = overlay.peer(reader).command(&[&["fetch"], &place[..]].concat()).unwrap();
        assert_eq!(read.trim(), text);
    }
    say(&format!(
        "{LARGE} bytes through an MTU of {MTU}: stored in {stored:?}, read by {} in {:?}",
        overlay.running().len(),
        begin.elapsed()
    ));
}

fn say(what: &str) {
    println!("  {what}");
}
