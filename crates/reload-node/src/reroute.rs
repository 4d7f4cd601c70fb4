//! Messages that waited on a link which failed (sections 6.6.3.1 and 6.6.5): another way for those of
//! others. Those that have none stay there: the link may work again.

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{Destination, ForwardingHeader, Now};

use crate::forward::{Origin, Step, is_answer};
use crate::{LinkId, Node};

impl<T: Topology, S: Store> Node<T, S> {
    /// Sends messages another way that were waiting on a link which failed. Those of our own
    /// requests go by their transactions.
    pub(crate) fn reroute(&mut self, now: Now, link: LinkId, messages: Vec<Bytes>) {
        for message in messages {
            let Ok((header, rest)) = ForwardingHeader::split(&self.dialect, &message) else {
                continue;
            };
            let own = self.transactions.get(header.transaction_id).is_some();
            // only the first fragment tells whether it is of a request
            let known = header.fragment.offset == 0 && !is_answer(&header, &rest);
            let ended = header.via_list.is_empty() && known;
            if own || ended {
                continue;
            }
            match self.step(&header.destination_list) {
                Step::Forward(other) if other != link => {
                    if self.send_on(now, other, &header, &rest) {
                        self.counters.rerouted += 1;
                    }
                }
                Step::Deliver => self.deliver_back(now, header, rest),
                // nowhere else: if the link is still there, it may work again
                _ => drop(self.send_on(now, link, &header, &rest)),
            }
        }
    }

    /// A message that was on its way to the failed peer, and for which this peer has become
    /// responsible: the last entry of its via list is the hop it came from.
    fn deliver_back(&mut self, now: Now, mut header: ForwardingHeader, rest: Bytes) {
        let Some(Destination::Node(node)) = self.pop_hop(&mut header.via_list) else {
            return;
        };
        let Some(link) = self.links.to_node(&node) else {
            return;
        };
        self.counters.rerouted += 1;
        self.deliver(now, Origin::Link { link, node }, header, rest);
    }
}
