//! How two peers got through to each other.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reload_e2e::{Peer, Talk, until};
use serde_json::Value;

use super::town::Town;

/// A connection is up within this: gathering, checks, handshake, and the ways of the overlay.
const LIMIT: Duration = Duration::from_secs(40);

/// What is said arrives within this.
const HEARD: Duration = Duration::from_secs(20);

/// A pair of candidates that carries a link.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) local_kind: String,
    pub(super) remote_kind: String,
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
}

impl Way {
    fn of(link: &Value) -> Result<Self> {
        let word = |key: &str| {
            let text = link[key].as_str().with_context(|| format!("no {key}: {link}"))?;
            anyhow::Ok(text.to_owned())
        };
        let address = |key: &str| link[key].as_str().and_then(|text| text.parse().ok());
        Ok(Self {
            local_kind: word("local_candidate")?,
            remote_kind: word("remote_candidate")?,
            local: address("local"),
            remote: address("remote"),
        })
    }

    /// The addresses of the relays in it.
    pub(super) fn relays(&self) -> Vec<IpAddr> {
        let ends = [(&self.local_kind, self.local), (&self.remote_kind, self.remote)];
        let relayed = ends.into_iter().filter(|(kind, _)| kind.as_str() == "relay");
        relayed.filter_map(|(_, address)| Some(address?.ip())).collect()
    }

    pub(super) fn is_relayed(&self) -> bool {
        self.local_kind == "relay" || self.remote_kind == "relay"
    }
}

/// A pipe between two peers, open.
pub(super) struct Pipe {
    pub(super) opener: Talk,
    pub(super) other: Talk,
    pub(super) took: Duration,
}

impl Pipe {
    /// The one offers an Application-ID, the other connects to its Node-ID, and both say something.
    pub(super) fn open(town: &Town, from: usize, to: usize, application: u16) -> Result<Self> {
        let (near, far) = (town.overlay.peer(from), town.overlay.peer(to));
        let number = application.to_string();
        let log = |peer: &Peer, end: &str| {
            peer.home().with_extension(format!("pipe-{application}-{end}.log"))
        };
        let listen = far.reload(&["pipe", "--listen", "--app", &number]);
        let other = Talk::start(listen, &log(far, "far"))?;
        let node = format!("node:{}", far.node_id());
        // Until the other one is offered.
        let deadline = Instant::now() + LIMIT;
        let (mut opener, begin) = loop {
            let begin = Instant::now();
            let connect = near.reload(&["pipe", &node, "--app", &number]);
            let mut opener = Talk::start(connect, &log(near, "near"))?;
            match opener.logged("connected with", LIMIT) {
                Ok(()) => break (opener, begin),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(error) if !is_not_offered(&error) => return Err(error),
                Err(_) => {}
            }
        };
        opener.say(&format!("{} greets {}", near.name(), far.name()))?;
        let heard = other.hear(LIMIT)?;
        let took = begin.elapsed();
        ensure!(heard == format!("{} greets {}", near.name(), far.name()), "it says {heard}");
        let mut other = other;
        other.say("welcome")?;
        ensure!(opener.hear(HEARD)? == "welcome", "another answer");
        Ok(Self { opener, other, took })
    }

    /// The way it goes, as the opener's node tells: bytes may flow before a pair is chosen.
    pub(super) fn way(town: &Town, from: usize, application: u16) -> Result<Way> {
        let look = || {
            let links = town.overlay.peer(from).json(&["links"])?;
            let links = links["links"].as_array().context("no links")?;
            let link = links.iter().find(|link| link["application"] == application);
            Way::of(link.with_context(|| format!("no link for {application}: {links:?}"))?)
        };
        Ok(until("the pair of candidates is chosen", HEARD, look)?.0)
    }

    /// Each direction ends with the input of its side.
    pub(super) fn close(self) -> Result<()> {
        let Self { mut opener, other, .. } = self;
        opener.end_input();
        other.close(HEARD)?;
        opener.ended(HEARD)
    }
}

/// Section 6.5.2.2: Error_Not_Found.
fn is_not_offered(error: &anyhow::Error) -> bool {
    error.to_string().to_lowercase().replace('_', " ").contains("not found")
}

/// A line of the table of pairs.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) way: Way,
    pub(super) took: Duration,
}

/// The ways of the overlay links between two peers, where there are any.
pub(super) fn overlay_ways(town: &Town) -> BTreeMap<(usize, usize), Way> {
    let mut ways = BTreeMap::new();
    for place in town.overlay.running() {
        let reply = town.overlay.peer(place).json(&["links"]).unwrap();
        for link in reply["links"].as_array().unwrap() {
            let node = link["node"].as_str().and_then(|node| town.overlay.place(node).ok());
            let overlay = link["application"].is_null();
            // That to the bootstrap peer may be without ICE.
            if let (Some(node), true, Ok(way)) = (node, overlay, Way::of(link)) {
                ways.insert((place, node), way);
            }
        }
    }
    ways
}

/// The table of pairs.
pub(super) struct Table<'a> {
    pub(super) town: &'a Town,
    pub(super) rows: &'a [Row],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |at: usize| {
            let citizen = self.town.citizens[at];
            format!("{} ({})", citizen.name, citizen.access)
        };
        writeln!(f, "| from | to | candidates | through | opened in |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for row in self.rows {
            let way = &row.way;
            writeln!(
                f,
                "| {} | {} | {} - {} | {} | {} ms |",
                who(row.from),
                who(row.to),
                way.local_kind,
                way.remote_kind,
                self.through(way),
                row.took.as_millis()
            )?;
        }
        Ok(())
    }
}

impl Table<'_> {
    fn through(&self, way: &Way) -> String {
        if !way.is_relayed() {
            return "directly".to_owned();
        }
        let relays = way.relays();
        let name = |relay: &IpAddr| self.town.relay_name(*relay);
        let names: Vec<_> = relays.iter().map(name).collect();
        format!("relayed by {}", names.join(" and "))
    }
}

/// Waits until a value can be had again; the longest time without, from now on.
pub(super) fn outage<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T>,
) -> Duration {
    until(what, limit, &mut look).unwrap().1
}
