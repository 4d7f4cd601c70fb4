//! The four access control policies (section 7.3): the right signer at the wrong place, for each.

use reload_blackbox::Expect::{self, Error};
use reload_blackbox::{Draft, Row, World, resource_id, signed, wall};
use reload_identity::Credentials;
use reload_wire::{ErrorCode, KindId, ResourceId, StoredDataValue};

use crate::store::{ARRAY, DICTIONARY, MULTIPLE, SINGLE, entry, keyed, kind_data, single, store};

const FORBIDDEN: Expect = Error(ErrorCode::FORBIDDEN);
/// To the end of an array.
const APPEND: u32 = u32::MAX;

/// A value that `who` signs and sends.
fn put(
    world: &World,
    who: &Credentials,
    resource: &ResourceId,
    kind: KindId,
    value: &StoredDataValue,
) -> Draft {
    let value = signed(who, resource, kind, wall(), value).unwrap();
    store(world, resource, vec![kind_data(kind, vec![value])]).by(who)
}

fn of_node(world: &World, who: &Credentials, resource: &ResourceId) -> Draft {
    let certificate = who.certificate().der();
    put(world, who, resource, KindId::CERTIFICATE_BY_NODE, &entry(APPEND, certificate))
}

/// The resource of the i-th value of a node (E73).
fn numbered(who: &Credentials, number: &[u8]) -> ResourceId {
    resource_id(&[who.node_id().as_bytes(), number].concat())
}

fn turn(world: &World, resource: &ResourceId) -> Draft {
    put(
        world,
        &world.carol,
        resource,
        KindId::TURN_SERVICE,
        &single(b"\x01\x01\x06\x7f\x00\x00\x01\x0d\x96"),
    )
}

fn multiple(world: &World, resource: &ResourceId) -> Draft {
    put(world, &world.carol, resource, MULTIPLE, &single(b"one of many"))
}

fn registration(world: &World, who: &Credentials, user: &Credentials, key: &Credentials) -> Draft {
    let resource = world.resource_of(user);
    let value = keyed(key.node_id().as_bytes(), b"\x01\x00\x04sip:");
    put(world, who, &resource, KindId::SIP_REGISTRATION, &value)
}

/// The second Node-ID of the certificate with several.
fn second(world: &World) -> Credentials {
    world.several.acting_as(world.several.certificate().node_ids()[1]).unwrap()
}

fn h(name: impl AsRef<[u8]>) -> ResourceId {
    resource_id(name.as_ref())
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-7.3.1-01
    Row::new("USER-MATCH: single at another user", FORBIDDEN, |w| {
        put(w, &w.carol, &w.resource_of(&w.dave), SINGLE, &single(b"!"))
    }),
    Row::new("USER-MATCH: array at another user", FORBIDDEN, |w| {
        put(w, &w.carol, &w.resource_of(&w.dave), ARRAY, &entry(0, b"!"))
    }),
    Row::new("USER-MATCH: dictionary at another user", FORBIDDEN, |w| {
        put(w, &w.carol, &w.resource_of(&w.dave), DICTIONARY, &keyed(b"key", b"!"))
    }),
    Row::new("USER-MATCH: at the Node-ID", FORBIDDEN, |w| {
        put(w, &w.carol, &h(w.carol.node_id().as_bytes()), SINGLE, &single(b"!"))
    }),
    Row::new("USER-MATCH: at the user with a scheme", FORBIDDEN, |w| {
        let name = format!("sip:{}", w.carol.user().unwrap());
        put(w, &w.carol, &h(name), SINGLE, &single(b"!"))
    }),
    Row::new("USER-MATCH: at the user in capitals", FORBIDDEN, |w| {
        let name = w.carol.user().unwrap().to_uppercase();
        put(w, &w.carol, &h(name), SINGLE, &single(b"!"))
    }),
    Row::new("USER-MATCH: certificate by user at another", FORBIDDEN, |w| {
        let certificate = entry(APPEND, w.carol.certificate().der());
        put(w, &w.carol, &w.resource_of(&w.dave), KindId::CERTIFICATE_BY_USER, &certificate)
    }),
    // R6940-7.3.2-01
    Row::new("NODE-MATCH: the right place", Expect::Answer, |w| {
        of_node(w, &w.carol, &h(w.carol.node_id().as_bytes()))
    }),
    Row::new("NODE-MATCH: at another node", FORBIDDEN, |w| {
        of_node(w, &w.carol, &h(w.dave.node_id().as_bytes()))
    }),
    Row::new("NODE-MATCH: at the user", FORBIDDEN, |w| of_node(w, &w.carol, &w.resource_of(&w.carol))),
    Row::new("NODE-MATCH: at the Node-ID, not hashed", FORBIDDEN, |w| {
        of_node(w, &w.carol, &ResourceId::new(w.carol.node_id().as_bytes()).unwrap())
    }),
    Row::new("NODE-MATCH: at the Node-ID in hex", FORBIDDEN, |w| {
        of_node(w, &w.carol, &h(w.carol.node_id().to_string()))
    }),
    Row::new("NODE-MATCH: at the other Node-ID of the certificate", FORBIDDEN, |w| {
        of_node(w, &w.several, &h(second(w).node_id().as_bytes()))
    }),
    Row::new("NODE-MATCH: at that Node-ID, signed with it", Expect::Answer, |w| {
        of_node(w, &second(w), &h(second(w).node_id().as_bytes()))
    }),
    // R6940-7.3.3-01
    Row::new("USER-NODE-MATCH: the right key", Expect::Answer, |w| registration(w, &w.carol, &w.carol, &w.carol)),
    Row::new("USER-NODE-MATCH: at another user", FORBIDDEN, |w| registration(w, &w.carol, &w.dave, &w.carol)),
    // R6940-7.3.3-02
    Row::new("USER-NODE-MATCH: key of another node", FORBIDDEN, |w| registration(w, &w.carol, &w.carol, &w.dave)),
    // R6940-7.3.3-03
    Row::new("USER-NODE-MATCH: key of the other Node-ID", FORBIDDEN, |w| {
        registration(w, &w.several, &w.several, &second(w))
    }),
    // R6940-7.3.4-01
    Row::new("NODE-MULTIPLE: number 1", Expect::Answer, |w| turn(w, &numbered(&w.carol, &[1]))),
    Row::new("NODE-MULTIPLE: the last number", Expect::Answer, |w| turn(w, &numbered(&w.carol, &[20]))),
    Row::new("NODE-MULTIPLE: one above the last", FORBIDDEN, |w| turn(w, &numbered(&w.carol, &[21]))),
    Row::new("NODE-MULTIPLE: number 0", FORBIDDEN, |w| turn(w, &numbered(&w.carol, &[0]))),
    Row::new("NODE-MULTIPLE: no number", FORBIDDEN, |w| multiple(w, &numbered(&w.carol, &[]))),
    Row::new("NODE-MULTIPLE: a number of four bytes", FORBIDDEN, |w| {
        multiple(w, &numbered(&w.carol, &[0, 0, 0, 1]))
    }),
    Row::new("NODE-MULTIPLE: a number in letters", FORBIDDEN, |w| turn(w, &numbered(&w.carol, b"1"))),
    Row::new("NODE-MULTIPLE: of another node", FORBIDDEN, |w| multiple(w, &numbered(&w.dave, &[1]))),
];
