//! What must be left of the peers in the end: they run, say how they are, have not grown and have
//! not panicked.

use anyhow::{Context, Result, ensure};
use reload_blackbox::World;

/// Kilobytes a peer may grow; it keeps a few values and certificates and answers for 15 s.
const GROWTH: u64 = 64 * 1024;

/// How the peers were.
pub(crate) struct Vitals {
    memory: Vec<u64>,
}

impl Vitals {
    pub(crate) fn read(world: &mut World) -> Result<Self> {
        let peers = world.overlay().peers().iter();
        let memory = peers.map(|peer| resident(peer.process()?.id())).collect::<Result<_>>()?;
        Ok(Self { memory })
    }
}

/// Kilobytes in memory.
fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let number = line.split_whitespace().next().context("VmRSS is empty")?;
    Ok(number.parse()?)
}

pub(crate) async fn check(world: &mut World, before: &Vitals) -> Result<()> {
    let ping = world.ping();
    world.ask(ping).await.context("a Ping to alice")?;
    let ping = world.ping_bob();
    world.ask(ping).await.context("a Ping to bob")?;
    let overlay = world.overlay();
    overlay.settle().context("the ring is whole")?;
    let ping = world.ping();
    world.ask(ping).await.context("a last Ping to alice")?;
    world.no_strays()?;
    let after = Vitals::read(world)?;
    let overlay = world.overlay();
    for (peer, (before, after)) in
        overlay.peers().iter().zip(before.memory.iter().zip(&after.memory))
    {
        let name = peer.name();
        let status = peer.json(&["status"])?;
        let counters = &status["counters"];
        println!("  {name}: {before} kB before, {after} kB after, {counters}");
        ensure!(*after < before + GROWTH, "{name} has grown from {before} kB to {after} kB");
        ensure!(counters["received"].as_u64().is_some_and(|count| count > 0), "{counters}");
        let log = peer.process()?.log_text();
        ensure!(!log.contains("panicked"), "{name} has panicked: {log}");
    }
    let status = overlay.peer(0).json(&["status"])?;
    for counter in ["refused", "noise", "unverified", "unroutable", "repeated"] {
        let count = status["counters"][counter].as_u64();
        ensure!(count.is_some_and(|count| count > 0), "alice has counted no {counter}");
    }
    Ok(())
}
