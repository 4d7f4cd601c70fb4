//! Messages that waited on a link which failed (section 6.6.5): another way for those of others.

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
            let ended = header.via_list.is_empty() && !is_answer(&header, &rest);
            if own || ended {
                continue;
            }
            if let Step::Forward(other) = self.step(&header.destination_list)
                && other != link
                && self.send_on(now, other, &header, &rest)
            {
                self.counters.rerouted += 1;
            } else if self.step(&header.destination_list) == Step::Deliver {
                self.deliver_back(now, header, rest);
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
