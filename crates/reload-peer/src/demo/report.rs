//! The words and tables of the demo.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::overlay::Peer;
use super::traffic::Measured;
use crate::control::{LinkEntry, RingReply};
use crate::table::Table;
use crate::units::{milliseconds, show_milliseconds};

/// As many digits of a Node-ID tell the peers of a demo apart.
pub(super) fn short(node_id: &str) -> &str {
    node_id.get(..8).unwrap_or(node_id)
}

/// The ring in order, with names.
pub(super) fn ring(
    reply: &RingReply,
    names: &BTreeMap<String, String>,
    responsible: Option<&BTreeMap<String, usize>>,
) -> String {
    let values = if responsible.is_some() { ">values" } else { "" };
    let mut table = Table::new(&["peer", "node-id", ">share of the ring", values]);
    for entry in &reply.peers {
        let node = &entry.probed.node;
        let share =
            entry.probed.share_percent.map_or_else(String::new, |share| format!("{share:.1} %"));
        let values = responsible.map(|all| all.get(node).copied().unwrap_or(0).to_string());
        table.row([
            names.get(node).cloned().unwrap_or_else(|| "?".to_owned()),
            node.clone(),
            share,
            values.unwrap_or_default(),
        ]);
    }
    table.render(5)
}

/// Who joined where.
pub(super) fn joined(peer: &Peer, number: usize) -> String {
    let how = match (number, peer.node.notes().admitting_peer) {
        (0, _) => "founded the overlay".to_owned(),
        (_, Some(admitting)) => {
            let admitting = admitting.to_string();
            format!(
                "joined in {:.2} s, admitted by {}",
                peer.joined_in.as_secs_f64(),
                short(&admitting)
            )
        }
        (_, None) => format!("joined in {:.2} s", peer.joined_in.as_secs_f64()),
    };
    let address = peer.address().map_or_else(|_| String::new(), |address| address.to_string());
    let node_id = peer.node.node_id().to_string();
    format!("     {:<8} {}  {:<16} {how}\n", peer.name, short(&node_id), address)
}

/// How many ends of links there are of each type.
pub(super) fn links(links: &[LinkEntry]) -> String {
    let mut types: BTreeMap<(&str, String), (usize, f64)> = BTreeMap::new();
    for link in links.iter().filter(|link| link.state == "up") {
        let pair = match (&link.local_candidate, &link.remote_candidate) {
            (Some(local), Some(remote)) => format!("{local}-{remote}"),
            _ => String::new(),
        };
        let (count, slowest) = types.entry((&link.kind, pair)).or_default();
        *count += 1;
        *slowest = link.rtt_milliseconds.unwrap_or(0.0).max(*slowest);
    }
    let mut table = Table::new(&["type", "candidates", ">ends", ">slowest round trip"]);
    for ((kind, pair), (count, slowest)) in types {
        table.row([kind.to_owned(), pair, count.to_string(), show_milliseconds(slowest)]);
    }
    table.render(5)
}

/// The table at the end.
pub(super) fn measurements(phases: &[(&str, &Measured)]) -> String {
    let mut table = Table::new(&[
        "",
        ">requests",
        ">mean hops",
        ">most hops",
        ">median",
        ">95 %",
        ">slowest",
        ">tried again",
        ">lost",
    ]);
    for (name, measured) in phases {
        table.row([
            (*name).to_owned(),
            (measured.latencies.len() + measured.failures.len()).to_string(),
            format!("{:.2}", mean(&measured.hops)),
            measured.hops.iter().max().copied().unwrap_or(0).to_string(),
            show_milliseconds(milliseconds(quantile(&measured.latencies, 50))),
            show_milliseconds(milliseconds(quantile(&measured.latencies, 95))),
            show_milliseconds(milliseconds(quantile(&measured.latencies, 100))),
            measured.again.to_string(),
            measured.failures.len().to_string(),
        ]);
    }
    table.render(5)
}

/// The same as an object.
pub(super) fn object(phases: &[(&str, &Measured)]) -> serde_json::Value {
    let phase = |(name, measured): &(&str, &Measured)| {
        json!({
            "phase": name,
            "done": measured.latencies.len(),
            "lost": measured.failures.len(),
            "tried_again": measured.again,
            "mean_hops": mean(&measured.hops),
            "most_hops": measured.hops.iter().max(),
            "median_milliseconds": milliseconds(quantile(&measured.latencies, 50)),
            "p95_milliseconds": milliseconds(quantile(&measured.latencies, 95)),
            "slowest_milliseconds": milliseconds(quantile(&measured.latencies, 100)),
        })
    };
    phases.iter().map(phase).collect()
}

fn mean(hops: &[u8]) -> f64 {
    let count = u32::try_from(hops.len()).unwrap_or(u32::MAX).max(1);
    hops.iter().map(|hops| f64::from(*hops)).sum::<f64>() / f64::from(count)
}

/// The smallest latency that `percent` of all do not exceed.
fn quantile(latencies: &[Duration], percent: usize) -> Duration {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_latencies_that_occurred() {
        let latencies: Vec<_> = (1..=10).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&latencies, 50), Duration::from_millis(5));
        assert_eq!(quantile(&latencies, 95), Duration::from_millis(10));
        assert_eq!(quantile(&[], 50), Duration::ZERO);
    }
}
