//! AppAttaches of others (section 6.5.2.2): for an application that is offered here the connection is
//! formed, or the application answers by itself; all others are refused.

use std::time::Duration;

use bytes::Bytes;
use reload_identity::Signer;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{AppAttachReqAns, Decode, ErrorCode, IceCandidate, MessageCode, NodeId, Now};

use crate::app_attach::{UNASSURED, app_attach_body, not_connected};
use crate::applications::{
    AppAttach, ApplicationAnswer, Applications, AskingId, Connection, Offer, Own, Side,
};
use crate::candidates::{FORMING, Family, Offered, Refused, Terms};
use crate::deliver::Caller;
use crate::timer::Timer;
use crate::transactions::Purpose;
use crate::{Event, LinkId, LinkPurpose, Node, Output, Way};

/// AppAttaches under way at a time before those of others are refused.
const ANSWERING: usize = 128;

/// Connections with one node that are formed at a time.
const OF_ONE_NODE: usize = 3;

/// AppAttaches that wait for the answer of an application.
const ASKED: usize = 128;

/// How long an application may take to answer: no longer than the caller waits between two
/// transmissions, twice.
const ANSWER: Duration = Duration::from_secs(6);

impl Applications {
    /// Whether an AppAttach of ours for this application waits for this node: then it is supported
    /// here, offered or not.
    fn wants(&self, node: &NodeId, application: u16) -> bool {
        self.asked_by_us(node, application).is_some() || self.yielding(node, application).is_some()
    }

