//! The calls of a node that the driver makes, in one place; and that [`Node`] has them.

use std::sync::Arc;

use reload_identity::Trust;
use reload_link::LinkSettings;
use reload_node::{
    Busy, JobId, JobResult, LinkEvent, LinkId, Node, Offer, Output, Request, RequestId, Start,
    Status,
};
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{NodeId, Now};

/// A node without I/O, as its driver sees it.
pub trait Driven: Send + 'static {
    /// This node.
    fn node_id(&self) -> NodeId;
    /// What certificates are checked against, by the configuration in force.
    fn trust(&self) -> Arc<Trust>;
    /// What links depend on, by the configuration in force.
    fn link_settings(&self) -> LinkSettings;
    /// Whether the overlay has no ICE, by the configuration in force.
    fn no_ice(&self) -> bool;
    /// Offers an application to others (section 6.5.2).
    fn offer(&mut self, application: u16);
    /// Offers it no more.
    fn withdraw(&mut self, application: u16);
    /// Sets out for the overlay.
    fn start(&mut self, now: Now, start: Start);
    /// Leaves in good order.
    fn leave(&mut self, now: Now);
    /// Takes what happened to a link.
    fn handle_link(&mut self, now: Now, link: LinkId, event: LinkEvent);
    /// Takes the result of a job.
    fn handle_crypto(&mut self, now: Now, job: JobId, result: JobResult);
    /// Fires every timer that is due.
    fn handle_timeout(&mut self, now: Now);
    /// Takes a request of the application.
    ///
    /// # Errors
    /// [`Busy`] when too many are under way.
    fn request(&mut self, now: Now, request: Request) -> Result<RequestId, Busy>;
    /// The next thing to do.
    fn poll_output(&mut self) -> Output;
    /// A picture of the node.
    fn status(&self, now: Now) -> Status;
}

impl<T, S> Driven for Node<T, S>
where
    T: Topology + Send + 'static,
    S: Store + Send + 'static,
{
    fn node_id(&self) -> NodeId {
        Self::node_id(self)
    }

    fn trust(&self) -> Arc<Trust> {
        Arc::clone(Self::trust(self))
    }

    fn link_settings(&self) -> LinkSettings {
        let configuration = self.configuration();
        LinkSettings::new(configuration.dialect(), configuration.max_message_size)
    }

    fn no_ice(&self) -> bool {
        self.configuration().no_ice
    }

    fn offer(&mut self, application: u16) {
        Self::offer(self, application, Offer::Connect);
    }

    fn withdraw(&mut self, application: u16) {
        Self::withdraw(self, application);
    }

    fn start(&mut self, now: Now, start: Start) {
        Self::start(self, now, start);
    }

    fn leave(&mut self, now: Now) {
        Self::leave(self, now);
    }

    fn handle_link(&mut self, now: Now, link: LinkId, event: LinkEvent) {
        Self::handle_link(self, now, link, event);
    }

    fn handle_crypto(&mut self, now: Now, job: JobId, result: JobResult) {
        Self::handle_crypto(self, now, job, result);
    }

    fn handle_timeout(&mut self, now: Now) {
        Self::handle_timeout(self, now);
    }

    fn request(&mut self, now: Now, request: Request) -> Result<RequestId, Busy> {
        Self::request(self, now, request)
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }

    fn status(&self, now: Now) -> Status {
        Self::status(self, now)
    }
}
