//! A node without a protocol behind the real driver: it does what the test tells it and reports what
//! its links tell it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_identity::Trust;
use reload_link::LinkSettings;
use reload_net::{AcceptLimits, Bound, CryptoPool, Driven, NodeHandle, Settings, TlsIdentity};
use reload_node::{
    Busy, Counters, Deadline, Event, JobId, JobResult, LinkEvent, LinkId, Output, Plan, Reply,
    Request, RequestId, Response, Security, Start, Status, Way,
};
use reload_topology::{Phase, TopologyEvent, View};
use reload_wire::{Dialect, NodeId, Now, OverlayLinkType};
use tokio::sync::mpsc;

use crate::kit::{PATIENCE, loopback, soon};

pub(crate) const MAX_MESSAGE: u32 = 5000;

/// The obedient node.
pub(crate) struct Puppet {
    trust: Arc<Trust>,
    outputs: VecDeque<Output>,
    seen: mpsc::UnboundedSender<(LinkId, LinkEvent)>,
    /// Answers each message with itself.
    pub(crate) echo: bool,
    /// Reports messages; off for floods.
    pub(crate) report: bool,
    pub(crate) deadline: Option<Instant>,
    pub(crate) timeouts: Vec<Instant>,
    pub(crate) leave_at_once: bool,
    pub(crate) no_ice: bool,
    pub(crate) offered: BTreeSet<u16>,
    planned: u64,
    /// The link that an AppAttach leads to.
    pub(crate) attaching: Option<(LinkId, NodeId)>,
}

impl Driven for Puppet {
    fn node_id(&self) -> NodeId {
        NodeId::from_u128(1)
    }

    fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust)
    }

    fn link_settings(&self) -> LinkSettings {
        LinkSettings::new(Dialect::default(), MAX_MESSAGE)
    }

    fn no_ice(&self) -> bool {
        self.no_ice
    }

    fn offer(&mut self, application: u16) {
        self.offered.insert(application);
    }

    fn withdraw(&mut self, application: u16) {
        self.offered.remove(&application);
    }

    fn start(&mut self, _: Now, _: Start) {}

    fn leave(&mut self, _: Now) {
        if self.leave_at_once {
            self.outputs.push_back(Output::Event(Event::Topology(TopologyEvent::Left)));
        }
    }

    fn handle_link(&mut self, _: Now, link: LinkId, event: LinkEvent) {
        if let (true, LinkEvent::Message(message)) = (self.echo, &event) {
            self.outputs.push_back(Output::Send(link, message.clone()));
        }
        if self.report || !matches!(event, LinkEvent::Message(_)) {
            let _ = self.seen.send((link, event));
        }
    }

    fn handle_crypto(&mut self, _: Now, _: JobId, _: JobResult) {}

    fn handle_timeout(&mut self, now: Now) {
        self.deadline = None;
        self.timeouts.push(now.mono);
    }

    fn request(&mut self, _: Now, request: Request) -> Result<RequestId, Busy> {
        match (request, self.attaching.take()) {
            (Request::AppAttach { application, connect: true, .. }, Some((link, node))) => {
                let id = RequestId(u64::from(application));
                let reply = Reply::AppAttached { link, node };
                let response = Response { from: node, hops: 1, elapsed: Duration::ZERO, reply };
                self.outputs.push_back(Output::Event(Event::Finished(id, Ok(response))));
                Ok(id)
            }
            _ => Err(Busy),
        }
    }

    fn poll_output(&mut self) -> Output {
        let idle = Output::Idle(self.deadline.map(|at| Deadline { at, timer: "test" }));
        self.outputs.pop_front().unwrap_or(idle)
    }

    fn status(&self, _: Now) -> Status {
        let view = View {
            phase: Phase::Idle,
            predecessors: Vec::new(),
            successors: Vec::new(),
            fingers: Vec::new(),
            responsible: None,
        };
        Status {
            node_id: self.node_id(),
            view,
            links: Vec::new(),
            transactions: 0,
            resources: 0,
            values: 0,
            stored_bytes: 0,
            uptime: 0,
            sequence: 0,
            counters: Counters::default(),
        }
    }
}

impl Puppet {
    /// The name of a link that this node plans.
    pub(crate) fn plan(&mut self) -> LinkId {
        self.planned += 1;
        LinkId::planned(self.planned)
    }
}

