//! The ACKs that have come in and are not sent on yet. What follows in the same call waits for them: the
//! other end must not see a BYE ahead of the ACK that was sent before it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::sip::Request;
use tokio::sync::Notify;

use super::header::call_id;

/// How long a request waits: an ACK that takes longer may have to make its connection again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shared by what sees the ACKs and what sends them on. Bounded by the queue of ACKs.
#[derive(Clone, Default)]
pub(crate) struct AcksUnderWay(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By Call-ID.
    counts: Mutex<BTreeMap<String, usize>>,
    one_less: Notify,
}

/// An ACK that is under way until this is dropped.
pub(crate) struct UnderWay {
    acks: AcksUnderWay,
    call_id: String,
}

impl AcksUnderWay {
    /// An ACK has come in.
    pub(crate) fn begin(&self, ack: &Request) -> UnderWay {
        let call_id = call_id(ack);
        *self.counts().entry(call_id.clone()).or_default() += 1;
        UnderWay { acks: self.clone(), call_id }
    }

    /// Waits until no ACK of the call of this request is under way.
    pub(super) async fn passed(&self, request: &Request) {
        let call_id = call_id(request);
        let passed = async {
            loop {
                let one_less = self.0.one_less.notified();
                if !self.counts().contains_key(&call_id) {
                    return;
                }
                one_less.await;
            }
        };
        // whatever holds up the ACK does not hold up the call
        let _ = tokio::time::timeout(PATIENCE, passed).await;
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut counts = self.acks.counts();
        if let Some(count) = counts.get_mut(&self.call_id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.call_id);
            }
        }
        drop(counts);
        self.acks.0.one_less.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    fn request(method: &str, call: &str) -> Request {
        let text = format!(
            "{method} sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n\
             From: <sip:alice@example.org>;tag=a\r\nTo: <sip:bob@example.org>;tag=b\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        Request::try_from(text.as_bytes()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_in_a_call_waits_for_its_acks_and_no_others() {
        let acks = AcksUnderWay::default();
        let first = acks.begin(&request("ACK", "one"));
        let again = acks.begin(&request("ACK", "one"));
        let begin = Instant::now();
        acks.passed(&request("BYE", "two")).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let waiting = tokio::spawn({
            let acks = acks.clone();
            async move { acks.passed(&request("BYE", "one")).await }
        });
        tokio::time::sleep(PATIENCE / 4).await;
        drop(first);
        tokio::time::sleep(PATIENCE / 4).await;
        assert!(!waiting.is_finished());
        drop(again);
        waiting.await.unwrap();
        assert_eq!(begin.elapsed(), PATIENCE / 2);
        assert!(acks.counts().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ack_that_is_held_up_does_not_hold_up_its_call() {
        let acks = AcksUnderWay::default();
        let _held_up = acks.begin(&request("ACK", "one"));
        let begin = Instant::now();
        acks.passed(&request("BYE", "one")).await;
        assert_eq!(begin.elapsed(), PATIENCE);
    }
}
