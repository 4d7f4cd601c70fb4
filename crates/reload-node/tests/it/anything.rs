//! Whatever comes, in whatever order: no panic, deadlines advance, and what is held stays bounded.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use reload_node::{Limits, LinkEvent, LinkId};
use reload_topology::{Action, TaskId};
use reload_wire::{Destination, MessageCode, NodeId, OverlayLinkType};

use crate::actor::{attach_body, candidate};
use crate::bench::{Bench, Making};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Happening {
    Up { link: u8, actor: u8 },
    Down(u8),
    Failing(u8),
    Restored(u8),
    Candidates(u8),
    Bytes { link: u8, bytes: Vec<u8> },
    Message { link: u8, actor: u8, code: u16, body: Vec<u8>, to: u8, via: u8, ttl: u8, id: u8 },
    Attach { link: u8, actor: u8, id: u8 },
    WantLink(u8),
    Ping(u8),
    Pass(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    let (link, actor) = (0..12_u8, 1..7_u8);
    let bytes = proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        (link.clone(), actor.clone()).prop_map(|(link, actor)| Happening::Up { link, actor }),
        link.clone().prop_map(Happening::Down),
        link.clone().prop_map(Happening::Failing),
        link.clone().prop_map(Happening::Restored),
        link.clone().prop_map(Happening::Candidates),
        (link.clone(), bytes.clone()).prop_map(|(link, bytes)| Happening::Bytes { link, bytes }),
        (link.clone(), actor.clone(), 1..40_u16, bytes, 0..8_u8, 0..4_u8, 98..103_u8, 0..9_u8)
            .prop_map(|(link, actor, code, body, to, via, ttl, id)| {
                Happening::Message { link, actor, code, body, to, via, ttl, id }
            }),
        (link, actor.clone(), any::<u8>()).prop_map(|(link, actor, id)| Happening::Attach {
            link,
            actor,
            id
        }),
        actor.clone().prop_map(Happening::WantLink),
        actor.prop_map(Happening::Ping),
        (0..20_000_u16).prop_map(Happening::Pass),
    ]
}

fn name(link: u8) -> LinkId {
    let number = u64::from(link / 2);
    if link.is_multiple_of(2) { LinkId::planned(number) } else { LinkId::accepted(number) }
}

fn place(bench: &Bench, to: u8) -> Destination {
    match to {
        0..=3 => bench.here(),
        4 => Destination::Node(NodeId::wildcard(bench.dialect().node_id_length)),
        5 => Destination::Opaque(Bytes::from_static(b"opaque")),
        other => Destination::Node(bench.actor(other).id),
    }
}

fn happen(bench: &mut Bench, happening: Happening) {
    match happening {
        Happening::Up { link, actor } => {
            let actor = bench.actor(actor);
            bench.up(name(link), &actor);
        }
        Happening::Down(link) => bench.down(name(link)),
        Happening::Failing(link) => {
            let waiting = bench.sent.drain(..).map(|(_, message)| message).take(4).collect();
            bench.fail(name(link), waiting);
        }
        Happening::Restored(link) => bench.tell(name(link), LinkEvent::Restored),
        Happening::Candidates(link) => {
            let own = candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 6084);
            bench.tell(name(link), LinkEvent::Candidates(vec![own]));
        }
        Happening::Bytes { link, bytes } => bench.receive(name(link), bytes.into()),
        Happening::Message { link, actor, code, body, to, via, ttl, id } => {
            let actor = bench.actor(actor);
            let to = place(bench, to);
            let mut draft = actor.ping(to).number(u64::from(id));
            draft.contents.code = MessageCode(code);
            draft.contents.body = body.into();
            draft.header.ttl = ttl;
            draft.header.via_list = vec![Destination::Node(actor.id); usize::from(via)];
            bench.hear(name(link), &actor, &draft);
        }
        Happening::Attach { link, actor, id } => {
            let actor = bench.actor(actor);
            let tls = candidate(OverlayLinkType::TLS_TCP_FH_NO_ICE, 7);
            let body = attach_body(b"passive", vec![tls]);
            let draft = actor.request(bench.here(), MessageCode::ATTACH_REQUEST, &body);
            bench.hear(name(link), &actor, &draft.number(u64::from(id)));
        }
        Happening::WantLink(actor) => {
            let to = vec![Destination::Node(bench.actor(actor).id)];
            bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: true });
            bench.act();
        }
        Happening::Ping(actor) => {
            let to = vec![Destination::Node(bench.actor(actor).id)];
            let request = reload_node::Request::Ping { to, padding: 3 };
            let _ = bench.node.request(bench.now, request);
            bench.drain();
        }
        Happening::Pass(millis) => bench.pass(Duration::from_millis(millis.into())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_makes_it_panic_stall_or_grow(
        story in proptest::collection::vec(happening(), 1..120),
    ) {
        let limits = Limits { links: 5, transactions: 20, ..Limits::default() };
        let mut bench = Bench::make(Making { limits, ..Making::default() });
        for happening in story {
            happen(&mut bench, happening); // `Bench::pass` asserts that deadlines advance
            let status = bench.node.status(bench.now);
            prop_assert!(status.links.len() <= 5);
            // of the application and of others 20, and a Ping or a RouteQuery for each link
            prop_assert!(status.transactions <= 60, "{}", status.transactions);
        }
        for link in 0..12 {
            bench.down(name(link));
        }
        bench.pass(Duration::from_secs(60));
        prop_assert_eq!(bench.node.status(bench.now).transactions, 0); // each request ends
        prop_assert!(bench.deadline.is_none(), "nothing is left to wait for");
    }
}