/// A puppet that runs, with what it has seen.
pub(crate) struct Running {
    pub(crate) handle: NodeHandle<Puppet>,
    events: mpsc::UnboundedReceiver<(LinkId, LinkEvent)>,
    held: BTreeMap<LinkId, VecDeque<LinkEvent>>,
}

impl Running {
    pub(crate) async fn start(identity: TlsIdentity) -> Self {
        Self::start_with(identity, Settings { listen: vec![loopback()], ..Settings::default() })
            .await
    }

    pub(crate) async fn start_with(identity: TlsIdentity, settings: Settings) -> Self {
        Self::start_as(identity, settings, true).await
    }

    pub(crate) async fn start_as(identity: TlsIdentity, settings: Settings, no_ice: bool) -> Self {
        let (seen, events) = mpsc::unbounded_channel();
        let puppet = Puppet {
            trust: identity.trust(),
            outputs: VecDeque::new(),
            seen,
            echo: false,
            report: true,
            deadline: None,
            timeouts: Vec::new(),
            leave_at_once: true,
            no_ice,
            offered: BTreeSet::new(),
            planned: 0,
            attaching: None,
        };
        let bound = Bound::new(settings, identity, CryptoPool::new(1).unwrap()).await.unwrap();
        let handle = bound.run(puppet, Start::default());
        Self { handle, events, held: BTreeMap::new() }
    }

    pub(crate) async fn start_limited(identity: TlsIdentity, accept: AcceptLimits) -> Self {
        let settings = Settings { listen: vec![loopback()], accept, ..Settings::default() };
        Self::start_with(identity, settings).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.listening()[0]
    }

    pub(crate) async fn with<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Puppet) -> R + Send + 'static,
    ) -> R {
        soon(self.handle.with(|puppet, _| call(puppet))).await.unwrap()
    }

    pub(crate) async fn output(&self, output: Output) {
        self.with(|puppet| puppet.outputs.push_back(output)).await;
    }

    /// Begins to dial as to a bootstrap node.
    pub(crate) async fn dial(&self, address: SocketAddr) -> LinkId {
        self.begin(Way::bootstrap(address)).await
    }

    /// Begins to dial by these protocols.
    pub(crate) async fn dial_by(&self, address: SocketAddr, links: &[OverlayLinkType]) -> LinkId {
        self.begin(crate::datagrams::way(address, links)).await
    }

    async fn begin(&self, way: Way) -> LinkId {
        self.with(move |puppet| {
            let link = puppet.plan();
            let deadline = Instant::now() + PATIENCE;
            let plan = Plan { way, security: Security::Handshake(None), deadline };
            puppet.outputs.push_back(Output::Connect(link, plan));
            link
        })
        .await
    }

    pub(crate) async fn send(&self, link: LinkId, message: impl Into<Bytes>) {
        self.output(Output::Send(link, message.into())).await;
    }

    /// The next event of any link.
    pub(crate) async fn any_event(&mut self) -> (LinkId, LinkEvent) {
        while let Some(mut entry) = self.held.first_entry() {
            let link = *entry.key();
            match entry.get_mut().pop_front() {
                Some(event) => return (link, event),
                None => drop(entry.remove()),
            }
        }
        soon(self.events.recv()).await.unwrap()
    }

    /// The next event of one link; others are kept.
    pub(crate) async fn event(&mut self, link: LinkId) -> LinkEvent {
        if let Some(event) = self.held.get_mut(&link).and_then(VecDeque::pop_front) {
            return event;
        }
        loop {
            let (other, event) = soon(self.events.recv()).await.unwrap();
            if other == link {
                return event;
            }
            self.held.entry(other).or_default().push_back(event);
        }
    }

    /// The name of the next link that comes up.
    pub(crate) async fn up(&mut self) -> LinkId {
        loop {
            if let (link, LinkEvent::Up { .. }) = self.any_event().await {
                return link;
            }
        }
    }

    pub(crate) async fn message(&mut self, link: LinkId) -> Bytes {
        loop {
            match self.event(link).await {
                LinkEvent::Message(message) => return message,
                LinkEvent::Up { .. } => {}
                other => panic!("no message: {other:?}"),
            }
        }
    }

    /// Why the link went down.
    pub(crate) async fn down(&mut self, link: LinkId) -> String {
        loop {
            if let LinkEvent::Down { reason, .. } = self.event(link).await {
                return reason;
            }
        }
    }
}
