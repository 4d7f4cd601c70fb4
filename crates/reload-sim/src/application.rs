//! What an application of a node offers to others.

use reload_node::{ApplicationAnswer, AskingId, Offer};
use reload_wire::ErrorCode;

use crate::world::{HostId, World};

impl World {
    /// The application of a node answers AppAttaches for this Application-ID from now on: see
    /// [`crate::Host::asked`].
    pub fn offer_application(&mut self, host: HostId, application: u16) {
        self.hosts[host].node.offer(application, Offer::Ask);
        self.drain(host);
    }

    /// The application of a node answers.
    pub fn answer_application(
        &mut self,
        host: HostId,
        asking: AskingId,
        answer: Result<ApplicationAnswer, ErrorCode>,
    ) {
        let now = self.now;
        self.hosts[host].node.answer_application(now, asking, answer);
        self.drain(host);
    }
}
