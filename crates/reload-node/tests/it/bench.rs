//! One node on a bench: the test feeds it and looks at what it puts out.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_config::ConfigurationBuilder;
use reload_identity::Credentials;
use reload_node::{
    Event, Gathering, Limits, LinkEvent, LinkId, ListCompression, Node, Output, Plan, Request,
    RequestError, RequestId, Response, Role, Setup, Start, Way,
};
use reload_storage::MemoryStore;
use reload_wire::{
    Decode, Destination, Dialect, ErrorCode, ErrorResponse, MessageCode, MessageParts, NodeId, Now,
};

use crate::actor::{Actor, Draft};
use crate::desk::Desk;
use crate::overlay::{BEGINNING, Overlay};

/// The Node-ID of the node under test: in the middle, so that others are smaller or larger.
pub(crate) const OWN: u128 = 0x8000 << 112;

pub(crate) struct Bench {
    pub(crate) node: Node<Desk, MemoryStore>,
    pub(crate) desk: Desk,
    pub(crate) overlay: Overlay,
    pub(crate) now: Now,
    pub(crate) sent: VecDeque<(LinkId, Bytes)>,
    pub(crate) events: Vec<Event>,
    pub(crate) gathering: Vec<LinkId>,
    pub(crate) gathered: Vec<(LinkId, Gathering)>,
    pub(crate) connecting: Vec<(LinkId, Plan)>,
    pub(crate) closed: Vec<LinkId>,
    pub(crate) deadline: Option<Instant>,
    /// Requests that the node took, for tests that count them.
    pub(crate) wanted: u32,
    links: u64,
}

/// The addresses that are dialled, each once.
pub(crate) fn dialled(plan: &Plan) -> Vec<SocketAddr> {
    let Way::Dial(addresses) = &plan.way else { panic!("no dial: {plan:?}") };
    let mut addresses: Vec<_> = addresses.iter().map(|dial| dial.address).collect();
    addresses.dedup();
    addresses
}

/// What a bench is made with.
pub(crate) struct Making {
    pub(crate) overlay: Overlay,
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) lists: ListCompression,
    pub(crate) credentials: Option<Credentials>,
}

impl Default for Making {
    fn default() -> Self {
        let overlay = Overlay::new();
        let (role, limits, lists) = (Role::Peer, Limits::default(), ListCompression::Off);
        Self { overlay, role, limits, lists, credentials: None }
    }
}

impl Bench {
    /// The way by which all that is not linked is reached.
    pub(crate) fn route(&mut self) -> LinkId {
        let (next, way) = self.linked(200);
        self.desk.0.borrow_mut().next = Some(next.id);
        way
    }

    /// A peer that is responsible for everything.
    pub(crate) fn new() -> Self {
        Self::make(Making::default())
    }

    /// As [`Self::new`], in an overlay with another configuration.
    pub(crate) fn configured(change: impl FnOnce(&mut ConfigurationBuilder)) -> Self {
        Self::make(Making { overlay: Overlay::with(change), ..Making::default() })
    }

