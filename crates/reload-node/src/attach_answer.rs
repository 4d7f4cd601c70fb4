//! Attaches of others (section 6.5.1.2): admitted, answered, and the link dialled.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    AppAttachReqAns, AttachReqAns, CandType, Decode, ErrorCode, IceCandidate, MessageCode, Now,
    OverlayLinkType,
};

use crate::attach::{Attach, Awaiting, FORMING, NO_ICE};
use crate::deliver::Caller;
use crate::timer::Timer;
use crate::{DialAddress, LinkId, Node, Output, Plan, Way};

/// Attaches under way at a time before those of others are refused.
const ANSWERING: usize = 256;

/// Attaches of one node that are dialled at a time: it may have restarted, more is abuse.
const OF_ONE_NODE: usize = 3;

/// Addresses dialled for one Attach, so that none makes this node search a network.
const ADDRESSES: usize = 8;

/// An error code and a text for people.
type Refused = (ErrorCode, &'static str);

impl<T: Topology, S: Store> Node<T, S> {
    /// Somebody wants a link (section 6.5.1.2).
    pub(crate) fn on_attach(&mut self, now: Now, caller: Caller, body: &Bytes) {
        let request = match AttachReqAns::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, &caller, &error),
        };
        if let Err((code, text)) = self.admit_attach(now, &caller, &request) {
            return self.refuse(now, &caller, code, text);
        }
        let link = self.links.plan();
        let (caller, request) = (Box::new(caller), Box::new(request));
        self.attaches.open.insert(link, Attach::Answering { caller, request });
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        self.outputs.push_back(Output::Gather(link, NO_ICE));
    }

    /// Somebody wants a connection of an application (section 6.5.2.2): none is offered here.
    pub(crate) fn on_app_attach(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        match AppAttachReqAns::decode_exact(&self.dialect, body) {
            Ok(_) => self.refuse(now, caller, ErrorCode::NOT_FOUND, "application not offered here"),
            Err(error) => self.refuse_damaged(now, caller, &error),
        }
    }

    fn admit_attach(
        &mut self,
        now: Now,
        caller: &Caller,
        request: &AttachReqAns,
    ) -> Result<(), Refused> {
        if request.role != b"passive"[..] {
            return Err((ErrorCode::INVALID_MESSAGE, "the role of a request is passive"));
        }
        if caller.signer == self.node_id {
            return Err((ErrorCode::INVALID_MESSAGE, "an Attach to itself"));
        }
        if mixes_ice(&request.candidates) {
            let text = "candidates with ICE and without (6.5.1.1)";
            return Err((ErrorCode::INVALID_MESSAGE, text));
        }
        if usable(&request.candidates).is_empty() {
            let text = "no candidate of a link type that is used here";
            return Err((ErrorCode::INCOMPATIBLE_WITH_OVERLAY, text));
        }
        if self.leaving {
            return Err((ErrorCode::NOT_FOUND, "this node is leaving"));
        }
        self.admit_load(caller)?;
        self.break_tie(now, caller)
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
        let Some((link, task)) = self.attaches.asked(&node) else {
            return Ok(());
        };
        if self.node_id > node {
            return Err(in_progress);
        }
        self.cancel_attach_request(link);
        let awaiting = Awaiting { node, task, answered: false, update: false };
        self.attaches.open.insert(link, Attach::Awaiting(awaiting));
        self.timers.set(Timer::Attach(link), now.mono + FORMING);
        Ok(())
    }

    /// Our candidates for the answer are known; then we dial (section 6.5.1.13).
    pub(crate) fn answer_attach(
        &mut self,
        now: Now,
        link: LinkId,
        caller: &Caller,
        request: &AttachReqAns,
        candidates: Vec<IceCandidate>,
    ) {
        let (node, update) = (caller.signer, request.send_update);
        let answer = self.attach_body(b"active", candidates, false);
        self.answer(now, caller, MessageCode::ATTACH_ANSWER, &answer);
        let deadline = now.mono + FORMING;
        self.attaches.open.insert(link, Attach::Dialling { node, update });
        self.timers.set(Timer::Attach(link), deadline);
        let link_type = OverlayLinkType::TLS_TCP_FH_NO_ICE;
        let dial = |address| DialAddress { address, link: link_type };
        let way = Way::Dial(usable(&request.candidates).into_iter().map(dial).collect());
        let plan = Plan { way, expected: Some(node), deadline };
        self.outputs.push_back(Output::Connect(link, plan));
    }
}

/// Whether there are candidates of both families, which must not be (section 6.5.1.1).
fn mixes_ice(candidates: &[IceCandidate]) -> bool {
    let any = |kinds: &[OverlayLinkType]| {
        candidates.iter().any(|candidate| kinds.contains(&candidate.overlay_link))
    };
    any(&[OverlayLinkType::DTLS_UDP_SR])
        && any(&[OverlayLinkType::DTLS_UDP_SR_NO_ICE, OverlayLinkType::TLS_TCP_FH_NO_ICE])
}

/// The addresses among candidates at which a TLS link can be dialled, best first. Candidates of
/// unknown link types do not count (E53), nor do those of the reserved type 3 (E54).
fn usable(candidates: &[IceCandidate]) -> Vec<SocketAddr> {
    let mut tls: Vec<&IceCandidate> = candidates
        .iter()
        .filter(|candidate| candidate.overlay_link == OverlayLinkType::TLS_TCP_FH_NO_ICE)
        .filter(|candidate| candidate.kind != CandType::Prflx)
        .collect();
    tls.sort_by_key(|candidate| std::cmp::Reverse(candidate.priority));
    let addresses = tls.iter().filter_map(|candidate| candidate.addr_port.socket_addr());
    addresses.filter(can_be_dialled).take(ADDRESSES).collect()
}

fn can_be_dialled(address: &SocketAddr) -> bool {
    let no_host = match address.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    !no_host && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use reload_wire::{Dialect, IpAddressPort};

    #[test]
    fn a_candidate_of_the_reserved_type_is_not_dialled() {
        // 127.0.0.1:7, TLS, no foundation, priority 1, type 3, its related address, no extension
        let bytes = [
            &[1, 6, 127, 0, 0, 1, 0, 7][..],
            &[4, 0, 0, 0, 0, 1, 3],
            &[1, 6, 127, 0, 0, 1, 0, 8],
            &[0, 0],
        ];
        let mut bytes = bytes.concat();
        let read = |bytes: &[u8]| IceCandidate::decode_exact(&Dialect::default(), bytes);
        assert_eq!(usable(&[read(&bytes).expect("it is well formed")]), []);
        bytes[14] = 2;
        let address = IpAddressPort::V4([127, 0, 0, 1].into(), 7).socket_addr();
        assert_eq!(usable(&[read(&bytes).expect("it is well formed")]).first().copied(), address);
    }
}