    /// How many AppAttaches of this node are being answered, or are forming.
    fn of(&self, wanted: &NodeId) -> usize {
        let theirs = |attach: &&AppAttach| match attach {
            AppAttach::Answering { caller, .. } => caller.signer == *wanted,
            AppAttach::Forming(connection) => {
                connection.from == Side::There && connection.node.node_id == *wanted
            }
            _ => false,
        };
        self.open.values().filter(theirs).count()
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Takes AppAttaches of others for an application from now on.
    pub fn offer(&mut self, application: u16, offer: Offer) {
        self.applications.offers.insert(application, offer);
    }

    /// Takes no more of them. Connections that are up stay.
    pub fn withdraw(&mut self, application: u16) {
        self.applications.offers.remove(&application);
    }

    /// Answers an AppAttach that [`Event::Asked`] told of; late answers go nowhere.
    pub fn answer_application(
        &mut self,
        now: Now,
        asking: AskingId,
        answer: Result<ApplicationAnswer, ErrorCode>,
    ) {
        self.timers.cancel(Timer::Asking(asking));
        let Some((caller, application)) = self.applications.asked.remove(&asking) else {
            return;
        };
        match answer {
            Ok(ApplicationAnswer { ufrag, password, candidates }) => {
                let role = Bytes::from_static(b"active");
                let body = AppAttachReqAns { ufrag, password, application, role, candidates };
                self.answer(now, &caller, MessageCode::APP_ATTACH_ANSWER, &body);
            }
            Err(code) => self.refuse(now, &caller, code, code.name()),
        }
        self.settle(now);
    }

    /// Somebody wants a connection of an application (section 6.5.2.2).
    pub(crate) fn on_app_attach(&mut self, now: Now, caller: Caller, node: Signer, body: &Bytes) {
        let request = match AppAttachReqAns::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, &caller, &error),
        };
        let taken = match self.admit_app_attach(&caller, &request) {
            Ok(Offer::Ask) => self.ask_application(now, &caller, request.application),
            Ok(Offer::Connect) => self.take_app_attach(now, &caller, node, &request),
            Err(refused) => Err(refused),
        };
        if let Err((code, text)) = taken {
            self.refuse(now, &caller, code, text);
        }
    }

    fn admit_app_attach(
        &self,
        caller: &Caller,
        request: &AppAttachReqAns,
    ) -> Result<Offer, Refused> {
        if request.role != b"passive"[..] {
            return Err((ErrorCode::INVALID_MESSAGE, "the role of a request is passive"));
        }
        if caller.signer == self.node_id {
            return Err((ErrorCode::INVALID_MESSAGE, "an AppAttach to itself"));
        }
        if self.leaving {
            return Err((ErrorCode::NOT_FOUND, "this node is leaving"));
        }
        let purpose = LinkPurpose::Application(request.application);
        if !Family::of(&self.configuration).assures(purpose) {
            return Err((ErrorCode::NOT_FOUND, UNASSURED));
        }
        let wanted = self.applications.wants(&caller.signer, request.application);
        let offer = self.applications.offers.get(&request.application).copied();
        // 6.5.2.2: what is not supported is not found
        let not_found = (ErrorCode::NOT_FOUND, "application not offered here");
        offer.or(wanted.then_some(Offer::Connect)).ok_or(not_found)
    }

    /// The application itself knows what to say.
    fn ask_application(
        &mut self,
        now: Now,
        caller: &Caller,
        application: u16,
    ) -> Result<(), Refused> {
        if self.applications.asked.len() >= ASKED {
            return Err((ErrorCode::IN_PROGRESS, "too many ask at once"));
        }
        let asking = AskingId(self.number());
        self.applications.asked.insert(asking, (Box::new(caller.clone()), application));
        self.timers.set(Timer::Asking(asking), now.mono + ANSWER);
        self.emit(Event::Asked { asking, node: caller.signer, application });
        Ok(())
    }

    pub(crate) fn on_asking_timer(&mut self, now: Now, asking: AskingId) {
        self.answer_application(now, asking, Err(ErrorCode::REQUEST_TIMEOUT));
    }

    fn take_app_attach(
        &mut self,
        now: Now,
        caller: &Caller,
        node: Signer,
        request: &AppAttachReqAns,
    ) -> Result<(), Refused> {
        let AppAttachReqAns { ufrag, password, application, candidates, .. } = request;
        let (family, application) = (Family::of(&self.configuration), *application);
        let purpose = LinkPurpose::Application(application);
        let way = family.way(Offered { ufrag, password, candidates })?;
        if self.applications.open.len() >= ANSWERING {
            return Err((ErrorCode::IN_PROGRESS, "too many connections are being formed"));
        }
        if self.applications.of(&caller.signer) >= OF_ONE_NODE {
            return Err((ErrorCode::IN_PROGRESS, "too many AppAttaches of this node"));
        }
        let own = self.break_app_tie(&caller.signer, application)?;
        let link = self.links.plan();
        let terms = Terms::new(family, &mut self.rng);
        // without ICE it is this node that dials
        let own_socket = family == Family::Ice;
        let gathering = terms.gathering(purpose, false, own_socket);
        let caller = Box::new(caller.clone());
        let answering = AppAttach::Answering { caller, node, application, way, terms, own };
        self.applications.open.insert(link, answering);
        self.timers.set(Timer::AppAttach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, gathering));
        Ok(())
    }

    /// Both sides have sent an AppAttach for one application: as with Attach, the smaller Node-ID gives
    /// way (section 6.5.1.2). Returns the request of ours that theirs fulfils.
    fn break_app_tie(&mut self, node: &NodeId, application: u16) -> Result<Option<Own>, Refused> {
        let in_progress = (ErrorCode::IN_PROGRESS, "an AppAttach to this node is under way");
        if self.applications.forming(node, application, Side::Here).is_some() {
            return Err(in_progress);
        }
        if let Some(link) = self.applications.yielding(node, application) {
            self.timers.cancel(Timer::AppAttach(link));
            return Ok(self.applications.take_own(link));
        }
        let Some(link) = self.applications.asked_by_us(node, application) else {
            return Ok(None);
        };
        if self.node_id > *node {
            return Err(in_progress);
        }
        self.cancel_request(|purpose| matches!(purpose, Purpose::AppAttach(of) if *of == link));
        self.outputs.push_back(Output::Close(link));
        Ok(self.applications.take_own(link))
    }

    /// Our candidates for the answer are known; then the connection is formed.
    #[allow(clippy::too_many_arguments)] // the parts of one state
    pub(crate) fn answer_app_attach(
        &mut self,
        now: Now,
        link: LinkId,
        caller: &Caller,
        way: Way,
        terms: Terms,
        candidates: Vec<IceCandidate>,
        connection: Connection,
    ) {
        if terms.family == Family::Ice && candidates.is_empty() {
            self.timers.cancel(Timer::AppAttach(link));
            self.outputs.push_back(Output::Close(link));
            let reason = terms.family.unreachable();
            if let Some(own) = connection.own {
                self.fail_own(own, not_connected(reason));
            }
            return self.refuse(now, caller, ErrorCode::INCOMPATIBLE_WITH_OVERLAY, reason);
        }
        let answer = app_attach_body(b"active", connection.application, terms, candidates);
        self.answer(now, caller, MessageCode::APP_ATTACH_ANSWER, &answer);
        self.form_app(now, link, Some(way), connection);
    }
}
