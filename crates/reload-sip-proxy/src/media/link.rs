//! The media pipes to one other node: one that all calls with it share, and a second for the moment in which both
//! sides open one. Media that waits is worthless, so nothing here does: what does not fit is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reload_wire::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

use super::lock;
use crate::{Overlay, Pipe};

/// What takes the datagrams that come from a node.
pub(super) type Sink = Arc<dyn Fn(NodeId, &Bytes) + Send + Sync>;

/// The pipes to a node.
pub(super) struct Link {
    node: NodeId,
    overlay: Arc<dyn Overlay>,
    sink: Sink,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outlets: Vec<Outlet>,
    connecting: Option<Task>,
    /// Whether this node is the one that opens the pipe.
    opens: bool,
    /// When to open one, if packets are there to be sent.
    next_try: Option<Instant>,
    /// Since when no call has used it.
    unused_since: Option<Instant>,
    count: u64,
}

/// The way into a pipe.
struct Outlet {
    id: u64,
    pipe: Arc<dyn Pipe>,
    queue: mpsc::Sender<Bytes>,
    _task: Task,
}

impl Link {
    pub(super) fn new(node: NodeId, overlay: Arc<dyn Overlay>, sink: Sink) -> Arc<Self> {
        Arc::new(Self { node, overlay, sink, state: Mutex::default() })
    }

    /// A call is going to need a pipe, opened by this node or by the other one.
    pub(super) fn want(self: &Arc<Self>, opens: bool) {
        let mut state = lock(&self.state);
        state.opens |= opens;
        state.unused_since = None;
        let is_time = state.next_try.is_none_or(|at| at <= Instant::now());
        if opens && state.outlets.is_empty() && is_time {
            self.connect(&mut state);
        }
    }

    /// Sends a datagram; false if it is lost.
    pub(super) fn send(self: &Arc<Self>, datagram: Bytes) -> bool {
        let mut state = lock(&self.state);
        match state.outlets.last() {
            Some(outlet) => {
                datagram.len() <= outlet.pipe.mtu() && outlet.queue.try_send(datagram).is_ok()
            }
            None => {
                self.try_again(&mut state);
                false
            }
        }
    }

    /// A pipe that the other node has opened.
    pub(super) fn accepted(self: &Arc<Self>, pipe: Box<dyn Pipe>) {
        self.add(&mut lock(&self.state), pipe);
    }

    /// Whether no call has used it for so long.
    pub(super) fn is_over(&self, is_used: bool, now: Instant) -> bool {
        let mut state = lock(&self.state);
        if is_used {
            state.unused_since = None;
            return false;
        }
        now.duration_since(*state.unused_since.get_or_insert(now)) >= LINGER
    }

    /// Opens a pipe when its time has come; the side that does not open it waits for the other first.
    fn try_again(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        match state.next_try {
            _ if state.connecting.is_some() => {}
            Some(at) if at > now => {}
            None if !state.opens => state.next_try = Some(now + PATIENCE),
            _ => self.connect(state),
        }
    }

    fn connect(self: &Arc<Self>, state: &mut State) {
        if state.connecting.is_some() {
            return;
        }
        state.next_try = Some(Instant::now() + PAUSE);
        let link = Arc::downgrade(self);
        let (overlay, node) = (self.overlay.clone(), self.node);
        state.connecting = Some(Task::new(tokio::spawn(async move {
            let pipe = overlay.connect_media(node).await;
            let Some(link) = link.upgrade() else { return };
            let mut state = lock(&link.state);
            // Dropped at the end of this task, which it would abort.
            let _this = state.connecting.take();
            match pipe {
                Ok(pipe) => link.add(&mut state, pipe),
                Err(error) => debug!(%node, %error, "no media pipe"),
            }
        })));
    }

    fn add(self: &Arc<Self>, state: &mut State, pipe: Box<dyn Pipe>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let id = state.count;
        state.count += 1;
        state.next_try = None;
        let pipe: Arc<dyn Pipe> = Arc::from(pipe);
        let carried = Arc::clone(&pipe);
        let link = Arc::downgrade(self);
        let (sink, node) = (self.sink.clone(), self.node);
        let task = Task::new(tokio::spawn(async move {
            carry(&*carried, waiting, |datagram| sink(node, datagram)).await;
            if let Some(link) = link.upgrade() {
                link.on_closed(id);
            }
        }));
        if state.outlets.len() >= MAX_PIPES {
            state.outlets.remove(0);
        }
        state.outlets.push(Outlet { id, pipe, queue, _task: task });
    }

    fn on_closed(&self, id: u64) {
        lock(&self.state).outlets.retain(|outlet| outlet.id != id);
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Carries datagrams in both directions until the pipe closes or the queue is given up.
async fn carry(pipe: &dyn Pipe, mut waiting: mpsc::Receiver<Bytes>, sink: impl Fn(&Bytes)) {
    let out = async {
        while let Some(datagram) = waiting.recv().await {
            if let Err(error) = pipe.send(datagram).await {
                debug!(%error, "a datagram of media is lost");
                if matches!(error, crate::OverlayError::Closed(_) | crate::OverlayError::Stopped) {
                    return;
                }
            }
        }
    };
    let back = async {
        while let Some(datagram) = pipe.recv().await {
            sink(&datagram);
        }
    };
    tokio::select! {
        () = out => {}
        () = back => {}
    }
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn new(handle: JoinHandle<()>) -> Self {
        Self(handle)
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Datagrams that wait for a pipe: some 250 ms of 20 calls, more would only be late.
const QUEUE: usize = 256;
/// Pipes to one node: one of each side, and one that is about to take the place of a dead one.
const MAX_PIPES: usize = 3;
/// How long a pipe is kept for the next call, and for one whose INVITE is on its way.
const LINGER: Duration = Duration::from_secs(15);
/// How long the node that does not open the pipe waits for the one that does.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
