//! Frames, whole messages and security blocks.

use bytes::Bytes;
use reload_wire::{
    Decode, Dialect, Encode, ForwardingHeader, FramedMessage, MAX_MESSAGE_SIZE, MessageContents,
    MessageParts, SecurityBlock, peek_message_code,
};

use crate::round::{check_error, dialect_and_rest, round_trip};

/// A frame of a link (section 6.6.2).
pub fn frame(data: &[u8]) {
    let dialect = Dialect::default();
    round_trip::<FramedMessage>(&dialect, data);
    if let Ok((rest, _)) = FramedMessage::decode(&dialect, data) {
        assert!(rest.len() < data.len(), "a frame of no bytes");
    }
}

/// A whole message (section 6.3): forwarded, and read down to its body.
pub fn message(data: &[u8]) {
    let dialect = Dialect::default();
    let bytes = Bytes::copy_from_slice(data);
    let parts = MessageParts::decode(&dialect, &bytes);
    let split = ForwardingHeader::split(&dialect, &bytes);
    let (header, rest) = match split {
        Ok(split) => split,
        Err(error) => {
            check_error(&error, data.len());
            assert_eq!(parts, Err(error), "the header alone is refused otherwise");
            return;
        }
    };
    forward(&dialect, &header, &rest, data.len());
    match parts {
        Ok(parts) => whole(&dialect, &parts, &rest),
        Err(error) => check_error(&error, data.len()),
    }
}

/// What a forwarder does: the header written again with the same rest reads the same.
fn forward(dialect: &Dialect, header: &ForwardingHeader, rest: &Bytes, size: usize) {
    // An option that is read and must not be sent cannot be here: options are opaque.
    let joined = header.join(rest, MAX_MESSAGE_SIZE).expect("it was read from as many bytes");
    assert!(joined.len() <= size, "a forwarded message has grown");
    let (again, behind) = ForwardingHeader::split(dialect, &joined).expect("it was just written");
    let length = again.length;
    assert_eq!(again, ForwardingHeader { length, ..header.clone() });
    assert_eq!(behind, *rest);
}

fn whole(dialect: &Dialect, parts: &MessageParts, rest: &Bytes) {
    assert_eq!(peek_message_code(rest), Some(parts.contents.code));
    let contents = MessageContents::decode_exact(dialect, &parts.contents_raw);
    assert_eq!(contents.as_ref(), Ok(&parts.contents));
    let written = parts.contents.to_bytes().expect("it was read from as many bytes");
    assert_eq!(written, parts.contents_raw);
    let bytes = parts.to_bytes(MAX_MESSAGE_SIZE).expect("it was read from as many bytes");
    let again = MessageParts::decode(dialect, &bytes).expect("it was just written");
    assert_eq!((&again.contents, &again.security), (&parts.contents, &parts.security));
}

/// A security block (section 6.3.4).
pub fn security_block(data: &[u8]) {
    let Some((dialect, bytes)) = dialect_and_rest(data) else { return };
    round_trip::<SecurityBlock>(&dialect, bytes);
}
