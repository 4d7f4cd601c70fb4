//! What another peer has newer than we (section 7.4.1.1): fetched, merged, and copied on.

use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{Destination, Encode, MessageCode, NodeId, Now, ResourceId};

use crate::Node;
use crate::acknowledge::PlaceOf;
use crate::originate::Ending;
use crate::transactions::Purpose;

impl<T: Topology, S: Store> Node<T, S> {
    /// Fetches what another peer has newer; false if there is nothing to ask.
    pub(crate) fn resynchronise(
        &mut self,
        now: Now,
        node: NodeId,
        resource: &ResourceId,
        copy: Option<u64>,
    ) -> bool {
        let kinds = self.storage.kinds_at(resource);
        let request = self.storage.fetch_all_request(resource, &kinds);
        let Some(body) = request.ok().and_then(|request| request.to_bytes().ok()) else {
            return false;
        };
        let purpose = Purpose::Resynchronise { node, resource: resource.clone(), copy };
        let to = vec![Destination::Node(node)];
        self.send_request(now, MessageCode::FETCH_REQUEST, to, body, purpose);
        true
    }

    /// The newer values of another peer are here: they are merged with ours.
    pub(crate) fn finish_resynchronise(
        &mut self,
        now: Now,
        node: NodeId,
        resource: &ResourceId,
        copy: Option<u64>,
        ending: Ending,
    ) {
        let fetched = match ending {
            Ending::Answered(answer) => answer.checked.fetched,
            _ => None,
        };
        let Some(Ok(fetched)) = fetched else {
            return copy.map_or((), |number| self.batch_done(now, number, Ok(())));
        };
        let mut changed = false;
        for kind in &fetched.kinds {
            let place = PlaceOf(&self.topology);
            // what may not be here is left out, and the rest taken
            let merged =
                self.storage.merge(now, resource, kind.kind, &kind.values, kind.generation, &place);
            changed |= merged.is_ok_and(|merged| merged.changed());
        }
        self.send_merged(now, node, resource, copy, changed);
    }

    /// The refused copy was refused whole: it is sent again, merged. What is new here goes to our
    /// own replicas, too.
    fn send_merged(
        &mut self,
        now: Now,
        node: NodeId,
        resource: &ResourceId,
        copy: Option<u64>,
        changed: bool,
    ) {
        match copy {
            Some(number) => self.retry_later(now, number, resource.clone()),
            None => self.copy_resource(now, node, resource),
        }
        if changed && self.topology.is_responsible(resource) {
            for replica in self.topology.replicas(resource) {
                if replica != node {
                    self.copy_resource(now, replica, resource);
                }
            }
        }
    }
}
