//! The application's end of a running node: requests, events, a picture of it, and its end.

use std::net::SocketAddr;
use std::sync::Arc;

use reload_ice::TurnLogin;
use reload_node::{Busy, Event, Request, RequestError, Response};
use reload_wire::{Destination, NodeId, Now};
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::pipes::PipeListener;
use super::snapshot::Snapshot;
use crate::pipe::Pipe;

/// Commands that wait for the node; the caller waits beyond.
pub(crate) const COMMANDS: usize = 64;
/// Events a slow reader may lag behind; it loses the oldest beyond and is told how many.
pub(crate) const EVENTS: usize = 1024;

/// A running node. Cheap to clone; when the last clone is gone, the node leaves.
#[derive(Debug)]
pub struct NodeHandle<N> {
    pub(crate) commands: mpsc::Sender<Command<N>>,
    pub(crate) events: broadcast::WeakSender<Event>,
    pub(crate) stopped: watch::Receiver<bool>,
    pub(crate) node_id: NodeId,
    pub(crate) listening: Arc<[SocketAddr]>,
}

/// Something to be run on the node.
type Call<N> = Box<dyn FnOnce(&mut N, Now) + Send>;

/// What a handle asks of its node.
pub(crate) enum Command<N> {
    Request(Request, Waiting),
    TurnServers(Vec<TurnLogin>),
    Offer(u16, oneshot::Sender<Result<PipeListener, OfferError>>),
    Snapshot(oneshot::Sender<Snapshot>),
    Call(Call<N>),
    Shutdown,
}

/// Who waits for the end of a request.
#[derive(Debug)]
pub(crate) enum Waiting {
    Response(oneshot::Sender<Result<Response, RequestFailure>>),
    /// For an AppAttach of this application.
    Pipe(u16, oneshot::Sender<Result<Pipe, RequestFailure>>),
}

impl Waiting {
    pub(crate) fn fail(self, failure: RequestFailure) {
        // Whoever asked may have gone away.
        match self {
            Self::Response(sender) => drop(sender.send(Err(failure))),
            Self::Pipe(_, sender) => drop(sender.send(Err(failure))),
        }
    }
}

/// The node has stopped.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the node has stopped")]
pub struct Stopped;

/// Why a request has no good answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RequestFailure {
    /// It was sent and failed.
    #[error(transparent)]
    Failed(#[from] RequestError),
    /// It was not taken.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Nobody is there to take it.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why an application is not offered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OfferError {
    /// It is offered already.
    #[error("the application {0} is offered already")]
    Taken(u16),
    /// The node offers nothing any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl<N> NodeHandle<N> {
    /// Sends a request and waits for its end; the node sees to it that there is one.
    ///
    /// # Errors
    /// [`RequestFailure`].
    pub async fn request(&self, request: Request) -> Result<Response, RequestFailure> {
        let (sender, answer) = oneshot::channel();
        self.command(Command::Request(request, Waiting::Response(sender))).await?;
        answer.await.map_err(|_| Stopped)?
    }

    /// Connects to an application of another node (section 6.5.2): AppAttach, then ICE or a dial, then
    /// DTLS with both certificates.
    ///
    /// # Errors
    /// [`RequestFailure`]; `Error_Not_Found` where the application is not offered.
    pub async fn app_attach(&self, to: NodeId, application: u16) -> Result<Pipe, RequestFailure> {
        self.app_attach_to(vec![Destination::Node(to)], application).await
    }

    /// The same along a destination list (RFC 7904 section 5.1). Who is at its end, [`Pipe::node`] and
    /// [`Pipe::certificate`] tell: the node that the list ends in, if it names one.
    ///
    /// # Errors
    /// As [`NodeHandle::app_attach`].
    pub async fn app_attach_to(
        &self,
        to: Vec<Destination>,
        application: u16,
    ) -> Result<Pipe, RequestFailure> {
        let (sender, pipe) = oneshot::channel();
        let request = Request::AppAttach { to, application, connect: true };
        self.command(Command::Request(request, Waiting::Pipe(application, sender))).await?;
        pipe.await.map_err(|_| Stopped)?
    }

    /// The TURN servers through which others reach this node, instead of those that were used.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn set_turn_servers(&self, servers: Vec<TurnLogin>) -> Result<(), Stopped> {
        self.command(Command::TurnServers(servers)).await
    }

    /// Offers an application to all nodes of the overlay, until the listener is dropped.
    ///
    /// # Errors
    /// [`OfferError`].
    pub async fn offer(&self, application: u16) -> Result<PipeListener, OfferError> {
        let (sender, listener) = oneshot::channel();
        self.command(Command::Offer(application, sender)).await?;
        listener.await.map_err(|_| Stopped)?
    }

    /// The events from now on.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn events(&self) -> Result<broadcast::Receiver<Event>, Stopped> {
        self.events.upgrade().map(|events| events.subscribe()).ok_or(Stopped)
    }

    /// A picture of the node and its links.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn snapshot(&self) -> Result<Snapshot, Stopped> {
        let (sender, answer) = oneshot::channel();
        self.command(Command::Snapshot(sender)).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Runs `call` on the node between two inputs; what the node then wants done is done. It holds
    /// up the node for as long as it takes.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn with<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut N, Now) -> R + Send + 'static,
    ) -> Result<R, Stopped> {
        let (sender, answer) = oneshot::channel();
        let call = move |node: &mut N, now| drop(sender.send(call(node, now)));
        self.command(Command::Call(Box::new(call))).await?;
        answer.await.map_err(|_| Stopped)
    }

    /// Leaves the overlay in good order and waits until the links are closed.
    pub async fn shutdown(&self) {
        if self.command(Command::Shutdown).await.is_ok() {
            self.stopped().await;
        }
    }

    /// Waits until the node has stopped, of whatever cause.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the driver is gone without a word; that is an end too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// This node.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// The real addresses listened on.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    async fn command(&self, command: Command<N>) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}

impl<N> Clone for NodeHandle<N> {
    fn clone(&self) -> Self {
        Self {
            commands: self.commands.clone(),
            events: self.events.clone(),
            stopped: self.stopped.clone(),
            node_id: self.node_id,
            listening: Arc::clone(&self.listening),
        }
    }
}
