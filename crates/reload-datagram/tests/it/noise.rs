//! Whatever comes: no panic, no spinning, nothing kept without bound.

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{SECOND, World};

/// Bytes that look like what the sockets carry, at least at first.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let rest = || vec(any::<u8>(), 0..120);
    let stun = (0_u8..4, any::<u8>(), rest()).prop_map(|(class, method, rest)| {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&[class, method], &length[..], &[0x21, 0x12, 0xa4, 0x42], &[7; 12], &rest[..]].concat()
    });
    let dtls = (20_u8..26, 0_u8..3, rest()).prop_map(|(kind, epoch, rest)| {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&[kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0], &length[..], &rest[..]].concat()
    });
    prop_oneof![rest(), stun, dtls]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn noise_leaves_nothing_behind(noise in vec((datagram(), 1_u16..40), 1..200)) {
        let mut world = World::new(80);
        let hosts = [world.host(), world.host()];
        let link = world.attach(hosts[0], hosts[1], 1);
        let to = world.hosts[hosts[0]].address();
        let live = world.hosts[hosts[1]].address();
        for (data, port) in noise {
            let stranger = SocketAddr::from(([203, 0, 113, 7], port));
            world.inject(if port % 2 == 0 { live } else { stranger }, to, Bytes::from(data));
        }
        world.run(30 * SECOND); // the world checks that deadlines advance
        prop_assert!(world.hosts[hosts[0]].up.contains(&link), "{:?}", world.hosts[hosts[0]].down);
        prop_assert_eq!(world.hosts[hosts[0]].endpoint.half_open(), 0);
        prop_assert_eq!(world.hosts[hosts[0]].endpoint.links(world.now).len(), 1);
    }
}
