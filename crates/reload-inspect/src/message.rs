//! A whole message (section 6.3): header, contents, security block, and the body by its code.

use reload_wire::{DecodeError, Fault, HashAlgorithm, MessageCode, SignatureAlgorithm};

use crate::body::body;
use crate::header::header;
use crate::walk::{Name, Step, Walk};

/// The bytes before the length of a message.
const LENGTH_AT: usize = 16; // section 6.3.2

/// How many bytes of the input the message takes that starts here, as far as it tells.
pub(crate) fn claimed_length(input: &[u8]) -> Option<usize> {
    let length = input.get(LENGTH_AT..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

/// All of the part as one message; faults are noted.
pub(crate) fn message(walk: &mut Walk<'_>) {
    let input = walk.rest();
    let mut claim = None;
    walk.whole_but_rest("header", |walk| {
        claim = Some(walk.element("header", Some("6.3.2"), header)?);
        Ok(())
    });
    let Some((length, whole)) = claim else { return }; // the fault is noted
    let fault = if length > walk.context.dialect.limits.max_message_size {
        Some(Fault::TooLarge)
    } else {
        (usize::try_from(length) != Ok(input.len())).then_some(Fault::LengthMismatch)
    };
    if let Some(fault) = fault {
        let at = input.get(LENGTH_AT..).unwrap_or_default();
        let error = DecodeError::new(fault, at).inside("length");
        walk.note(input.len() - walk.rest().len(), &error.rooted("header", input.len()));
    }
    if whole {
        walk.whole("message", |walk| {
            walk.field("contents", Some("6.3.3"), contents)?;
            walk.field("security_block", Some("6.3.4"), |walk| {
                security_block(walk)?;
                walk.used_up() // it is the last part of a message
            })
        });
    } else {
        walk.remaining("fragment_data");
    }
}

/// Message contents (section 6.3.3).
pub(crate) fn contents(walk: &mut Walk<'_>) -> Step {
    let code = MessageCode(walk.uint16("message_code")?);
    walk.mean(code.name());
    walk.nested("message_body", None, 4, |walk| {
        body(walk, code);
        Ok(())
    })?;
    walk.nested("extensions", None, 4, |walk| walk.all(extension))
}

fn extension(walk: &mut Walk<'_>) -> Step {
    walk.element("extension", Some("6.3.3"), extension_fields)
}

/// A message extension (section 6.3.3).
pub(crate) fn extension_fields(walk: &mut Walk<'_>) -> Step {
    match walk.uint16("type")? {
        1 => walk.mean("exp-ext"),
        2 => walk.mean("Diagnostic_Ping"),
        3 => walk.mean("self_tuning_data"),
        _ => {}
    }
    walk.boolean("critical")?;
    walk.opaque("extension_contents", 4).map(drop)
}

/// The security block (section 6.3.4).
pub(crate) fn security_block(walk: &mut Walk<'_>) -> Step {
    walk.nested("certificates", None, 2, |walk| walk.all(certificate))?;
    walk.field("signature", Some("6.3.4"), signature)
}

fn certificate(walk: &mut Walk<'_>) -> Step {
    walk.element("generic_certificate", Some("6.3.4"), certificate_fields)
}

/// A certificate and its type (section 6.3.4).
pub(crate) fn certificate_fields(walk: &mut Walk<'_>) -> Step {
    if walk.uint8("type")? == 0 {
        walk.mean("X.509");
    }
    walk.opaque("certificate", 2).map(drop)
}

/// A signature (section 6.3.4).
pub(crate) fn signature(walk: &mut Walk<'_>) -> Step {
    let hash = HashAlgorithm(walk.uint8("algorithm")?);
    walk.mean(format!("hash {hash}"));
    let scheme = SignatureAlgorithm(walk.uint8("algorithm")?);
    walk.mean(format!("signature {scheme}"));
    walk.field("identity", Some("6.3.4"), identity)?;
    walk.opaque("signature_value", 2).map(drop)
}

/// Who signed (section 6.3.4).
pub(crate) fn identity(walk: &mut Walk<'_>) -> Step {
    let before = walk.rest();
    match walk.uint8("identity_type")? {
        0 => walk.fail("identity_type", Fault::NotAllowed, before),
        1 => {
            walk.mean("cert_hash");
            walk.nested("cert_hash", None, 2, cert_hash)
        }
        2 => {
            walk.mean("cert_hash_node_id");
            walk.nested("cert_hash_node_id", None, 2, cert_hash)
        }
        3 => {
            walk.mean("none");
            walk.nested(Name::new("none", "identity"), None, 2, |_| Ok(()))
        }
        _ => walk.opaque("identity", 2).map(drop),
    }
}

fn cert_hash(walk: &mut Walk<'_>) -> Step {
    let hash = HashAlgorithm(walk.uint8("hash_alg")?);
    walk.mean(hash);
    walk.opaque("certificate_hash", 1).map(drop)
}
