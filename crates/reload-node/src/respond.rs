//! Answers and errors of this node (sections 6.2.2 and 6.3.3.1).

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    Encode, ErrorCode, ErrorResponse, ForwardingHeader, Fragment, MessageCode, Now,
    peek_message_code,
};

use crate::Node;
use crate::crypto::Then;
use crate::deliver::Caller;
use crate::node::largest_message;
use crate::originate::size_of;
use crate::transactions::Content;

impl<T: Topology, S: Store> Node<T, S> {
    /// Answers a request with success.
    pub(crate) fn answer(
        &mut self,
        now: Now,
        caller: &Caller,
        code: MessageCode,
        body: &impl Encode,
    ) {
        match body.to_bytes() {
            Ok(body) => self.answer_with(now, caller, code, body, Vec::new()),
            Err(_) => self.refuse(now, caller, ErrorCode::RESPONSE_TOO_LARGE, "does not encode"),
        }
    }

    /// As [`Self::answer`], with a ready body and the certificates that its values need.
    pub(crate) fn answer_with(
        &mut self,
        now: Now,
        caller: &Caller,
        code: MessageCode,
        body: Bytes,
        certificates: Vec<Bytes>,
    ) {
        self.counters.answered += 1;
        let content = Content::Ready { body, certificates };
        let then = Then::Answer(Box::new(caller.clone()));
        self.seal(now, caller.transaction, code, content, then);
    }

    /// Answers a request with an error and a text for people.
    pub(crate) fn refuse(&mut self, now: Now, caller: &Caller, code: ErrorCode, text: &str) {
        let info = Bytes::copy_from_slice(text.as_bytes());
        self.refuse_with(now, caller, &ErrorResponse { code, info });
    }

    /// Answers a request with an error.
    pub(crate) fn refuse_with(&mut self, now: Now, caller: &Caller, error: &ErrorResponse) {
        self.counters.refused += 1;
        let Ok(body) = error.to_bytes() else { return };
        let content = Content::Ready { body, certificates: Vec::new() };
        let then = Then::Answer(Box::new(caller.clone()));
        self.seal(now, caller.transaction, MessageCode::ERROR, content, then);
    }

    /// Sends a sealed answer back the way the request came.
    pub(crate) fn send_answer(&mut self, now: Now, caller: &Caller, sealed: &Bytes) {
        let header = ForwardingHeader {
            overlay: self.overlay,
            configuration_sequence: self.configuration.sequence,
            ttl: self.configuration.initial_ttl,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id: caller.transaction,
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: caller.return_path.clone(),
            options: caller.options.clone(),
        };
        if self.is_too_large(caller, &header, sealed) {
            return self.refuse_size(now, caller, sealed);
        }
        // the previous hop's own link, as long as it works
        let direct = caller.link.filter(|link| self.links.works(*link));
        self.dispatch(now, header, sealed, direct);
    }

    /// The caller gets an error instead (section 6.3.2). An error that is itself too large is not
    /// sent.
    fn refuse_size(&mut self, now: Now, caller: &Caller, sealed: &Bytes) {
        if peek_message_code(sealed) == Some(MessageCode::ERROR) {
            self.counters.answers_dropped += 1;
            return;
        }
        self.refuse_large_answer(now, caller);
    }

    pub(crate) fn refuse_large_answer(&mut self, now: Now, caller: &Caller) {
        let text = "the answer would be larger than allowed";
        self.refuse(now, caller, ErrorCode::RESPONSE_TOO_LARGE, text);
    }

    /// Whether the answer is larger than the caller or the overlay allows.
    fn is_too_large(&self, caller: &Caller, header: &ForwardingHeader, sealed: &Bytes) -> bool {
        let size = sealed.len() + size_of(header);
        let largest = largest_message(&self.configuration);
        let asked = usize::try_from(caller.max_response_length).unwrap_or(usize::MAX);
        // the error that says so must go out, however little the caller wants
        let free = asked == 0 || peek_message_code(sealed) == Some(MessageCode::ERROR);
        size > if free { largest } else { asked.min(largest) }
    }
}
