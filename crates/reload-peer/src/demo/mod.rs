//! `reload demo`: an overlay on this machine, from enrollment to the death of two peers.

mod overlay;
mod report;
mod traffic;
mod values;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reload_net::CryptoPool;

use crate::cli::DemoArgs;
use crate::control::{LinkEntry, Progress, RingReply};
use crate::operations::{links, ring};
use crate::print;
use crate::progress::ProgressLine;
use crate::running::Running;
use crate::stop::Stop;

use overlay::{Enrollment, OVERLAY, Peer};
use traffic::Measured;
use values::Writer;

/// The values.
const VALUES: usize = 100;

/// A ring that is not in order after this time will not be.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Names for the first peers; further ones have numbers.
const NAMES: [&str; 12] = [
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory",
    "niaj",
];

/// Runs the demo.
///
/// # Errors
/// What did not work; a lost value is an error.
pub(crate) async fn run(arguments: DemoArgs, json: bool) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let story = async {
        let mut demo = Demo::start(directory.path(), &arguments, json).await?;
        let result = demo.play().await;
        if result.is_ok() && !arguments.once {
            demo.invite()?;
            std::future::pending::<()>().await;
        }
        demo.stop().await?;
        result
    };
    tokio::select! {
        result = story => result,
        () = stop.wait() => Ok(()),
    }
}

/// The overlay, and the time since it began.
struct Demo {
    enrollment: Enrollment,
    peers: Vec<Peer>,
    names: BTreeMap<String, String>,
    begin: Instant,
    json: bool,
}