    #[allow(clippy::disallowed_methods)] // virtual time has to start somewhere
    pub(crate) fn make(making: Making) -> Self {
        let Making { overlay, role, limits, lists, credentials } = making;
        let desk = Desk::default();
        desk.0.borrow_mut().mine = true;
        desk.0.borrow_mut().admits_answer = true;
        let own = NodeId::from_u128(OWN);
        let setup = Setup {
            credentials: credentials.map_or_else(|| overlay.credentials(own, "own@x"), Arc::new),
            configuration: overlay.configuration.clone(),
            trust: Arc::clone(&overlay.trust),
            role,
            seed: [7; 32],
            lists,
            limits,
        };
        let now = Now { mono: Instant::now(), wall: BEGINNING };
        let node = Node::new(now, setup, desk.clone(), MemoryStore::new());
        Self {
            node,
            desk,
            overlay,
            now,
            sent: VecDeque::new(),
            events: Vec::new(),
            gathering: Vec::new(),
            gathered: Vec::new(),
            connecting: Vec::new(),
            closed: Vec::new(),
            deadline: None,
            wanted: 0,
            links: 0,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.node_id()
    }

    /// This node as a destination.
    pub(crate) fn here(&self) -> Destination {
        Destination::Node(self.id())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.node.configuration().dialect()
    }

    /// Another node; its number stands in front of its Node-ID.
    pub(crate) fn actor(&self, number: u8) -> Actor {
        let id = NodeId::from_u128(u128::from(number) << 120 | u128::from(number));
        let credentials = self.overlay.credentials(id, &format!("user{number}@x"));
        Actor { id, credentials, overlay: self.node.configuration().overlay_hash() }
    }

    /// An actor with a link that it dialled.
    pub(crate) fn linked(&mut self, number: u8) -> (Actor, LinkId) {
        let actor = self.actor(number);
        let link = self.accept(&actor);
        (actor, link)
    }

    /// A link that this actor dialled comes up.
    pub(crate) fn accept(&mut self, actor: &Actor) -> LinkId {
        self.links += 1;
        let link = LinkId::accepted(self.links);
        self.up(link, actor);
        link
    }

    pub(crate) fn up(&mut self, link: LinkId, actor: &Actor) {
        let certificate = Arc::clone(actor.credentials.certificate());
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        self.tell(link, LinkEvent::Up { certificate, remote, mtu: None });
    }

    pub(crate) fn down(&mut self, link: LinkId) {
        self.tell(link, LinkEvent::Down { reason: "gone".to_owned(), unacknowledged: Vec::new() });
    }

    pub(crate) fn fail(&mut self, link: LinkId, unacknowledged: Vec<Bytes>) {
        self.tell(link, LinkEvent::Failing { unacknowledged });
    }

    pub(crate) fn tell(&mut self, link: LinkId, event: LinkEvent) {
        self.node.handle_link(self.now, link, event);
        self.drain();
    }

    /// A message arrives.
    pub(crate) fn receive(&mut self, link: LinkId, message: Bytes) {
        self.tell(link, LinkEvent::Message(message));
    }

    /// A draft, signed by the actor, arrives.
    pub(crate) fn hear(&mut self, link: LinkId, actor: &Actor, draft: &Draft) {
        let mut draft = draft.clone();
        let to_us = Destination::Node(NodeId::from_u128(0));
        if draft.header.destination_list == [to_us] {
            draft.header.destination_list = vec![self.here()];
        }
        self.receive(link, actor.sign(&draft));
    }

    pub(crate) fn start(&mut self, start: Start) {
        self.node.start(self.now, start);
        self.drain();
    }

    /// Lets the node do what the desk asks for.
    pub(crate) fn act(&mut self) {
        self.tell(LinkId::planned(u64::MAX >> 2), LinkEvent::Restored);
    }

    pub(crate) fn ask(&mut self, request: Request) -> RequestId {
        let id = self.node.request(self.now, request).expect("it is not busy");
        self.drain();
        id
    }

    /// How a request ended, if it has.
    pub(crate) fn ending(&mut self, id: RequestId) -> Option<Result<Response, RequestError>> {
        self.events.iter().find_map(|event| match event {
            Event::Finished(ended, result) if *ended == id => Some(result.clone()),
            _ => None,
        })
    }

    /// Lets time pass, and every timer fire in its turn.
    pub(crate) fn pass(&mut self, span: Duration) {
        let until = self.now.mono + span;
        while let Some(at) = self.deadline.filter(|at| *at <= until) {
            self.now = self.now.after(at.saturating_duration_since(self.now.mono));
            self.node.handle_timeout(self.now);
            self.drain();
            assert!(self.deadline.is_none_or(|next| next > self.now.mono), "time does not pass");
        }
        self.now = self.now.after(until.saturating_duration_since(self.now.mono));
    }

    /// What was sent over a link and not looked at yet, decoded.
    pub(crate) fn take(&mut self, link: LinkId) -> Vec<MessageParts> {
        let dialect = self.dialect();
        let sent = std::mem::take(&mut self.sent);
        let (wanted, other) = sent.into_iter().partition(|(over, _)| *over == link);
        self.sent = other;
        let wanted: VecDeque<(LinkId, Bytes)> = wanted;
        let decode = |(_, message): &(LinkId, Bytes)| MessageParts::decode(&dialect, message);
        wanted.iter().map(|sent| decode(sent).expect("what it sends can be read")).collect()
    }

    /// The one message that was sent over a link.
    pub(crate) fn only(&mut self, link: LinkId) -> MessageParts {
        let mut all = self.take(link);
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// The one error that was sent over a link.
    pub(crate) fn refusal(&mut self, link: LinkId) -> ErrorCode {
        let parts = self.only(link);
        assert_eq!(parts.contents.code, MessageCode::ERROR, "{parts:#?}");
        let dialect = self.dialect();
        ErrorResponse::decode_exact(&dialect, &parts.contents.body).expect("an error").code
    }

    /// Nothing is on its way anywhere.
    pub(crate) fn is_silent(&self) -> bool {
        self.sent.is_empty()
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.node.poll_output() {
                Output::Gather(link, gathering) => {
                    self.gathering.push(link);
                    self.gathered.push((link, gathering));
                }
                Output::Connect(link, plan) => self.connecting.push((link, plan)),
                Output::Send(link, message) => self.sent.push_back((link, message)),
                Output::Close(link) => self.closed.push(link),
                Output::Crypto(id, job) => self.node.handle_crypto(self.now, id, job.run()),
                Output::Event(event) => self.events.push(event),
                Output::Idle(deadline) => {
                    self.deadline = deadline.map(|deadline| deadline.at);
                    return;
                }
            }
        }
    }
}
