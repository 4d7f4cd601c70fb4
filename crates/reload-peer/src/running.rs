//! A running node as the commands see it: the one place that knows which node, topology, store and
//! driver it is made of.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use reload_chord::Chord;
use reload_config::Configuration;
use reload_identity::VerifiedCertificate;
use reload_net::{NodeHandle, RequestFailure, Snapshot, Stopped};
use reload_node::{Node, Request, RequestError, Response};
use reload_store::{PersistentStore, WriterStatus};
use reload_wire::{Destination, NodeId, ResourceId};
use tokio::sync::watch;

use crate::control::Failure;
use crate::daemon::TurnNotes;
use crate::names::{NameError, ResourceName, same_length};
use crate::sip::Sip;

/// The node of this program.
pub(crate) type PeerNode = Node<Chord, PersistentStore>;

/// A running node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Running {
    handle: NodeHandle<PeerNode>,
    certificate: Arc<VerifiedCertificate>,
    notes: Arc<watch::Sender<Notes>>,
    sip: Arc<OnceLock<Sip>>,
}

/// What the events of the node told last.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    /// The configuration in force.
    pub configuration: Arc<Configuration>,
    /// The last step of the join.
    pub join_step: Option<&'static str>,
    /// The admitting peer, once known.
    pub admitting_peer: Option<NodeId>,
    /// TURN for others, and by others.
    pub turn: TurnNotes,
}

impl Running {
    /// A node that was just started.
    #[must_use]
    pub(crate) fn new(
        handle: NodeHandle<PeerNode>,
        certificate: Arc<VerifiedCertificate>,
        configuration: Arc<Configuration>,
    ) -> Self {
        let (join_step, admitting_peer, turn) = (None, None, TurnNotes::default());
        let notes = Notes { configuration, join_step, admitting_peer, turn };
        let notes = Arc::new(watch::Sender::new(notes));
        Self { handle, certificate, notes, sip: Arc::default() }
    }

    /// The handle of the driver.
    #[must_use]
    pub(crate) const fn handle(&self) -> &NodeHandle<PeerNode> {
        &self.handle
    }

    /// This node.
    #[must_use]
    pub(crate) const fn node_id(&self) -> NodeId {
        self.handle.node_id()
    }

    /// The user name in its certificate.
    #[must_use]
    pub(crate) fn user(&self) -> Option<&str> {
        self.certificate.user()
    }

    /// Its certificate.
    #[must_use]
    pub(crate) const fn certificate(&self) -> &Arc<VerifiedCertificate> {
        &self.certificate
    }

    /// What the events told.
    #[must_use]
    pub(crate) fn notes(&self) -> Notes {
        self.notes.borrow().clone()
    }

    /// Notes what an event told.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Notes)) {
        self.notes.send_modify(change);
    }

    /// The configuration in force.
    #[must_use]
    pub(crate) fn configuration(&self) -> Arc<Configuration> {
        Arc::clone(&self.notes.borrow().configuration)
    }

    /// Tells when something was noted, a new configuration for example.
    #[must_use]
    pub(crate) fn noted(&self) -> watch::Receiver<Notes> {
        self.notes.subscribe()
    }

    /// The SIP side of this node, if it has one.
    #[must_use]
    pub(crate) fn sip(&self) -> Option<&Sip> {
        self.sip.get()
    }

    /// Gives it its SIP side, once.
    pub(crate) fn set_sip(&self, sip: Sip) {
        // a second one would be a mistake of the caller, and the first one runs
        let _ = self.sip.set(sip);
    }

    /// Sends a request and waits for its end.
    ///
    /// # Errors
    /// As the node says.
    pub(crate) async fn try_request(&self, request: Request) -> Result<Response, RequestFailure> {
        self.handle.request(request).await
    }

    /// As [`Running::try_request`], with the error as a line for people.
    ///
    /// # Errors
    /// One line.
    pub(crate) async fn request(&self, request: Request) -> Result<Response, Failure> {
        match self.try_request(request).await {
            Ok(response) => Ok(response),
            Err(error) => Err(self.explain(&error).await),
        }
    }

    /// A picture of the node and its links.
    ///
    /// # Errors
    /// The node has stopped.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.handle.snapshot().await.map_err(stopped)
    }

    /// The peers to keep for the next start.
    ///
    /// # Errors
    /// The node has stopped.
    pub(crate) async fn connected_peers(&self) -> Result<Vec<(NodeId, SocketAddr)>, Failure> {
        self.handle.with(|node, _| node.connected_peers()).await.map_err(stopped)
    }

    /// How the values come to the disk; nothing happens there if they are in memory alone.
    ///
    /// # Errors
    /// The node has stopped.
    pub(crate) async fn store_status(&self) -> Result<WriterStatus, Failure> {
        let status = |node: &mut PeerNode, _| node.storage().store_ref().status();
        Ok(self.handle.with(status).await.map_err(stopped)?.unwrap_or_default())
    }

    /// The Resource-ID that a RESOURCE-NAME means in this overlay.
    ///
    /// # Errors
    /// The name has no meaning, or the node has stopped.
    pub(crate) async fn resource_id(&self, name: &str) -> Result<ResourceId, Failure> {
        let name: ResourceName = parse(name)?;
        self.hash(name).await
    }

    /// The destination that a command names: `node:HEX` is that node, all else a resource.
    ///
    /// # Errors
    /// As [`Running::resource_id`].
    pub(crate) async fn destination(&self, target: &str) -> Result<Destination, Failure> {
        match parse(target)? {
            ResourceName::Node(node) => {
                let own = self.node_id();
                same_length(node.as_bytes(), own.as_bytes()).map_err(wrong_name)?;
                Ok(Destination::Node(node))
            }
            name => self.hash(name).await.map(Destination::Resource),
        }
    }

    async fn hash(&self, name: ResourceName) -> Result<ResourceId, Failure> {
        let hash = move |node: &mut PeerNode, _| name.resource_id(|bytes| node.resource_id(bytes));
        self.handle.with(hash).await.map_err(stopped)?.map_err(wrong_name)
    }

    /// Says so if nothing could be answered because this node has no place in the overlay.
    async fn explain(&self, error: &RequestFailure) -> Failure {
        use reload_topology::Phase;
        let mut failure = failure(error);
        if matches!(error, RequestFailure::Failed(RequestError::Timeout(_)))
            && let Ok(snapshot) = self.snapshot().await
            && matches!(snapshot.status.view.phase, Phase::Idle | Phase::Joining)
        {
            let hint = "this node is not in the overlay now: see its log and `reload status`";
            failure.message = format!("{}; {hint}", failure.message);
        }
        failure
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Running").field("node_id", &self.node_id()).finish_non_exhaustive()
    }
}

fn parse(name: &str) -> Result<ResourceName, Failure> {
    name.parse().map_err(wrong_name)
}

fn wrong_name(error: NameError) -> Failure {
    Failure::new(error.to_string())
}

fn stopped(error: Stopped) -> Failure {
    Failure::new(error.to_string())
}

/// A failed request as a line for people.
#[must_use]
pub(crate) fn failure(error: &RequestFailure) -> Failure {
    let code = match error {
        RequestFailure::Failed(RequestError::Refused { code, .. }) => Some(code.0),
        _ => None,
    };
    Failure { message: error.to_string(), code }
}

/// The answer of a node to another request than was made.
#[must_use]
pub(crate) fn unexpected() -> Failure {
    Failure::new("the answer does not fit the request")
}
