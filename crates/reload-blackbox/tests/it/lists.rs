//! Via list and destination list (sections 6.1, 6.3.2.2 and 13.6.5).

use anyhow::{Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, Error, Silence};
use reload_blackbox::{Answer, Draft, Row, World, resource_id};
use reload_wire::{Destination, ErrorCode, NodeId, ResourceId};

const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);

fn to(world: &World, list: &[Destination]) -> Draft {
    world.ping().to(list, world.alice)
}

fn via(world: &World, entry: Destination) -> Draft {
    world.ping().header(|header| header.via_list = vec![entry])
}

fn unknown() -> Destination {
    Destination::Unknown { kind: 9, data: Bytes::from_static(b"?!") }
}

/// A Ping whose only destination is replaced by these bytes.
fn raw(world: &World, destination: &'static [u8]) -> Draft {
    const LIST: usize = 38;
    world.ping().bytes(move |message| {
        message.splice(LIST..LIST + 18, destination.iter().copied());
        message[34..36].copy_from_slice(&u16::try_from(destination.len()).unwrap().to_be_bytes());
        let length = u32::try_from(message.len()).unwrap();
        message[16..20].copy_from_slice(&length.to_be_bytes());
    })
}

/// A Node-ID that nobody has, right before that of a peer: it would be responsible.
fn before(node: NodeId) -> NodeId {
    let number = u128::from_be_bytes(node.as_bytes().try_into().unwrap());
    NodeId::new(&number.wrapping_sub(1).to_be_bytes()).unwrap()
}

fn mine(world: &World) -> ResourceId {
    world.resource_of(&world.carol)
}

/// The way back ends with the via list, unchanged (E39, E40).
fn carried(_: &World, answer: &Answer) -> Result<()> {
    let list = &answer.header.destination_list;
    ensure!(list.len() == 2 && list[1] == unknown(), "the way back is {list:?}");
    Ok(())
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.3.2.2-07
    Row::new("via list with a resource", Silence, |w| via(w, mine(w).into())),
    // R6940-6.3.2.2-05
    Row::new("via list with an unknown type", Expect::Answer, |w| via(w, unknown())).check(carried),
    // R6940-6.2.2-01
    Row::new("via list with a node", Expect::Answer, |w| via(w, w.dave.node_id().into()))
        .check(|w, answer| {
            let wanted = [w.carol.node_id().into(), w.dave.node_id().into()];
            ensure!(answer.header.destination_list == wanted, "{:?}", answer.header.destination_list);
            Ok(())
        }),
    Row::new("via list with an opaque id", Expect::Answer, |w| via(w, Destination::compact(5))),
    Row::new("via list longer than the message", Silence, |w| {
        w.ping().bytes(|message| message[32..34].copy_from_slice(&[0xff, 0xff]))
    }),
    Row::new("destination list longer than its entries", Silence, |w| {
        w.ping().bytes(|message| message[35] += 1)
    }),
    Row::new("destination list shorter than its entries", Silence, |w| {
        w.ping().bytes(|message| message[35] -= 1)
    }),
    Row::new("destination list empty", Silence, |w| to(w, &[])),
    // R6940-6.3.2.2-04
    Row::new("destination of type 0", Silence, |w| raw(w, b"\x00\x02ab")),
    Row::new("node with 15 bytes", Silence, |w| raw(w, b"\x01\x0f123456789012345")),
    Row::new("node with 17 bytes", Silence, |w| raw(w, b"\x01\x1112345678901234567")),
    Row::new("resource whose two lengths disagree", Silence, |w| raw(w, b"\x02\x11\x0f1234567890123456")),
    Row::new("resource with 15 bytes", Silence, |w| raw(w, b"\x02\x10\x0f123456789012345")),
    Row::new("resource with 20 bytes", Silence, |w| raw(w, b"\x02\x15\x1412345678901234567890")),
    Row::new("resource without bytes", Silence, |w| raw(w, b"\x02\x01\x00")),
    // R6940-6.1.1-01
    Row::new("resource of alice, not last", Silence, |w| to(w, &[mine(w).into(), w.alice.into()])),
    // R6940-6.3.2.2-06
    Row::new("resource of bob, not last", Silence, |w| {
        to(w, &[w.resource_of(&w.dave).into(), w.alice.into()])
    }),
    Row::new("resource of alice", Expect::Answer, |w| to(w, &[mine(w).into()])),
    // R6940-6.1.2-01
    Row::new("resource of bob", Expect::Answer, |w| {
        w.ping().to(&[w.resource_of(&w.dave).into()], w.bob)
    }),
    Row::new("alice twice", INVALID, |w| to(w, &[w.alice.into(), w.alice.into()])),
    Row::new("bob twice", INVALID, |w| to(w, &[w.bob.into(), w.bob.into()])),
    Row::new("resource twice", INVALID, |w| {
        let resource = resource_id(b"anything");
        to(w, &[w.alice.into(), resource.clone().into(), resource.into()])
    }),
    Row::new("unknown type first", INVALID, |w| to(w, &[unknown(), w.alice.into()])),
    Row::new("unknown type after alice", INVALID, |w| to(w, &[w.alice.into(), unknown()])),
    // R6940-6.3.2.2-05
    Row::new("unknown type after bob", INVALID, |w| w.ping().to(&[w.bob.into(), unknown()], w.bob)),
    // R6940-6.3.2.2-13
    Row::new("opaque id that nobody made, two bytes", Silence, |w| {
        to(w, &[Destination::compact(77)])
    }),
    Row::new("opaque id that nobody made, long form", Silence, |w| {
        to(w, &[Destination::Opaque(Bytes::from_static(b"what is this"))])
    }),
    Row::new("opaque id after alice", Silence, |w| {
        to(w, &[w.alice.into(), Destination::compact(77)])
    }),
    // R6940-6.1.1-05
    Row::new("the wildcard", Expect::Answer, |w| {
        to(w, &[NodeId::wildcard(w.configuration.node_id_length).into()])
    }),
    // R6940-6.1.1-03
    Row::new("alice, then bob", Expect::Answer, |w| {
        w.ping().to(&[w.alice.into(), w.bob.into()], w.bob)
    }),
    // R6940-6.1.2-09
    Row::new("bob, then alice", Expect::Answer, |w| to(w, &[w.bob.into(), w.alice.into()])),
    // R6940-6.1.1-06
    Row::new("a node that is not there, near alice", Silence, |w| to(w, &[before(w.alice).into()])),
    Row::new("a node that is not there, near bob", Silence, |w| to(w, &[before(w.bob).into()])),
];
