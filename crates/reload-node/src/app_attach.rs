//! AppAttach: connections of applications, agreed through the overlay (section 6.5.2). Here are those
//! that this node asks for; those of others are in `app_attach_answer.rs`.
//!
//! A connection is no link of the overlay: it carries no RELOAD message and stands in no table. Once
//! up it belongs to the driver.

use std::sync::Arc;

use bytes::Bytes;
use reload_identity::{Signer, VerifiedCertificate};
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    AppAttachReqAns, Decode, Destination, Encode, ErrorCode, IceCandidate, MessageCode, NodeId, Now,
};

use crate::applications::{AppAttach, Connection, Own, Side};
use crate::candidates::{FORMING, Family, GRACE, Offered, Refused, Terms};
use crate::originate::{Answer, Ending};
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{
    Event, LinkEvent, LinkId, LinkPurpose, Node, Output, Plan, Reply, RequestError, RequestId,
    Response, Way,
};

/// AppAttaches under way at a time before the application here may start no more.
const OWN: usize = 64;

/// Why plain SIP takes part in overlays with ICE only (RFC 7904 section 5.1).
pub(crate) const UNASSURED: &str =
    "without ICE nothing assures the other end of plain SIP: SIPS it has to be";

impl<T: Topology, S: Store> Node<T, S> {
    /// The application wants a connection.
    pub(crate) fn app_attach(
        &mut self,
        now: Now,
        id: RequestId,
        to: Vec<Destination>,
        application: u16,
    ) {
        let own = Own { id, application, started: now.mono, hops: 1 };
        if self.applications.open.len() >= OWN {
            return self.fail_own(own, not_connected("too many connections are being formed"));
        }
        let (family, purpose) =
            (Family::of(&self.configuration), LinkPurpose::Application(application));
        if !family.assures(purpose) {
            return self.fail_own(own, not_connected(UNASSURED));
        }
        let link = self.links.plan();
        let terms = Terms::new(family, &mut self.rng);
        // without ICE nothing tells the connection that comes in from a link of the overlay
        let gathering = terms.gathering(purpose, true, true);
        self.applications.open.insert(link, AppAttach::Gathering { to, own, terms });
        self.timers.set(Timer::AppAttach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, gathering));
    }

    /// An AppAttach for what an application answers by itself: no ICE is run, so there is no candidate
    /// (E104).
    pub(crate) fn app_question(&mut self, application: u16) -> AppAttachReqAns {
        let terms = Terms::new(Family::of(&self.configuration), &mut self.rng);
        app_attach_body(b"passive", application, terms, Vec::new())
    }

    /// Something happened to a link that an AppAttach is to give.
    pub(crate) fn on_application_link(&mut self, now: Now, link: LinkId, event: LinkEvent) {
        match event {
            LinkEvent::Candidates(candidates) => self.on_app_candidates(now, link, candidates),
            LinkEvent::Up { certificate, .. } => self.on_app_up(now, link, certificate),
            LinkEvent::Down { reason, .. } => self.end_app_attach(link, not_connected(&reason)),
            // nothing of the overlay travels here
            LinkEvent::Mtu(_)
            | LinkEvent::Message(_)
            | LinkEvent::TooLarge(_)
            | LinkEvent::Failing { .. }
            | LinkEvent::Restored => {}
        }
    }

    fn on_app_candidates(&mut self, now: Now, link: LinkId, candidates: Vec<IceCandidate>) {
        match self.applications.open.remove(&link) {
            Some(AppAttach::Gathering { to, own, terms }) => {
                self.timers.cancel(Timer::AppAttach(link));
                let family = terms.family;
                let candidates = family.keep(candidates);
                let request = app_attach_body(b"passive", own.application, terms, candidates);
                let body = request.to_bytes().ok().filter(|_| !request.candidates.is_empty());
                let Some(body) = body else {
                    self.outputs.push_back(Output::Close(link));
                    return self.fail_own(own, not_connected(family.unreachable()));
                };
                let asked = AppAttach::Asked { to: to.clone(), own, early: None };
                self.applications.open.insert(link, asked);
                let purpose = Purpose::AppAttach(link);
                self.send_request(now, MessageCode::APP_ATTACH_REQUEST, to, body, purpose);
            }
            Some(AppAttach::Answering { caller, node, application, way, terms, own }) => {
                let candidates = terms.family.keep(candidates);
                let connection = Connection { node, application, own, from: Side::There };
                self.answer_app_attach(now, link, &caller, way, terms, candidates, connection);
            }
            Some(other) => {
                self.applications.open.insert(link, other);
            }
            None => {}
        }
    }

    /// Our AppAttach was answered, or not.
    pub(crate) fn finish_app_attach(&mut self, now: Now, link: LinkId, ending: Ending) {
        let Some(AppAttach::Asked { own, early, .. }) = self.applications.open.remove(&link) else {
            return;
        };
        match ending {
            Ending::Answered(answer) => self.on_app_attach_answer(now, link, own, early, &answer),
            Ending::Refused { code, info, from } => {
                self.outputs.push_back(Output::Close(link));
                let error = self.refused(code, info, from);
                if code == ErrorCode::IN_PROGRESS {
                    return self.yield_to(now, link, from, own, error);
                }
                self.fail_own(own, error);
            }
            Ending::Failed(error) => {
                self.outputs.push_back(Output::Close(link));
                self.fail_own(own, error);
            }
        }
    }

    /// They go on with an AppAttach of their own (section 6.5.1.2): it is here already, or will come.
    fn yield_to(&mut self, now: Now, link: LinkId, node: NodeId, own: Own, error: RequestError) {
        let theirs = self.applications.forming(&node, own.application, Side::There);
        let adopts = theirs.and_then(|theirs| self.applications.open.get_mut(&theirs));
        if let Some(AppAttach::Forming(connection)) = adopts
            && connection.own.is_none()
        {
            connection.own = Some(own);
        } else if self.node_id < node {
            self.applications.open.insert(link, AppAttach::Yielding { node, own, error });
            self.timers.set(Timer::AppAttach(link), now.mono + FORMING);
        } else {
            self.fail_own(own, error);
        }
    }

    fn on_app_attach_answer(
        &mut self,
        now: Now,
        link: LinkId,
        mut own: Own,
        early: Option<Arc<VerifiedCertificate>>,
        answer: &Answer,
    ) {
        let (node, application) = (answer.checked.message.signer(), own.application);
        let family = Family::of(&self.configuration);
        let body = &answer.checked.message.contents.body;
        let read = AppAttachReqAns::decode_exact(&self.dialect, body);
        let read = read.map_err(|_| (ErrorCode::INVALID_MESSAGE, "it does not decode"));
        match read.and_then(|reply| way_of_answer(family, application, &reply)) {
            Ok(way) => {
                own.hops = answer.hops;
                let (node, own) = (node.clone(), Some(own));
                let connection = Connection { node, application, own, from: Side::Here };
                self.form_app(now, link, way, connection);
                if let Some(certificate) = early {
                    self.on_app_up(now, link, certificate);
                }
            }
            Err((code, text)) => {
                self.outputs.push_back(Output::Close(link));
                let error = self.refused(code, Bytes::from_static(text.as_bytes()), answer.from);
                self.fail_own(own, error);
            }
        }
    }

    /// Both sides agree. Without a way the other side dials.
    pub(crate) fn form_app(
        &mut self,
        now: Now,
        link: LinkId,
        way: Option<Way>,
        connection: Connection,
    ) {
        let deadline = now.mono + Family::of(&self.configuration).patience();
        let purpose = LinkPurpose::Application(connection.application);
        let security = purpose.security(connection.node.clone());
        self.applications.open.insert(link, AppAttach::Forming(connection));
        self.timers.set(Timer::AppAttach(link), deadline + GRACE);
        if let Some(way) = way {
            self.outputs.push_back(Output::Connect(link, Plan { way, security, deadline }));
        }
    }

    fn on_app_up(&mut self, now: Now, link: LinkId, certificate: Arc<VerifiedCertificate>) {
        match self.applications.open.remove(&link) {
            Some(AppAttach::Forming(connection)) => {
                self.timers.cancel(Timer::AppAttach(link));
                match self.welcome_app(now, &certificate, &connection.node.node_id) {
                    Ok(()) => self.connected(now, link, connection),
                    Err(reason) => {
                        self.outputs.push_back(Output::Close(link));
                        self.fail_connection(connection, not_connected(reason));
                    }
                }
            }
            Some(AppAttach::Asked { to, own, early: None }) => {
                let asked = AppAttach::Asked { to, own, early: Some(certificate) };
                self.applications.open.insert(link, asked);
            }
            Some(other) => {
                self.applications.open.insert(link, other);
            }
            None => {}
        }
    }

    /// Whether the other side is who it has to be (section 6.5.1.13).
    fn welcome_app(
        &self,
        now: Now,
        certificate: &VerifiedCertificate,
        node: &NodeId,
    ) -> Result<(), &'static str> {
        if !certificate.names(node) {
            return Err("another node is there");
        }
        if self.leaving {
            return Err("this node is leaving");
        }
        match self.trust.still_valid(certificate, now.wall) {
            Ok(()) => Ok(()),
            Err(_) => Err("its certificate is not valid"),
        }
    }

    fn connected(&mut self, now: Now, link: LinkId, connection: Connection) {
        let Connection { node: Signer { node_id: node, .. }, application, own, .. } = connection;
        match own {
            Some(Own { id, started, hops, .. }) => {
                let elapsed = now.mono.saturating_duration_since(started);
                let reply = Reply::AppAttached { link, node };
                self.end_request(id, Ok(Response { from: node, hops, elapsed, reply }));
            }
            None => self.emit(Event::Pipe { link, node, application }),
        }
    }

    pub(crate) fn on_app_attach_timer(&mut self, link: LinkId) {
        self.outputs.push_back(Output::Close(link));
        self.end_app_attach(link, not_connected("nothing came of it in time"));
    }

    /// An AppAttach has led to nothing.
    fn end_app_attach(&mut self, link: LinkId, error: RequestError) {
        self.timers.cancel(Timer::AppAttach(link));
        match self.applications.open.remove(&link) {
            Some(AppAttach::Gathering { own, .. }) => self.fail_own(own, error),
            Some(AppAttach::Yielding { own, error, .. }) => self.fail_own(own, error),
            Some(AppAttach::Answering { own: Some(own), .. }) => self.fail_own(own, error),
            Some(AppAttach::Forming(connection)) => self.fail_connection(connection, error),
            // its transaction decides; the connection that came early is gone
            Some(AppAttach::Asked { to, own, .. }) => {
                self.applications.open.insert(link, AppAttach::Asked { to, own, early: None });
            }
            Some(AppAttach::Answering { own: None, .. }) | None => {}
        }
    }

    fn fail_connection(&mut self, connection: Connection, error: RequestError) {
        let Connection { node, application, own, .. } = connection;
        match own {
            Some(own) => self.fail_own(own, error),
            None => self.emit(Event::LinkFailed {
                node: Some(node.node_id),
                purpose: LinkPurpose::Application(application),
                reason: error.to_string(),
            }),
        }
    }

    pub(crate) fn fail_own(&mut self, own: Own, error: RequestError) {
        self.end_request(own.id, Err(error));
    }
}

pub(crate) fn not_connected(reason: &str) -> RequestError {
    RequestError::NotConnected(reason.to_owned())
}

/// The way that an answer opens: none without ICE, where the other side dials.
fn way_of_answer(
    family: Family,
    wanted: u16,
    reply: &AppAttachReqAns,
) -> Result<Option<Way>, Refused> {
    let AppAttachReqAns { ufrag, password, application, role, candidates } = reply;
    if role[..] != b"active"[..] || *application != wanted {
        return Err((ErrorCode::INVALID_MESSAGE, "the answer has another role or application"));
    }
    match family {
        Family::NoIce => family.review(candidates).map(|()| None),
        Family::Ice => family.way(Offered { ufrag, password, candidates }).map(Some),
    }
}

pub(crate) fn app_attach_body(
    role: &'static [u8],
    application: u16,
    terms: Terms,
    candidates: Vec<IceCandidate>,
) -> AppAttachReqAns {
    let Terms { ufrag, password, .. } = terms;
    let role = Bytes::from_static(role); // E56
    AppAttachReqAns { ufrag, password, application, role, candidates }
}
