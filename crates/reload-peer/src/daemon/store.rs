//! The stored values of a home: opened before the node starts, offered to their owners after it has
//! joined.

use std::path::Path;
use std::time::Duration;

use reload_chord::Chord;
use reload_identity::{OverlayConfig, Trust};
use reload_store::{PersistentStore, ReadBack, Report, Settings};
use reload_topology::Topology;

use crate::running::{PeerNode, Running};

/// A peer knows its neighbours some seconds after it has joined (section 10.7.4.3).
const NEIGHBOURS_KNOWN: Duration = Duration::from_secs(5);

/// Opens the store and tells what became of it. Without a directory it is of memory alone.
///
/// # Errors
/// One line that says what the system does not allow.
pub(super) fn open_store(
    directory: Option<&Path>,
    configuration: &OverlayConfig,
    trust: &Trust,
    chord: &Chord,
) -> anyhow::Result<PersistentStore> {
    let Some(directory) = directory else { return Ok(PersistentStore::in_memory()) };
    let configuration = &configuration.configuration;
    let resource_id = |name: &[u8]| chord.resource_id(name);
    let read_back = ReadBack { configuration, trust, resource_id: &resource_id };
    let (store, report) = PersistentStore::open(directory, &read_back, Settings::default())?;
    tell(directory, &report);
    Ok(store)
}

fn tell(directory: &Path, report: &Report) {
    let Report { values, expired, unverified, unwanted, malformed, .. } = report;
    if let Some((aside, reason)) = &report.damaged {
        tracing::error!(
            "the store {} is damaged ({reason}): moved to {}; starting with an empty one, the values come from the overlay",
            directory.display(),
            aside.display()
        );
    }
    if !report.set_back.is_zero() {
        tracing::warn!(
            "the clock was set back by {} s since values were stored last: their lifetimes stand still for that time",
            report.set_back.as_secs()
        );
    }
    if values + expired + unverified + unwanted + malformed > 0 {
        tracing::info!(
            "{values} values read back; dropped: {expired} expired, {unverified} not verified, \
             {unwanted} no longer permitted, {malformed} malformed"
        );
    }
}

/// What was read back and belongs to neighbours is offered to them, in case they have lost it or have
/// something older. What belongs to nobody near is dropped by the topology plug-in (section 10.7.3).
pub(super) async fn offer_kept(node: Running) {
    tokio::time::sleep(NEIGHBOURS_KNOWN).await;
    let offer = |node: &mut PeerNode, now| {
        if node.storage().store_ref().read_back() > 0 {
            node.offer_replicas(now);
        }
    };
    // It may have stopped in the meantime.
    let _ = node.handle().with(offer).await;
}
