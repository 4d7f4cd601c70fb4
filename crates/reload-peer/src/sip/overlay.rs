//! The node as the proxy sees it: [`Overlay`] by requests of the node, by the task of the registration
//! and by pipes.

use std::fmt;

use async_trait::async_trait;
use reload_net::{PipeListener, RequestFailure};
use reload_node::RequestError;
use reload_sip_proxy::{MEDIA_APPLICATION, Overlay, OverlayError, Pipe, Purpose};
use reload_usages::sip::{Aor, Gruu, Resolution, Scheme, SipTarget, SipUri, serves_domain};
use reload_wire::{Destination, ErrorCode, NodeId};
use tokio::sync::{Mutex, mpsc};

use super::lookup::resolve;
use super::pipe::SipPipe;
use super::registration::Registration;
use crate::running::Running;

/// The overlay through a running node.
pub(super) struct OverlayOf {
    node: Running,
    aor: Aor,
    gruu: Gruu,
    registration: Registration,
    accepted: Mutex<mpsc::Receiver<Accepted>>,
}

/// A connection of another node, and what for.
type Accepted = (Purpose, Box<dyn Pipe>);

/// Connections that wait for the proxy; more wait in the queue of their offer.
const ACCEPTED: usize = 16;

impl OverlayOf {
    /// Offers these purposes to all nodes of the overlay.
    ///
    /// # Errors
    /// An application is offered already, or the node has stopped.
    pub(super) async fn new(
        node: Running,
        aor: Aor,
        registration: Registration,
        purposes: Vec<Purpose>,
    ) -> anyhow::Result<Self> {
        let gruu = Gruu::new(aor.clone(), vec![Destination::Node(node.node_id())])?;
        let (sender, accepted) = mpsc::channel(ACCEPTED);
        for purpose in purposes {
            let offer = node.handle().offer(application(purpose)).await?;
            tokio::spawn(take(purpose, offer, sender.clone()));
        }
        Ok(Self { node, aor, gruu, registration, accepted: Mutex::new(accepted) })
    }

    /// SIP without encryption needs ICE, whose credentials bind the connection to the AppAttach.
    fn may_connect(&self, scheme: Scheme) -> bool {
        scheme == Scheme::Sips || !self.node.configuration().no_ice
    }
}

#[async_trait]
impl Overlay for OverlayOf {
    fn aor(&self) -> &Aor {
        &self.aor
    }

    fn node_id(&self) -> NodeId {
        self.node.node_id()
    }

    fn gruu(&self) -> Gruu {
        self.gruu.clone()
    }

    fn serves(&self, domain: &str) -> bool {
        serves_domain(&self.node.configuration(), domain)
    }

    async fn resolve(&self, uri: &SipUri) -> Result<Resolution, OverlayError> {
        resolve(&self.node, uri).await
    }

    async fn register(&self, expires: u32, wants: Option<Scheme>) -> Result<u32, OverlayError> {
        self.registration.register(expires, wants).await
    }

    async fn connect(
        &self,
        target: &SipTarget,
        scheme: Scheme,
    ) -> Result<Box<dyn Pipe>, OverlayError> {
        if !self.may_connect(scheme) {
            return Err(OverlayError::NotOffered(scheme));
        }
        let to = target.destinations.clone();
        let connecting = self.node.handle().app_attach_to(to, scheme.application());
        let pipe = connecting.await.map_err(|error| match &error {
            RequestFailure::Failed(RequestError::Refused { code, .. })
                if *code == ErrorCode::NOT_FOUND =>
            {
                OverlayError::NotOffered(scheme)
            }
            _ => not_connected(&error),
        })?;
        // Dropped here, it closes without a byte of SIP on it.
        if !target.may_be(pipe.node()) {
            let text = format!("{} has answered, which is not that device", pipe.node());
            return Err(OverlayError::NotReached(text));
        }
        Ok(Box::new(SipPipe::new(pipe)))
    }

    async fn connect_media(&self, node: NodeId) -> Result<Box<dyn Pipe>, OverlayError> {
        let pipe = self.node.handle().app_attach(node, MEDIA_APPLICATION).await;
        let pipe = pipe.map_err(|error| not_connected(&error))?;
        if pipe.node() != node {
            let text = format!("{} has answered instead of {node}", pipe.node());
            return Err(OverlayError::NotReached(text));
        }
        Ok(Box::new(SipPipe::new(pipe)))
    }

    async fn accept(&self) -> Option<(Purpose, Box<dyn Pipe>)> {
        self.accepted.lock().await.recv().await
    }
}

impl fmt::Debug for OverlayOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverlayOf").field("aor", &self.aor).finish_non_exhaustive()
    }
}

/// Hands on the pipes that come for a purpose, until either side has ended.
async fn take(purpose: Purpose, mut offer: PipeListener, taken: mpsc::Sender<Accepted>) {
    loop {
        let pipe = tokio::select! {
            pipe = offer.accept() => pipe,
            () = taken.closed() => None,
        };
        let Some(pipe) = pipe else { return };
        if taken.send((purpose, Box::new(SipPipe::new(pipe)))).await.is_err() {
            return;
        }
    }
}

// The driver knows it by its number: packets of phones may be larger than the path takes in one piece.
const _: () = assert!(MEDIA_APPLICATION == reload_node::MEDIA);

/// The Application-ID of a purpose.
const fn application(purpose: Purpose) -> u16 {
    match purpose {
        Purpose::Sip(scheme) => scheme.application(),
        Purpose::Media => MEDIA_APPLICATION,
    }
}

fn not_connected(error: &RequestFailure) -> OverlayError {
    match error {
        RequestFailure::Stopped(_) => OverlayError::Stopped,
        other => OverlayError::NotReached(other.to_string()),
    }
}
