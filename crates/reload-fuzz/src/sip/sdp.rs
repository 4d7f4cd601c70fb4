//! The SDP of calls on its way through a relay, and what relays send each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use reload_sip_proxy::{Leg, Media, MediaFrame, MediaMode, MediaSettings, Overlay, Role};

use super::alone;
use super::overlay::{Town, node};

/// What an SDP may grow by for each of its lines.
const GROWTH: usize = 200;

/// The first byte chooses the mode and the side; then SDPs between NUL bytes, those of the phone and of the
/// other side in turn. The whole is also a datagram between relays.
pub fn sip_media(data: &[u8]) {
    let whole = Bytes::copy_from_slice(data);
    if let Some(frame) = MediaFrame::parse(&whole) {
        assert_eq!(frame.to_bytes(), whole, "written as it was read");
    }
    alone::run(carry(data));
}

async fn carry(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let mode = match choice % 3 {
        0 => MediaMode::Relay,
        1 => MediaMode::Auto,
        _ => MediaMode::Direct,
    };
    let role = if choice & 4 == 0 { Role::Caller } else { Role::Callee };
    let (town, _opening, _opened) = Town::new();
    let overlay: Arc<dyn Overlay> = Arc::new(town);
    let media = Media::new(MediaSettings { mode, pairs: 8, ..MediaSettings::default() }, overlay);
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let leg = Leg {
        call_id: "call".to_owned(),
        peer: node(2),
        path: None,
        role,
        line: "line".to_owned(),
        phone: SocketAddr::new(local, 5999),
        local_ip: local,
    };
    for (number, sdp) in rest.split(|byte| *byte == 0).take(8).enumerate() {
        let ours = (number % 2 == 0) == (role == Role::Caller);
        let carried = if ours { media.outward(&leg, sdp) } else { media.inward(&leg, sdp) };
        if let Ok(carried) = carried {
            let lines = 1 + sdp.iter().filter(|byte| **byte == b'\n').count();
            assert!(carried.len() <= sdp.len() + lines * GROWTH, "it grows without bound");
            assert!(mode != MediaMode::Direct || carried == sdp, "direct means untouched");
        }
        tokio::task::yield_now().await;
    }
    media.release("call");
    media.shutdown();
}
