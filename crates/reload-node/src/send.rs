//! Putting a message out to a link: whole, or in fragments where the link takes no more (section 6.7).
//! Any node on the way may cut, also what was cut before; [`crate::fragments`] puts together.

use std::ops::Range;

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{FRAME_HEADER_SIZE, ForwardingHeader, Fragment, Now};

use crate::fragments::LEAST;
use crate::node::largest_message;
use crate::originate::size_of;
use crate::{LinkId, Node, Output};

/// A fragment leaves so much room, for the via list to grow (section 6.7).
const SPARE: usize = 32;

impl<T: Topology, S: Store> Node<T, S> {
    /// Writes header and rest to a link; false if the message would be larger than allowed.
    pub(crate) fn send_on(
        &mut self,
        now: Now,
        link: LinkId,
        header: &ForwardingHeader,
        rest: &Bytes,
    ) -> bool {
        let Some(mtu) = self.links.get(link).and_then(|entry| entry.mtu) else {
            return self.send_whole(now, link, header, rest);
        };
        let most = mtu.saturating_sub(FRAME_HEADER_SIZE); // the MTU of a link is that of a frame
        let head = size_of(header);
        if head + rest.len() <= most {
            return self.send_whole(now, link, header, rest);
        }
        if head + rest.len() > largest_message(&self.configuration) {
            return false;
        }
        let parts = cut(head, rest.len(), header.fragment.last, most);
        if parts.len() > 1 {
            self.counters.fragmented += 1;
        }
        parts.into_iter().all(|part| {
            let Some(fragment) = within(header.fragment, &part, rest.len()) else {
                return false;
            };
            let header = ForwardingHeader { fragment, ..header.clone() };
            self.send_whole(now, link, &header, &rest[part])
        })
    }

    /// As [`Self::send_on`], in one piece however large it is.
    pub(crate) fn send_whole(
        &mut self,
        now: Now,
        link: LinkId,
        header: &ForwardingHeader,
        rest: &[u8],
    ) -> bool {
        let Ok(message) = header.join(rest, self.configuration.max_message_size) else {
            return false;
        };
        let Some(entry) = self.links.get_mut(link) else {
            return false;
        };
        entry.last_traffic = now.mono;
        self.counters.sent += 1;
        self.outputs.push_back(Output::Send(link, message));
        true
    }
}

/// Where a part lies in the whole message: offsets stay relative to that (E33).
fn within(whole: Fragment, part: &Range<usize>, size: usize) -> Option<Fragment> {
    let offset = whole.offset.checked_add(u32::try_from(part.start).ok()?)?;
    Some(Fragment { last: whole.last && part.end == size, offset })
}

/// Cuts `size` bytes behind a header of `head` bytes for a link that takes messages of `most` bytes:
/// equal parts, each of 256 bytes at least, but for the last of the message (E34). If header and
/// 256 bytes do not fit, the message is one part: IP may cut it (section 6.7).
fn cut(head: usize, size: usize, last: bool, most: usize) -> Vec<Range<usize>> {
    let whole = || std::iter::once(0..size).collect();
    let room = most.saturating_sub(SPARE + head);
    if head + size <= most || room < LEAST {
        return whole();
    }
    let count = size.div_ceil(room);
    if size / count >= LEAST {
        let edge = |number: usize| size * number / count;
        return (0..count).map(|number| edge(number)..edge(number + 1)).collect();
    }
    if !last {
        return whole(); // no way to cut it that leaves 256 bytes everywhere
    }
    (0..size).step_by(LEAST).map(|start| start..size.min(start + LEAST)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(head: usize, size: usize, last: bool, most: usize) -> Vec<usize> {
        let parts = cut(head, size, last, most);
        let mut end = 0;
        for part in &parts {
            assert_eq!(part.start, end, "without a gap");
            end = part.end;
        }
        assert_eq!(end, size, "to the end");
        parts.iter().map(Range::len).collect()
    }

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(sizes(100, 1100, true, 1200), [1100]);
        assert_eq!(sizes(100, 1101, true, 1200).len(), 2);
    }

    // R6940-6.7-05
    #[test]
    fn parts_are_equal_and_leave_32_bytes() {
        let parts = sizes(100, 3000, true, 1200);
        assert_eq!(parts, [1000, 1000, 1000]);
        let parts = sizes(100, 3205, true, 1200);
        assert_eq!(parts, [801, 801, 801, 802]);
        assert!(parts.iter().all(|part| part + 100 <= 1168));
    }

    // R6940-6.7-03
    #[test]
    fn each_part_but_the_last_of_the_message_has_256_bytes() {
        assert_eq!(sizes(800, 600, true, 1200), [300, 300]);
        assert_eq!(sizes(900, 500, true, 1200), [256, 244]);
        assert_eq!(sizes(912, 600, true, 1200), [256, 256, 88]);
        assert_eq!(sizes(900, 500, false, 1200), [500], "it is not the last of the message");
    }

    // R6940-6.7-03
    #[test]
    fn a_header_that_leaves_no_room_is_left_to_ip() {
        assert_eq!(sizes(913, 3000, true, 1200), [3000]);
        assert_eq!(sizes(2000, 100, true, 1200), [100]);
    }

    // R6940-6.7-06, R6940-6.7-07
    #[test]
    fn offsets_stay_relative_to_the_whole_and_only_its_last_part_is_marked() {
        let middle = Fragment { last: false, offset: 1000 };
        assert_eq!(within(middle, &(0..300), 600), Some(Fragment { last: false, offset: 1000 }));
        assert_eq!(within(middle, &(300..600), 600), Some(Fragment { last: false, offset: 1300 }));
        let end = Fragment { last: true, offset: 1000 };
        assert_eq!(within(end, &(0..300), 600), Some(Fragment { last: false, offset: 1000 }));
        assert_eq!(within(end, &(300..600), 600), Some(Fragment { last: true, offset: 1300 }));
    }
}