impl Demo {
    async fn start(
        directory: &std::path::Path,
        arguments: &DemoArgs,
        json: bool,
    ) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let (count, ice) = (usize::from(arguments.peers), arguments.ice);
        let enrollment = Enrollment::start(&directory.join("enrollment-server"), ice).await?;
        let (peers, names) = (Vec::new(), BTreeMap::new());
        let mut demo = Self { enrollment, peers, names, begin, json };
        demo.say(&format!(
            "1  The enrollment server of the overlay {OVERLAY} serves at https://{}\n\n\
             2  {count} peers enroll over HTTPS and join over {}, each with a certificate of its own\n",
            demo.enrollment.address,
            if ice { "DTLS with ICE (no TCP port)" } else { "TLS" }
        ))?;
        let pool = CryptoPool::for_this_machine()?;
        for number in 0..count {
            let name = NAMES
                .get(number)
                .map_or_else(|| format!("peer{}", number + 1), |name| (*name).to_owned());
            let bootstrap = demo.peers.first().map(Peer::address).transpose()?;
            let bootstrap = bootstrap.into_iter().collect();
            let home = directory.join(&name);
            let peer = Peer::start(&demo.enrollment, &name, &home, bootstrap, &pool).await?;
            demo.say(&report::joined(&peer, number))?;
            demo.names.insert(peer.node.node_id().to_string(), name);
            demo.peers.push(peer);
        }
        Ok(demo)
    }

    /// Store, read, kill, read again.
    async fn play(&mut self) -> anyhow::Result<()> {
        let before = self.settled_ring().await?;
        let items = values::plan(&self.writers(), VALUES);
        let links = self.links().await?;
        let line = ProgressLine::start("storing values");
        let (stored, responsible) = traffic::store_all(&self.nodes(), &items).await;
        drop(line);
        self.say(&format!(
            "\n3  The ring, and for how many of {VALUES} values each peer is responsible\n{}",
            report::ring(&before, &self.names, Some(&responsible))
        ))?;
        self.say(&format!("\n   The links that are up\n{}", report::links(&links)))?;
        self.say(&format!(
            "\n4  {} values of three data models stored by all peers, each with two replicas\n",
            stored.latencies.len()
        ))?;
        let line = ProgressLine::start("reading values");
        let read = traffic::read_all(&self.nodes(), &items).await;
        drop(line);
        self.say(&format!("5  {} values read, each from another peer\n", read.latencies.len()))?;
        let victims = self.kill_two(&before, &responsible).await?;
        let line = ProgressLine::start("reading values again");
        let again = traffic::read_all(&self.nodes(), &items).await;
        drop(line);
        self.say(&format!(
            "7  {} values read again from the peers that live on\n",
            again.latencies.len()
        ))?;
        let after = self.settled_ring().await?;
        self.say(&format!(
            "\n8  The ring has closed\n{}",
            report::ring(&after, &self.names, None)
        ))?;
        self.conclude(&victims, [("stored", &stored), ("read", &read), ("read again", &again)])
    }

    /// The peer with the most values, and its successor, which keeps copies of them.
    async fn kill_two(
        &mut self,
        ring: &RingReply,
        responsible: &BTreeMap<String, usize>,
    ) -> anyhow::Result<Vec<String>> {
        let order: Vec<_> = ring.peers.iter().map(|entry| entry.probed.node.clone()).collect();
        let count = |node: &String| responsible.get(node).copied().unwrap_or(0);
        let first = (0..order.len()).max_by_key(|place| count(&order[*place]));
        let first = first.context("the ring is empty")?;
        let victims = vec![order[first].clone(), order[(first + 1) % order.len()].clone()];
        self.say(&format!(
            "6  {} and {} are killed without a goodbye: the peer responsible for most values ({}) and \
             its successor, which keeps copies\n",
            self.name(&victims[0]),
            self.name(&victims[1]),
            count(&victims[0])
        ))?;
        let (dead, alive) = std::mem::take(&mut self.peers)
            .into_iter()
            .partition(|peer| victims.contains(&peer.node.node_id().to_string()));
        self.peers = alive;
        let dead: Vec<Peer> = dead;
        let mut killed: tokio::task::JoinSet<()> = dead.into_iter().map(Peer::kill).collect();
        while killed.join_next().await.is_some() {}
        Ok(victims)
    }

    /// Both ends of every link.
    async fn links(&self) -> anyhow::Result<Vec<LinkEntry>> {
        let mut all = Vec::new();
        for peer in &self.peers {
            all.extend(links(&peer.node).await?.links);
        }
        Ok(all)
    }

    fn conclude(&self, victims: &[String], phases: [(&str, &Measured); 3]) -> anyhow::Result<()> {
        let seconds = self.begin.elapsed().as_secs_f64();
        if self.json {
            print::json(&serde_json::json!({
                "overlay": OVERLAY,
                "values": VALUES,
                "killed": victims,
                "phases": report::object(&phases),
                "seconds": seconds,
            }))?;
        }
        let lost: Vec<_> = phases.iter().flat_map(|(_, measured)| &measured.failures).collect();
        self.say(&format!("\n9  What it took\n{}", report::measurements(&phases)))?;
        if let Some(first) = lost.first() {
            bail!("{} requests failed, the first: {first}", lost.len());
        }
        self.say(&format!("\nNothing was lost. {seconds:.1} s in all.\n"))
    }

    /// Waits until every peer knows its neighbours, then walks the ring.
    async fn settled_ring(&self) -> anyhow::Result<RingReply> {
        let line = ProgressLine::start("waiting for the ring to settle");
        let settled = async {
            while !self.is_settled().await? {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        let in_time = tokio::time::timeout(SETTLE_TIMEOUT, settled).await;
        in_time.context("the ring does not settle")??;
        drop(line);
        let first = self.peers.first().context("no peer is left")?;
        Ok(ring(&first.node, &Progress::none()).await?)
    }

    /// Whether each peer's nearest neighbours are those of the sorted list.
    async fn is_settled(&self) -> anyhow::Result<bool> {
        let mut order: Vec<_> = self.peers.iter().map(|peer| peer.node.node_id()).collect();
        order.sort_unstable();
        let count = order.len();
        for peer in &self.peers {
            let view = peer.node.snapshot().await?.status.view;
            let here = order.iter().position(|node| *node == peer.node.node_id()).unwrap_or(0);
            let near = (count - 1).min(3); // section 10.1
            let after = (1..=near).map(|step| order[(here + step) % count]);
            let before = (1..=near).map(|step| order[(here + count - step) % count]);
            let is_prefix = |mut wanted: Box<dyn Iterator<Item = _>>, known: &[_]| {
                let mut known = known.iter();
                wanted.all(|wanted| known.next() == Some(&wanted))
            };
            let right = is_prefix(Box::new(after), &view.successors)
                && is_prefix(Box::new(before), &view.predecessors);
            if !right {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Without `--once`: how to look around.
    fn invite(&self) -> anyhow::Result<()> {
        let Some(peer) = self.peers.first() else { return Ok(()) };
        let home = peer.home.display();
        self.say(&format!(
            "\nThe overlay stays up until Ctrl-C. Look around from another terminal:\n     \
             reload ring   --home {home}\n     reload status --home {home}\n     \
             reload locate --home {home} {}@{OVERLAY}\n",
            peer.name
        ))
    }

    /// Ends everything in order.
    async fn stop(self) -> anyhow::Result<()> {
        for peer in self.peers {
            peer.kill().await;
        }
        self.enrollment.stop().await
    }

    fn writers(&self) -> Vec<Writer> {
        let writer = |peer: &Peer| Writer {
            user: format!("{}@{OVERLAY}", peer.name),
            node_id: peer.node.node_id().to_string(),
        };
        self.peers.iter().map(writer).collect()
    }

    fn nodes(&self) -> Vec<Running> {
        self.peers.iter().map(|peer| peer.node.clone()).collect()
    }

    fn name(&self, node_id: &str) -> &str {
        self.names.get(node_id).map_or("?", String::as_str)
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { print::text(text) }
    }
}
