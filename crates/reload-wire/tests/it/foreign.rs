//! Messages as the encoders of other stacks wrote them.

use bytes::Bytes;
use reload_vectors::foreign;
use reload_wire::{
    Decode, Dialect, Encode, FRAME_ACK, FRAME_DATA, Fault, FramedMessage, MessageParts, VERSION,
};

use crate::messages::check_message;

// R6940-6.3.2-05
#[test]
fn messages_of_other_stacks_decode_and_encode_to_the_same_bytes() {
    let messages = foreign().unwrap();
    assert!(!messages.is_empty());
    for foreign in messages {
        let label = format!("{}: {}", foreign.stack, foreign.name);
        let mut bytes = foreign.hex.0.clone();
        if foreign.draft_version {
            let error = MessageParts::decode(&Dialect::default(), &bytes.clone().into());
            assert_eq!(error.unwrap_err().fault(), Fault::Version, "{label}");
            bytes[10] = VERSION;
        }
        let bytes = Bytes::from(bytes);
        match bytes[0] {
            FRAME_DATA | FRAME_ACK => check_frame(&label, &bytes),
            _ => check_message(&label, &bytes, foreign.long_opaque_id),
        }
    }
}

fn check_frame(label: &str, bytes: &[u8]) {
    let frame = FramedMessage::decode_exact(&Dialect::default(), bytes)
        .unwrap_or_else(|error| panic!("{label}: {error}"));
    assert_eq!(frame.to_bytes().unwrap(), bytes, "{label}");
}
