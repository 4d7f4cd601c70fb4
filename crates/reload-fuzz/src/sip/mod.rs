//! The SIP side of a peer: what phones and other peers say to a whole proxy, the SDP of calls, and the texts
//! of RFC 7904.

mod alone;
mod bench;
mod message;
mod overlay;
mod sdp;
mod seeds;
mod steps;
mod texts;

pub use sdp::sip_media;
pub(crate) use seeds::scripts;
pub use steps::{sip_peer, sip_phone};
pub use texts::sip_texts;
