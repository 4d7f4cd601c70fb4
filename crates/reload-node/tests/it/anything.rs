//! Whatever comes, in whatever order: no panic, deadlines advance, and what is held stays bounded.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use reload_node::{ApplicationAnswer, Event, Limits, LinkEvent, LinkId, Offer, Request};
use reload_topology::{Action, TaskId};
use reload_wire::{
    AppAttachReqAns, AttachReqAns, Destination, IceCandidate, MessageCode, NodeId, OverlayLinkType,
};

use crate::actor::{attach_body, candidate};
use crate::bench::{Bench, Making};
use crate::overlay::Overlay;

const SR: OverlayLinkType = OverlayLinkType::DTLS_UDP_SR;
const TLS: OverlayLinkType = OverlayLinkType::TLS_TCP_FH_NO_ICE;
const APPLICATION: u16 = 61_443;

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
    Attach { link: u8, actor: u8, id: u8, ice: bool },
    AppAttach { link: u8, actor: u8, id: u8, application: u16 },
    WantPipe { actor: u8, connect: bool },
    AnswerAsked,
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
        (link.clone(), actor.clone(), any::<u8>(), any::<bool>())
            .prop_map(|(link, actor, id, ice)| Happening::Attach { link, actor, id, ice }),
        (link, actor.clone(), any::<u8>(), APPLICATION..APPLICATION + 3).prop_map(
            |(link, actor, id, application)| Happening::AppAttach { link, actor, id, application }
        ),
        (actor.clone(), any::<bool>())
            .prop_map(|(actor, connect)| Happening::WantPipe { actor, connect }),
        Just(Happening::AnswerAsked),
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
            bench.tell(name(link), LinkEvent::Candidates(candidates(bench)));
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
        Happening::Attach { link, actor, id, ice } => {
            let actor = bench.actor(actor);
            let kind = if ice { SR } else { TLS };
            let body = attach_body(b"passive", vec![candidate(kind, 7)]);
            let draft = actor.request(bench.here(), MessageCode::ATTACH_REQUEST, &body);
            bench.hear(name(link), &actor, &draft.number(u64::from(id)));
        }
        Happening::AppAttach { link, actor, id, application } => {
            let actor = bench.actor(actor);
            let AttachReqAns { ufrag, password, role, .. } = attach_body(b"passive", Vec::new());
            let candidates = candidates(bench);
            let body = AppAttachReqAns { ufrag, password, application, role, candidates };
            let draft = actor.request(bench.here(), MessageCode::APP_ATTACH_REQUEST, &body);
            bench.hear(name(link), &actor, &draft.number(u64::from(id)));
        }
        Happening::WantPipe { actor, connect } => {
            let to = vec![Destination::Node(bench.actor(actor).id)];
            let request = Request::AppAttach { to, application: APPLICATION, connect };
            bench.wanted += u32::from(bench.node.request(bench.now, request).is_ok());
            bench.drain();
        }
        Happening::AnswerAsked => answer_asked(bench),
        Happening::WantLink(actor) => {
            let to = vec![Destination::Node(bench.actor(actor).id)];
            bench.desk.ask(Action::Attach { task: TaskId(1), to, send_update: true });
            bench.act();
        }
        Happening::Ping(actor) => {
            let to = vec![Destination::Node(bench.actor(actor).id)];
            let request = Request::Ping { to, padding: 3 };
            bench.wanted += u32::from(bench.node.request(bench.now, request).is_ok());
            bench.drain();
        }
        Happening::Pass(millis) => bench.pass(Duration::from_millis(millis.into())),
    }
}

/// What an honest driver gathers in this overlay.
fn candidates(bench: &Bench) -> Vec<IceCandidate> {
    let kind = if bench.node.configuration().no_ice { TLS } else { SR };
    vec![candidate(kind, 6084)]
}

fn answer_asked(bench: &mut Bench) {
    let asking = bench.events.iter().rev().find_map(|event| match event {
        Event::Asked { asking, .. } => Some(*asking),
        _ => None,
    });
    let Some(asking) = asking else { return };
    let (ufrag, password) = (Bytes::from_static(b"user"), Bytes::from_static(b"password"));
    let answer = ApplicationAnswer { ufrag, password, candidates: Vec::new() };
    bench.node.answer_application(bench.now, asking, Ok(answer));
    bench.drain();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_makes_it_panic_stall_or_grow(
        story in proptest::collection::vec(happening(), 1..120), ice in any::<bool>(),
    ) {
        let limits = Limits { links: 5, transactions: 20, ..Limits::default() };
        let overlay = Overlay::with(|settings| settings.no_ice = !ice);
        let mut bench = Bench::make(Making { limits, overlay, ..Making::default() });
        bench.node.offer(APPLICATION, Offer::Connect);
        bench.node.offer(APPLICATION + 1, Offer::Ask);
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
        let finished = |event: &&Event| matches!(event, Event::Finished(..));
        let finished = bench.events.iter().filter(finished).count();
        prop_assert_eq!(u32::try_from(finished), Ok(bench.wanted), "each request ends once");
    }
}
