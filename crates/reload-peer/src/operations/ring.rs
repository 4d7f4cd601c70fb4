//! The walk around the ring: the peer responsible for n + 1 is the successor of n (section 10.5).

use std::collections::BTreeMap;

use reload_wire::{Destination, NodeId, ResourceId};

use super::look::probe_destination;
use crate::control::{Failure, Probed, Progress, RingEntry, RingReply};
use crate::running::Running;

/// A walk takes a round trip a peer; larger overlays are not listed.
const MAX_PEERS: usize = 10_000;

/// Lists the peers of the ring, from the lowest Node-ID on.
///
/// # Errors
/// One line.
pub(crate) async fn ring(node: &Running, progress: &Progress) -> Result<RingReply, Failure> {
    let mut peers: BTreeMap<NodeId, Probed> = BTreeMap::new();
    let mut current = node.node_id();
    loop {
        let (peer, mut probed) =
            probe_destination(node, Destination::Resource(after(&current)?)).await?;
        if peer == node.node_id() {
            probed.hops = 0; // it asked itself
        }
        // Back at the first one met, which is not this node if this node is a client.
        if peers.insert(peer, probed).is_some() {
            break;
        }
        if peers.len() > MAX_PEERS {
            return Err(Failure::new(format!("the ring has more than {MAX_PEERS} peers")));
        }
        progress.say(format!("walking the ring: {} peers", peers.len()));
        current = peer;
        if current == node.node_id() {
            break;
        }
    }
    let this_node = node.node_id();
    let entry = |(peer, probed)| RingEntry { probed, this_node: peer == this_node };
    Ok(RingReply {
        this_node: this_node.to_string(),
        peers: peers.into_iter().map(entry).collect(),
    })
}

/// The Resource-ID n + 1; the last one is followed by zero.
pub(super) fn after(node: &NodeId) -> Result<ResourceId, Failure> {
    let mut bytes = node.as_bytes().to_vec();
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    ResourceId::new(&bytes).map_err(|error| Failure::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_id_carries_and_wraps() {
        let mut bytes = [0; 16];
        bytes[15] = 0xff;
        let next = after(&NodeId::new(&bytes).unwrap()).unwrap();
        assert_eq!(&next.as_bytes()[14..], &[1, 0]);
        let last = after(&NodeId::new(&[0xff; 16]).unwrap()).unwrap();
        assert_eq!(last.as_bytes(), &[0; 16]);
    }
}
