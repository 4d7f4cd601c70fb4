//! The ACKs that were sent on lately. An answer that is repeated since its ACK was lost (RFC 3261 section
//! 13.3.1.4) gets it from here again: nothing else is kept of an INVITE once its ACK has gone through.
//! Bounded; no I/O, the clock is an input.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rsipstack::sip::{HeadersExt, Method, Request, Response};
use rsipstack::transport::{SipAddr, SipConnection};

use super::header::{call_id, from_tag, is_success, sequence, to_tag};

/// How long an answer is repeated: 64 * T1.
const KEPT: Duration = Duration::from_secs(32);

/// The ACKs that were sent on lately.
#[derive(Default)]
pub(super) struct SentAcks {
    table: BTreeMap<Key, SentAck>,
    limit: usize,
}

/// Call-ID, both tags, number in CSeq.
type Key = (String, String, String, u32);

/// An ACK, and the way it went.
#[derive(Clone)]
pub(super) struct SentAck {
    pub(super) request: Request,
    pub(super) connection: SipConnection,
    pub(super) destination: SipAddr,
    pub(super) at: Instant,
}

impl SentAcks {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// An ACK has been sent on.
    pub(super) fn insert(&mut self, ack: SentAck) {
        if self.table.len() < self.limit
            && let Some(key) = key(&ack.request)
        {
            self.table.insert(key, ack);
        }
    }

    /// The ACK of an answer, if it has been sent.
    pub(super) fn get(&self, answer: &Response) -> Option<SentAck> {
        self.table.get(&key(answer)?).cloned()
    }

    /// Forgets those that nobody needs any more.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.table.retain(|_, ack| now < ack.at + KEPT);
    }
}

/// Whether a message is one that may have an ACK here.
pub(crate) fn is_accepted_invite(answer: &Response) -> bool {
    let method = answer.cseq_header().and_then(|cseq| cseq.method());
    is_success(answer) && matches!(method, Ok(Method::Invite))
}

fn key(message: &impl HeadersExt) -> Option<Key> {
    Some((call_id(message), from_tag(message), to_tag(message)?, sequence(message)))
}
