//! Attaches of others (section 6.5.1.2): admitted, answered, and the link formed.

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{AttachReqAns, Decode, ErrorCode, IceCandidate, MessageCode, Now};

use crate::attach::{Attach, Forming, attach_body};
use crate::candidates::{FORMING, Family, Offered, Refused, Terms};
use crate::deliver::Caller;
use crate::timer::Timer;
use crate::{LinkId, LinkPurpose, Node, Output, Way};

/// Attaches under way at a time before those of others are refused.
const ANSWERING: usize = 256;

/// Attaches of one node that are formed at a time: it may have restarted, more is abuse.
const OF_ONE_NODE: usize = 3;

impl<T: Topology, S: Store> Node<T, S> {
    /// Somebody wants a link (section 6.5.1.2).
    pub(crate) fn on_attach(&mut self, now: Now, caller: Caller, body: &Bytes) {
        let request = match AttachReqAns::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, &caller, &error),
        };
        let way = match self.admit_attach(now, &caller, &request) {
            Ok(way) => way,
            Err((code, text)) => return self.refuse(now, &caller, code, text),
        };
        let link = self.links.plan();
        let terms = Terms::new(Family::of(&self.configuration), &mut self.rng);
        let own_socket = self.needs_own_socket(&terms, &caller.signer);
        let gathering = terms.gathering(LinkPurpose::Overlay, false, own_socket);
        let (caller, request) = (Box::new(caller), Box::new(request));
        self.attaches.open.insert(link, Attach::Answering { caller, request, way, terms });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, gathering));
    }

    fn admit_attach(
        &mut self,
        now: Now,
        caller: &Caller,
        request: &AttachReqAns,
    ) -> Result<Way, Refused> {
        if request.role != b"passive"[..] {
            return Err((ErrorCode::INVALID_MESSAGE, "the role of a request is passive"));
        }
        if caller.signer == self.node_id {
            return Err((ErrorCode::INVALID_MESSAGE, "an Attach to itself"));
        }
        let AttachReqAns { ufrag, password, candidates, .. } = request;
        let family = Family::of(&self.configuration);
        let way = family.way(Offered { ufrag, password, candidates })?;
        if self.leaving {
            return Err((ErrorCode::NOT_FOUND, "this node is leaving"));
        }
        self.admit_load(caller)?;
        self.break_tie(now, caller)?;
        Ok(way)
    }

    fn admit_load(&self, caller: &Caller) -> Result<(), Refused> {
        let open = self.attaches.open.len();
        if open >= ANSWERING || open + self.links.len() >= self.limits.links {
            return Err((ErrorCode::IN_PROGRESS, "too many links or Attaches"));
        }
        if self.attaches.of(&caller.signer) >= OF_ONE_NODE {
            return Err((ErrorCode::IN_PROGRESS, "too many Attaches of this node"));
        }
        Ok(())
    }

    /// Both sides have sent an Attach: the smaller Node-ID gives way (section 6.5.1.2).
    fn break_tie(&mut self, now: Now, caller: &Caller) -> Result<(), Refused> {
        let in_progress = (ErrorCode::IN_PROGRESS, "an Attach to this node is under way");
        let node = caller.signer;
        if self.attaches.is_answered_by(&node) {
            return Err(in_progress);
        }
        let Some((link, wanted)) = self.attaches.asked(&node) else {
            return Ok(());
        };
        if self.node_id > node {
            return Err(in_progress);
        }
        self.cancel_attach_request(link);
        self.await_instead(now, link, node, wanted);
        Ok(())
    }

    /// Our candidates for the answer are known; then the link is formed (section 6.5.1.13).
    #[allow(clippy::too_many_arguments)] // the parts of one state
    pub(crate) fn answer_attach(
        &mut self,
        now: Now,
        link: LinkId,
        caller: &Caller,
        request: &AttachReqAns,
        way: Way,
        terms: Terms,
        candidates: Vec<IceCandidate>,
    ) {
        let (node, update, family) = (caller.signer, request.send_update, terms.family);
        let candidates = family.keep(candidates);
        if family == Family::Ice && candidates.is_empty() {
            self.timers.cancel(Timer::Attach(link));
            self.outputs.push_back(Output::Close(link));
            let text = "this node has no candidate for ICE";
            return self.refuse(now, caller, ErrorCode::INCOMPATIBLE_WITH_OVERLAY, text);
        }
        let answer = attach_body(b"active", terms, candidates, false);
        self.answer(now, caller, MessageCode::ATTACH_ANSWER, &answer);
        self.form(now, link, way, Forming { node, family, wanted: None, update });
    }
}
