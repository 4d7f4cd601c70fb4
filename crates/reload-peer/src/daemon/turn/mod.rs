//! The TURN usage of a running node (section 9): a peer on a public address serves TURN and says so in
//! the overlay; a node without one finds such peers and is reached through them. Only where links have
//! ICE. What is stored and asked, `reload-usages` decides.

mod serving;
mod work;

use std::net::SocketAddr;
use std::time::Duration;

use reload_net::{TurnLogin, TurnServer, TurnSettings};
use reload_wire::NodeId;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::running::Running;
use work::Work;

/// Time to remove the records at the end.
const FAREWELL: Duration = Duration::from_secs(4);

/// What was wished of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TurnWish {
    /// Serve where everybody reaches this node (section 9).
    #[default]
    IfPublic,
    /// Serve in any case, here.
    At(SocketAddr),
    /// Serve in any case, at the address of this node.
    Anyway,
    /// Do not serve.
    Never,
}

/// The picture of it for `reload status`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnNotes {
    /// What this node serves.
    pub server: Option<TurnServer>,
    /// How many records of it are in the overlay.
    pub records: usize,
    /// Whose servers are used; no node for those that were configured.
    pub used: Vec<(Option<NodeId>, SocketAddr)>,
}

/// The usage at work.
#[derive(Debug)]
pub(crate) struct Turn {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Binds what was asked for by address, before the node sets out.
///
/// # Errors
/// One line: the address is in use, not ours or "any".
pub(crate) fn bind(wish: TurnWish, overlay: &str) -> anyhow::Result<Option<TurnServer>> {
    let TurnWish::At(address) = wish else { return Ok(None) };
    Ok(Some(TurnServer::start(TurnSettings::new(address, overlay))?))
}

impl Turn {
    /// Begins; nothing is done before the node has joined. `configured` servers are used instead of
    /// those of the overlay.
    pub(crate) fn start(
        node: Running,
        wish: TurnWish,
        bound: Option<TurnServer>,
        configured: &[TurnLogin],
    ) -> Self {
        let used: Vec<_> = configured.iter().map(|login| (None, login.server)).collect();
        let seeks = used.is_empty();
        node.note(|notes| notes.turn.used = used);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // It ends early if the node does.
            let Ok(mut work) = Work::new(node, wish, bound, seeks).await else { return };
            work.run(stopped).await;
        });
        Self { stop, task }
    }

    /// Removes what is recorded of this node, as long as it is in the overlay.
    pub(crate) async fn stop(self) {
        let Self { stop, mut task } = self;
        // It may have ended.
        let _ = stop.send(());
        if timeout(FAREWELL, &mut task).await.is_err() {
            tracing::debug!("the records of the TURN server could not be removed in time");
            task.abort();
        }
    }
}
