//! What sees every message that the SIP stack sends and takes: it feeds the trace, picks up the ACKs that
//! the stack has no use for, and mends what it writes.

use std::sync::Arc;

use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;

use crate::trace::{Direction, Trace};

/// Watches the SIP stack: for the trace, and for the ACKs that it has no use for.
pub(crate) struct Inspector {
    pub(crate) trace: Arc<Trace>,
    pub(crate) acks: mpsc::Sender<(Request, SipAddr)>,
}

impl MessageInspector for Inspector {
    fn before_send(&self, mut msg: SipMessage, dest: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut msg
            && request.method == Method::Ack
        {
            only_top_via(request);
        }
        self.trace.message(Direction::Out, dest, &msg);
        msg
    }

    fn after_received(&self, msg: SipMessage, from: Option<&SipAddr>) -> SipMessage {
        let Some(from) = from else { return msg };
        self.trace.message(Direction::In, Some(from), &msg);
        if let SipMessage::Request(request) = &msg
            && request.method == Method::Ack
        {
            self.acks.try_send((request.clone(), from.clone())).ok();
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
