//! New configurations from the configuration server (sections 11.1 and 11.2): asked for every few
//! seconds, and once at random before the one in force expires. The node decides what it takes and
//! tells the others.
//!
//! The load on the server is bounded: what has not changed is not sent, and in an overlay of more than
//! [`PEERS_AT_BASE`] peers each asks less often, so that all of them together ask as often as so many.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_config::{Configuration, Leniency, OverlayDocument};
use reload_identity::{Signers, verify_configuration};
use reload_topology::View;
use reload_wire::{NodeId, UnixTime};

use crate::home::{CONFIGURATION, Home};
use crate::running::Running;
use crate::source::Source;
use crate::units::{date, now};

/// So many peers ask at the interval that was given; of more, each asks less often.
const PEERS_AT_BASE: f64 = 50.0;
/// However many they are, and however often it failed, each asks once in this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Without an interval: how often to look whether the expiration is near.
const LOOK: Duration = Duration::from_secs(30);
/// An expired configuration is complained of this often.
const COMPLAIN: Duration = Duration::from_secs(600);

/// Keeps the configuration of a node current.
pub(super) struct Refresh {
    node: Running,
    source: Source,
    /// The mean time between two questions; zero: none but before the expiration.
    interval: Duration,
    random: StdRng,
    etag: Option<String>,
    failures: i32,
    renewal: Option<Renewal>,
    complained: Option<Instant>,
}

/// When to fetch a new copy of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Renewal {
    sequence: u16,
    at: UnixTime,
}

impl Refresh {
    pub(super) fn new(node: Running, source: Source, interval: Duration) -> Self {
        Self {
            node,
            source,
            interval,
            random: StdRng::from_os_rng(),
            etag: None,
            failures: 0,
            renewal: None,
            complained: None,
        }
    }

    /// Ends with the node.
    pub(super) async fn run(mut self) {
        loop {
            let configuration = self.node.configuration();
            let renewal = self.renewal_of(&configuration);
            let Ok(pause) = self.pause(renewal).await else { return };
            tokio::time::sleep(pause).await;
            let due = renewal.is_some_and(|renewal| renewal.at <= now().wall);
            if due {
                (self.etag, self.renewal) = (None, None); // "a new copy" (11.1)
            }
            if due || !self.interval.is_zero() {
                self.ask(&configuration.instance_name).await;
            }
            self.complain_if_expired();
        }
    }

    /// Chosen once for each configuration, and again when a new copy was no newer.
    fn renewal_of(&mut self, configuration: &Configuration) -> Option<Renewal> {
        let (sequence, end) = (configuration.sequence, configuration.expiration?);
        if self.renewal.is_none_or(|renewal| renewal.sequence != sequence) {
            let part = self.random.random_range(0.5..0.95);
            self.renewal = Some(Renewal { sequence, at: before(end, now().wall, part) });
        }
        self.renewal
    }

    async fn pause(&mut self, renewal: Option<Renewal>) -> anyhow::Result<Duration> {
        let pause = if self.interval.is_zero() {
            LOOK
        } else {
            let size = overlay_size(self.node.node_id(), &self.node.snapshot().await?.status.view);
            pause_of(self.interval, size, self.failures, self.random.random_range(0.5..1.5))
        };
        let left = renewal.map(|renewal| renewal.at.0.saturating_sub(now().wall.0));
        let left = left.map(|left| Duration::from_millis(left).max(Duration::from_secs(1)));
        Ok(left.map_or(pause, |left| left.min(pause)))
    }

