//! Frames of a link (section 6.6.2), one after the other as a link carries them.

use reload_wire::{FRAME_ACK, FRAME_DATA, Fault};

use crate::message::message;
use crate::walk::{Step, Walk};

/// One frame; its message is read as well.
pub(crate) fn frame(walk: &mut Walk<'_>) -> Step {
    walk.element("framed_message", Some("6.6.2"), frame_fields)
}

/// The fields of a frame.
pub(crate) fn frame_fields(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    match walk.uint8("type")? {
        FRAME_DATA => {
            walk.mean("data");
            walk.uint32("sequence")?;
            walk.nested("message", Some("6.3"), 3, |walk| {
                message(walk);
                Ok(())
            })
        }
        FRAME_ACK => {
            walk.mean("ack");
            let sequence = walk.uint32("ack_sequence")?;
            let received = walk.uint32("received")?;
            walk.mean(earlier(sequence, received));
            Ok(())
        }
        _ => walk.fail("type", Fault::NotAllowed, before),
    }
}

/// The earlier frames that a mask names: bit `1 << (N - M)` is frame M.
fn earlier(sequence: u32, received: u32) -> String {
    let bits = (0..32_u32).filter(|bit| received >> bit & 1 == 1);
    let frames: Vec<_> = bits.map(|bit| sequence.wrapping_sub(bit).to_string()).collect();
    if frames.is_empty() { "none".to_owned() } else { frames.join(" ") }
}
