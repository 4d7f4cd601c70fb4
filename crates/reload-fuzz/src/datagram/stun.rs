//! STUN and TURN from anybody, and from somebody who has the password: the first byte chooses whether an
//! ICE session or a TURN server hears it. Answers to plain Binding are tried with all of it.

use std::net::{Ipv4Addr, SocketAddr};

use reload_ice::{answer_binding, kind_of};
use stun_types::attribute::RawAttribute;
use stun_types::message::{Message, MessageType, MessageWriteExt, MessageWriteVec};

use super::session;
use super::turn;
use crate::script::Script;

/// The message that a signature makes, to which a script adds.
pub(super) type Builder = MessageWriteVec;

/// Plays a script into an ICE session or a TURN service.
pub fn stun_ice(data: &[u8]) {
    let mut script = Script(data);
    match script.or_zero() % 2 {
        0 => session::play(&mut script),
        _ => turn::play(&mut script),
    }
}

/// A plain Binding request is answered with less than three times its bytes, all else not at all.
pub(super) fn try_binding(source: SocketAddr, datagram: &[u8]) {
    let _ = kind_of(datagram);
    if let Some(answer) = answer_binding(datagram, source) {
        assert!(answer.len() <= datagram.len() + 60, "{} for {}", answer.len(), datagram.len());
        assert!(answer_binding(&answer, source).is_none(), "an answer to an answer");
    }
}

/// A message with the attributes of the script; nothing is signed yet.
pub(super) fn message(script: &mut Script<'_>, kind: u16) -> Option<Builder> {
    let kind = MessageType::from_bytes(&kind.to_be_bytes()).ok()?;
    let id = u128::from(script.uint32()) | 1 << 90;
    let mut message = Message::builder(kind, id.into(), MessageWriteVec::new());
    for _ in 0..script.or_zero() % 6 {
        let kind = attribute_kind(script);
        let attribute = RawAttribute::new_owned(kind.into(), value(script, kind).into());
        // A second one of a kind, and those that have to come last, are not taken.
        let _ = message.add_attribute(&attribute);
    }
    Some(message)
}

/// Those of ICE and TURN often, any sometimes.
fn attribute_kind(script: &mut Script<'_>) -> u16 {
    const KNOWN: [u16; 19] = [
        0x0006, 0x0009, 0x000a, 0x000c, 0x000d, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0017,
        0x0018, 0x0019, 0x0020, 0x0022, 0x0024, 0x0025, 0x8029, 0x802a,
    ];
    let choice = usize::from(script.or_zero());
    KNOWN.get(choice % 24).copied().unwrap_or_else(|| script.uint16())
}

/// Addresses and numbers as they should be, or bytes.
fn value(script: &mut Script<'_>, kind: u16) -> Vec<u8> {
    match (script.or_zero() % 4, kind) {
        (0, _) => script.bytes().to_vec(),
        (_, 0x0012 | 0x0016 | 0x0020) => xor_address(address(script)),
        (_, 0x0019) => vec![17, 0, 0, 0],
        (_, 0x000c) => vec![0x40 + script.or_zero() % 16, script.or_zero(), 0, 0],
        (_, 0x0025) => Vec::new(),
        (_, 0x8029 | 0x802a) => [script.uint32().to_be_bytes(); 2].concat(),
        _ => script.uint32().to_be_bytes().to_vec(),
    }
}

/// Addresses that mean something: public, private, loopback, multicast.
pub(super) fn address(script: &mut Script<'_>) -> SocketAddr {
    let number = script.or_zero();
    let ip = match number % 8 {
        0 => Ipv4Addr::new(10, 0, 0, number),
        1 => Ipv4Addr::LOCALHOST,
        2 => Ipv4Addr::new(224, 0, 0, number),
        3 => Ipv4Addr::UNSPECIFIED,
        4 => Ipv4Addr::new(203, 0, 113, number),
        _ => Ipv4Addr::new(192, 0, 2, number / 8),
    };
    SocketAddr::from((ip, 4000 + u16::from(script.or_zero() % 4)))
}

/// As RFC 8489 section 14.2 writes it.
fn xor_address(address: SocketAddr) -> Vec<u8> {
    let SocketAddr::V4(address) = address else { return Vec::new() };
    let [a, b] = (address.port() ^ 0x2112).to_be_bytes();
    let ip = u32::from(*address.ip()) ^ 0x2112_a442;
    [&[0, 1, a, b][..], &ip.to_be_bytes()].concat()
}
