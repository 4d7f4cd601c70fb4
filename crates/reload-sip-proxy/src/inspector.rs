//! What sees every message that the SIP stack sends and takes: it feeds the trace, picks up the ACKs and
//! the repeated answers that the stack has no use for, and mends what it writes.

use std::sync::Arc;

use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage, Version};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;

use crate::routing::{AcksUnderWay, Seen, is_accepted_invite};
use crate::trace::{Direction, Trace};

/// Watches the SIP stack.
pub(crate) struct Inspector {
    pub(crate) trace: Arc<Trace>,
    pub(crate) seen: mpsc::Sender<Seen>,
    pub(crate) acks: AcksUnderWay,
}

impl MessageInspector for Inspector {
    fn before_send(&self, mut msg: SipMessage, dest: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut msg
            && request.method == Method::Ack
        {
            only_top_via(request);
        }
        // the stack would answer in the version of the request
        match &mut msg {
            SipMessage::Request(request) => request.version = Version::V2,
            SipMessage::Response(response) => response.version = Version::V2,
        }
        self.trace.message(Direction::Out, dest, &msg);
        msg
    }

    fn after_received(&self, msg: SipMessage, from: Option<&SipAddr>) -> SipMessage {
        let Some(from) = from else { return msg };
        self.trace.message(Direction::In, Some(from), &msg);
        let seen = match &msg {
            SipMessage::Request(request) if request.method == Method::Ack => {
                let under_way = self.acks.begin(request);
                Some(Seen::Ack { ack: request.clone(), from: from.clone(), under_way })
            }
            SipMessage::Response(response) if is_accepted_invite(response) => {
                Some(Seen::Accepted(response.clone()))
            }
            SipMessage::Request(_) | SipMessage::Response(_) => None,
        };
        if let Some(seen) = seen {
            // of one that finds no room the other end repeats its answer
            self.seen.try_send(seen).ok();
        }
        msg
    }
}

/// The ACK of a refusal has one Via (RFC 3261 section 17.1.1.3); the SIP stack would copy all.
fn only_top_via(ack: &mut Request) {
    let Ok(top) = ack.top_via_header() else { return };
    ack.headers.retain(|header| !matches!(header, Header::Via(_)));
    ack.headers.push_front(Header::Via(top));
}
