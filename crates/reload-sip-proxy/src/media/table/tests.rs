//! The relayed calls of a proxy, and their bounds.

use std::net::IpAddr;

use super::*;
use crate::media::Role;
use crate::media::sdp::{MediaAddress, Ports};

#[derive(Debug)]
struct Nowhere;

impl Place for Nowhere {
    fn ports(&self) -> Ports {
        (2, 3)
    }

    fn aim(&self, _: IpAddr, _: Option<&MediaAddress>) {}
}

fn node(byte: u8) -> NodeId {
    NodeId::new(&[byte; 16]).unwrap()
}

fn leg(call_id: &str, peer: u8, role: Role, line: &str) -> Leg {
    Leg {
        call_id: call_id.into(),
        peer: node(peer),
        path: None,
        role,
        line: line.into(),
        phone: format!("127.0.0.1:{line}").parse().unwrap(),
        local_ip: IpAddr::from([127, 0, 0, 1]),
    }
}

fn enter(table: &mut Table<Nowhere>, leg: &Leg, way: Direction) -> Token {
    table.entry(leg, way, Instant::now()).unwrap().token
}

#[test]
fn each_phone_that_rings_and_each_node_that_is_called_has_its_branch() {
    let mut table = Table::<Nowhere>::new(10);
    let first = enter(&mut table, &leg("a", 1, Role::Callee, "5062"), Direction::Inward);
    let second = enter(&mut table, &leg("a", 1, Role::Callee, "5064"), Direction::Inward);
    let third = enter(&mut table, &leg("a", 2, Role::Callee, "5062"), Direction::Inward);
    let fourth = enter(&mut table, &leg("a", 1, Role::Caller, "5062"), Direction::Outward);
    let mut all = vec![first, second, third, fourth];
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
    assert_eq!(enter(&mut table, &leg("a", 1, Role::Callee, "5062"), Direction::Outward), first);
}

#[test]
fn a_phone_that_goes_by_another_name_is_found_by_its_address() {
    let mut table = Table::<Nowhere>::new(10);
    let mut known = leg("a", 1, Role::Callee, "5062");
    let token = enter(&mut table, &known, Direction::Inward);
    known.line = "other".into();
    assert_eq!(enter(&mut table, &known, Direction::Inward), token);
    let moved = leg("a", 1, Role::Callee, "5999");
    assert_eq!(enter(&mut table, &moved, Direction::Outward), token);
    assert_ne!(enter(&mut table, &moved, Direction::Inward), token, "another phone that rings");
}

#[test]
fn datagrams_of_another_node_find_nothing() {
    let mut table = Table::<Nowhere>::new(10);
    let token = enter(&mut table, &leg("a", 1, Role::Caller, "5062"), Direction::Outward);
    assert!(table.by_token(node(1), token).is_some());
    assert!(table.by_token(node(2), token).is_none());
}

#[test]
fn the_number_of_branches_is_bounded() {
    let mut table = Table::<Nowhere>::new(1);
    let one = leg("a", 1, Role::Caller, "5062");
    enter(&mut table, &one, Direction::Outward);
    let other = leg("b", 1, Role::Caller, "5062");
    let full = table.entry(&other, Direction::Outward, Instant::now());
    assert!(matches!(full, Err(MediaError::Full)));
    table.remove("a", |branch| branch.is_of(&one));
    enter(&mut table, &other, Direction::Outward);
    table.clear();
    enter(&mut table, &one, Direction::Outward);
}

#[test]
fn what_nothing_is_heard_of_ends() {
    let mut table = Table::<Nowhere>::new(10);
    let start = Instant::now();
    let token = enter(&mut table, &leg("a", 1, Role::Caller, "5062"), Direction::Outward);
    let seconds = Duration::from_secs;
    table.sweep(start + seconds(50), seconds(100), seconds(1000));
    assert!(table.by_token(node(1), token).is_some());
    table.by_token(node(1), token).unwrap().counters.received.count(160, true);
    table.sweep(start + seconds(90), seconds(100), seconds(1000));
    table.sweep(start + seconds(150), seconds(100), seconds(1000));
    assert!(table.by_token(node(1), token).is_some(), "a packet came");
    table.sweep(start + seconds(200), seconds(100), seconds(1000));
    assert!(table.by_token(node(1), token).is_none());
    assert!(table.calls.is_empty() && table.tokens.is_empty());
}
