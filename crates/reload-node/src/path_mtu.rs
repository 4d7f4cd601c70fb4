//! How large a datagram each link takes (section 6.7: "Ping can be used"; in the manner of RFC 8899).
//! A Ping with padding is the probe. Whether it arrived is seen by the link, which tells a new MTU;
//! what comes back as an answer only ends the probe.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{Destination, FRAME_HEADER_SIZE, NodeId, Now};

use crate::node::largest_message;
use crate::originate::Ending;
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{LinkId, Node};

/// The frames that are tried, in bytes: datagrams of 1232 (the smallest MTU of IPv6), 1372 (within a
/// tunnel) and 1452 bytes (an Ethernet), less what DTLS adds.
const STEPS: [usize; 3] = [1195, 1335, 1415];
/// A new link is left to what it came up for.
const FIRST_AFTER: Duration = Duration::from_secs(3);
/// When a size did not pass, or none is left: paths change (RFC 8899 section 5.1.1: PMTU_RAISE_TIMER).
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// A signature may be some bytes shorter or longer than the last one.
const SLACK: usize = 8;

/// What is known for probing.
#[derive(Debug, Default)]
pub(crate) struct PathProbes {
    /// Bytes of a Ping of ours without padding, header included.
    plain: Option<usize>,
    /// The frame that is being tried; 0 for a Ping that only tells its size.
    trying: BTreeMap<LinkId, usize>,
}

impl PathProbes {
    /// A Ping over this link is signed: its size is known, with its header.
    pub(crate) fn learn(&mut self, link: LinkId, size: usize) {
        if self.trying.get(&link) == Some(&0) {
            self.plain = Some(size);
        }
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// A link is up; one of datagrams has an MTU to find out.
    pub(crate) fn watch_path(&mut self, now: Now, link: LinkId) {
        self.timers.set(Timer::PathMtu(link), now.mono + FIRST_AFTER);
    }

    pub(crate) fn forget_path(&mut self, link: LinkId) {
        self.timers.cancel(Timer::PathMtu(link));
        self.path_probes.trying.remove(&link);
    }

    /// The path of a datagram link takes larger frames than was known, or only smaller ones.
    pub(crate) fn on_mtu(&mut self, now: Now, link: LinkId, mtu: usize) {
        let Some(entry) = self.links.get_mut(link) else {
            return;
        };
        let before = entry.mtu.replace(mtu);
        if before.is_some_and(|before| mtu < before) {
            // a small frame shows whether the path is narrow or dead
            self.try_path(now, link, 0);
            self.timers.set(Timer::PathMtu(link), now.mono + AGAIN_AFTER);
        }
    }

    /// Tries the next larger size.
    pub(crate) fn on_path_timer(&mut self, now: Now, link: LinkId) {
        let Some(mtu) = self.links.get(link).and_then(|entry| entry.mtu) else {
            return;
        };
        let limit = largest_message(&self.configuration);
        let larger = |step: &&usize| **step > mtu + SLACK && **step <= limit;
        let next = STEPS.iter().find(larger).copied();
        match (next, self.links.works(link)) {
            (None, _) => {}
            (Some(_), false) => self.timers.set(Timer::PathMtu(link), now.mono + AGAIN_AFTER),
            (Some(step), true) => {
                let size = self.path_probes.plain.map_or(0, |_| step);
                self.try_path(now, link, size);
            }
        }
    }

    /// A probe was answered, or was not: its size passed if the link has told so.
    pub(crate) fn finish_probe(&mut self, now: Now, link: LinkId, ending: &Ending) {
        let Some(size) = self.path_probes.trying.remove(&link) else {
            return;
        };
        let passed = |mtu: usize| mtu + SLACK >= size;
        let larger = self.links.get(link).and_then(|entry| entry.mtu).is_some_and(passed);
        if larger && matches!(ending, Ending::Answered(_)) {
            self.on_path_timer(now, link);
        } else {
            self.timers.set_once(Timer::PathMtu(link), now.mono + AGAIN_AFTER);
        }
    }

    fn try_path(&mut self, now: Now, link: LinkId, frame: usize) {
        let Some(entry) = self.links.get(link) else {
            return;
        };
        let node = entry.node.unwrap_or(NodeId::wildcard(self.dialect.node_id_length));
        let plain = FRAME_HEADER_SIZE + self.path_probes.plain.unwrap_or(frame);
        let padding = Bytes::from(vec![0; frame.saturating_sub(plain)]);
        self.path_probes.trying.insert(link, frame);
        self.ping_over(now, link, Destination::Node(node), padding, Purpose::PathMtu(link));
    }
}