    async fn ask(&mut self, overlay: &str) {
        match self.refresh(overlay).await {
            Ok(()) => self.failures = 0,
            Err(error) => {
                match self.failures {
                    0 => tracing::warn!("no new configuration can be had: {error:#}"),
                    _ => tracing::debug!("no new configuration can be had: {error:#}"),
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    async fn refresh(&mut self, overlay: &str) -> anyhow::Result<()> {
        let Some(fetched) = self.source.fetch(overlay, self.etag.as_deref()).await? else {
            return Ok(());
        };
        // A document that is refused is not asked for again either, until it changes.
        self.etag = fetched.etag;
        let offer = move |node: &mut crate::running::PeerNode, now| {
            node.offer_configuration(now, &fetched.document)
        };
        let taken = self.node.handle().with(offer).await?;
        if let Err(reason) = taken {
            let url = self.source.url(overlay);
            tracing::warn!("the configuration at {url} is not taken, the old one stays: {reason}");
        }
        Ok(())
    }

    /// The RFC names no end for a node that runs: it goes on, and others refuse it when they must.
    fn complain_if_expired(&mut self) {
        let configuration = self.node.configuration();
        let Some(end) = configuration.expiration.filter(|end| *end <= now().wall) else {
            self.complained = None;
            return;
        };
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                "the configuration (sequence {}) expired on {} and {} has no newer one: the node runs \
                 on with it, but cannot be started again; whoever runs the overlay must publish one",
                configuration.sequence,
                date(end),
                self.source.url(&configuration.instance_name)
            );
        }
    }
}

/// The time until the next question: longer in a large overlay and after failures, and never the same
/// for all, so that they do not ask in step.
fn pause_of(interval: Duration, size: f64, failures: i32, chance: f64) -> Duration {
    let crowd = (size / PEERS_AT_BASE).max(1.0) * 2_f64.powi(failures.min(12));
    let seconds = interval.as_secs_f64() * crowd * chance;
    Duration::from_secs_f64(seconds.min(LONGEST_PAUSE.as_secs_f64()))
}

/// A moment after a part of the time that is left.
fn before(end: UnixTime, now: UnixTime, part: f64) -> UnixTime {
    let left = Duration::from_millis(end.0.saturating_sub(now.0));
    now.saturating_add(left.mul_f64(part))
}

/// How many peers there are, judged by how close the neighbours lie; at least one.
fn overlay_size(own: NodeId, view: &View) -> f64 {
    let place = |node: &NodeId| match node.as_bytes() {
        [a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    };
    let behind = view.predecessors.iter().map(|node| place(&own).wrapping_sub(place(node)));
    let ahead = view.successors.iter().map(|node| place(node).wrapping_sub(place(&own)));
    // The farthest on both sides, and how many steps lie between them. In a small ring a node is
    // on both sides, and the way is once around it or more.
    let way = f64::from(behind.max().unwrap_or(0)) + f64::from(ahead.max().unwrap_or(0));
    let steps = view.predecessors.len().saturating_add(view.successors.len());
    let steps = f64::from(u16::try_from(steps).unwrap_or(u16::MAX));
    if way < 1.0 { 1.0 } else { (steps * 2_f64.powi(32) / way).max(1.0) }
}

/// Gets a new configuration for a home whose own has expired, so that its node can start.
///
/// # Errors
/// Why there is none; the old one stays.
pub(super) async fn renew_expired(home: &Home, source: &Source) -> anyhow::Result<()> {
    let Ok(old) = OverlayDocument::parse(&home.read(CONFIGURATION)?) else {
        return Ok(()); // what is wrong with it is said when it is loaded
    };
    let [old] = old.configurations() else { return Ok(()) };
    if old.check_expiration(now().wall).is_ok() {
        return Ok(());
    }
    let fetched = source.fetch(&old.instance_name, None).await?;
    let fetched = fetched.ok_or_else(|| anyhow!("the server sends no document"))?;
    let new = OverlayDocument::parse(&fetched.document).context("the new document is damaged")?;
    let (signers, now) = (Signers::Previous(old), now().wall);
    let new = verify_configuration(&new, &old.instance_name, signers, Leniency::Strict, now)?;
    tracing::info!("new configuration with sequence {}", new.configuration.sequence);
    Ok(home.write(CONFIGURATION, new.document.bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reload_topology::Phase;

    fn node(place: u32) -> NodeId {
        let mut bytes = [1; 16];
        bytes[..4].copy_from_slice(&place.to_be_bytes());
        NodeId::new(&bytes).unwrap()
    }

    fn view(predecessors: &[u32], successors: &[u32]) -> View {
        let nodes = |places: &[u32]| places.iter().map(|place| node(*place)).collect();
        View {
            phase: Phase::Peer,
            predecessors: nodes(predecessors),
            successors: nodes(successors),
            fingers: Vec::new(),
            responsible: None,
        }
    }

    // R6940-11.1-08
    #[test]
    fn a_new_copy_is_fetched_before_the_end() {
        let at = |part| before(UnixTime(10_000), UnixTime(2000), part).0;
        assert_eq!((at(0.5), at(0.75)), (6000, 8000));
        assert_eq!(before(UnixTime(1000), UnixTime(2000), 0.5), UnixTime(2000));
    }

    #[test]
    fn many_peers_ask_no_more_often_together_than_fifty() {
        let pause = |size, failures| pause_of(Duration::from_secs(5), size, failures, 1.0);
        assert_eq!((pause(1.0, 0).as_secs(), pause(50.0, 0).as_secs()), (5, 5));
        for size in [100.0, 1000.0, 30_000.0] {
            let rate = size / pause(size, 0).as_secs_f64();
            assert!((9.9..10.1).contains(&rate), "{size}: {rate}");
        }
        assert_eq!((pause(1.0, 1).as_secs(), pause(1.0, 3).as_secs()), (10, 40));
        assert_eq!((pause(1e9, 0), pause(1.0, i32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }

    #[test]
    fn the_size_of_the_overlay_shows_in_the_distance_of_the_neighbours() {
        let size = |view| overlay_size(node(0), &view);
        assert!((size(view(&[], &[])) - 1.0).abs() < 0.1);
        let quarter = 1 << 30;
        let four = view(&[3 * quarter, 2 * quarter, quarter], &[quarter, 2 * quarter, 3 * quarter]);
        assert!((size(four) - 4.0).abs() < 0.1);
        let step = 1 << 22; // 1024 peers
        let wrapped = |steps: u32| 0_u32.wrapping_sub(steps * step);
        let many = view(&[wrapped(1), wrapped(2), wrapped(3)], &[step, 2 * step, 3 * step]);
        assert!((size(many) - 1024.0).abs() < 1.0);
    }
}
