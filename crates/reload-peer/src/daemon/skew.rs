//! A clock that is off makes values old or unbeatable (section 7): compare it with a neighbour's.

use reload_node::Reply;
use reload_wire::Destination;

use crate::running::Running;
use crate::units::{now, span};

/// Certificates are given an hour of grace; a difference of minutes is worth a word.
const TOLERATED_MS: u64 = 120_000;

/// Pings a successor once and says so if its clock is another.
pub(super) async fn warn_of_clock(node: Running) {
    let Ok(snapshot) = node.snapshot().await else { return };
    let Some(neighbour) = snapshot.status.view.successors.first().copied() else { return };
    let to = vec![Destination::Node(neighbour)];
    let request = reload_node::Request::Ping { to, padding: 0 };
    let Ok(response) = node.try_request(request).await else { return };
    if let Reply::Pong { time, .. } = response.reply {
        let ours = now().wall;
        let difference = ours.0.abs_diff(time.0);
        if difference > TOLERATED_MS {
            let direction = if ours > time { "ahead of" } else { "behind" };
            let difference = span(difference / 1000);
            tracing::warn!(
                "the clock of this machine is {difference} {direction} that of {neighbour}: set it, \
                 or values stored here are refused or hide later ones"
            );
        }
    }
}
