//! What happens to a link: its association is up, has something for the node, fails or ends.

use std::sync::Arc;

use reload_identity::VerifiedCertificate;
use reload_link::FrameEvent;
use reload_node::LinkEvent;
use reload_wire::Now;

use crate::association::AssociationEvent;
use crate::link::{Link, Path};
use crate::output::EndpointOutput;
use crate::shared::Shared;

impl Link {
    pub(crate) fn on_association(
        &mut self,
        now: Now,
        shared: &mut Shared,
        event: AssociationEvent,
    ) {
        match event {
            AssociationEvent::Up { certificate, mtu } => {
                self.up_at = Some(now.mono);
                self.deadline = None;
                self.on_up(now, shared, certificate, mtu);
            }
            AssociationEvent::Frame(event) => self.on_frame(shared, event),
            AssociationEvent::Datagram(data) => {
                shared.output(EndpointOutput::Application(self.id, data));
            }
            AssociationEvent::Down { reason, unacknowledged } if self.is_up() => {
                self.end(shared, reason, unacknowledged);
            }
            AssociationEvent::Down { reason, .. } => self.on_no_handshake(now, shared, reason),
        }
    }

    fn on_up(
        &mut self,
        now: Now,
        shared: &mut Shared,
        certificate: Arc<VerifiedCertificate>,
        mtu: usize,
    ) {
        let Some(remote) = self.remote() else { return };
        shared.counters.up += 1;
        let event = LinkEvent::Up { certificate, remote, mtu: Some(mtu) };
        shared.output(match self.id.is_accepted() {
            true => EndpointOutput::Accepted(self.id, event),
            false => EndpointOutput::Link(self.id, event),
        });
        if self.is_direct() {
            shared.claims.push(((self.socket, remote), self.id));
        }
        self.offer_as_stun_server(now, shared);
    }

    fn on_frame(&mut self, shared: &mut Shared, event: FrameEvent) {
        let event = match event {
            FrameEvent::Message(message) => LinkEvent::Message(message),
            FrameEvent::TooLarge(header) => LinkEvent::TooLarge(*header),
            FrameEvent::Mtu(mtu) => LinkEvent::Mtu(mtu),
            FrameEvent::Failing { unacknowledged } => {
                self.silent = true;
                LinkEvent::Failing { unacknowledged }
            }
            FrameEvent::Restored => {
                self.silent = false;
                LinkEvent::Restored
            }
            // The association ends itself then.
            FrameEvent::Dead { .. } => return,
        };
        shared.tell(self.id, event);
    }

    /// A handshake came to nothing: another address, another try, or the end.
    fn on_no_handshake(&mut self, now: Now, shared: &mut Shared, reason: String) {
        match &mut self.path {
            Path::Direct(_) => self.dial_next(now, shared, reason),
            Path::Ice(_) => self.on_no_ice_handshake(now, shared, reason),
            Path::Opening(_) | Path::Listening | Path::Waiting => {
                self.end(shared, reason, Vec::new());
            }
        }
    }
}
