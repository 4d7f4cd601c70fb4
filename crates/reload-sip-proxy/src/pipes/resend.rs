//! CANCEL is sent again until it is answered (RFC 3261 sections 9.1 and 17.1.2): the SIP stack resends all
//! other requests and final responses by itself, but not that one. No I/O, no clock.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rsipstack::sip::{HeadersExt, Method, Request, Response, StatusCodeKind};

/// Requests that are waiting for an answer at one time; the oldest makes room.
const MAX_WAITING: usize = 64;
/// Section 17.1.1.1 of RFC 3261.
const T1: Duration = Duration::from_millis(500);
/// Section 17.1.2.2 of RFC 3261: the longest time between two of them.
const T2: Duration = Duration::from_secs(4);

/// The CANCELs of one pipe that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Resends {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    branch: String,
    datagram: Bytes,
    interval: Duration,
    next: Instant,
    until: Instant,
}

impl Resends {
    /// A request has been sent.
    pub(super) fn handle_sent(&mut self, now: Instant, request: &Request, datagram: &Bytes) {
        let Some(branch) = branch(request).filter(|_| request.method == Method::Cancel) else {
            return;
        };
        self.waiting.retain(|known| known.branch != branch);
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        self.waiting.push(Waiting {
            branch,
            datagram: datagram.clone(),
            interval: T1,
            next: now + T1,
            until: now + 64 * T1,
        });
    }

    /// A response has come: one to the CANCEL ends it, and the last one to its INVITE too.
    pub(super) fn handle_response(&mut self, response: &Response) {
        if self.waiting.is_empty() {
            return;
        }
        let method = response.cseq_header().and_then(|cseq| cseq.method());
        let is_final = response.status_code.kind() != StatusCodeKind::Provisional;
        let ends = match method {
            Ok(Method::Cancel) => true,
            Ok(Method::Invite) => is_final,
            Ok(_) | Err(_) => false,
        };
        if let Some(branch) = branch(response).filter(|_| ends) {
            self.waiting.retain(|known| known.branch != branch);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(super) fn wakeup(&self) -> Option<Instant> {
        self.waiting.iter().map(|it| it.next).min()
    }

    /// What is to be sent again now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Bytes> {
        self.waiting.retain(|it| now < it.until);
        let due = self.waiting.iter_mut().filter(|it| it.next <= now);
        due.map(|it| {
            it.interval = (2 * it.interval).min(T2);
            it.next = now + it.interval;
            it.datagram.clone()
        })
        .collect()
    }
}

/// The branch of the topmost Via, which a CANCEL shares with its INVITE.
fn branch(message: &impl HeadersExt) -> Option<String> {
    use rsipstack::sip::ToTypedHeader;
    let via = message.top_via_header().ok()?.typed().ok()?;
    via.branch().map(|branch| branch.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancel(branch: &str) -> (Request, Bytes) {
        let text = format!(
            "CANCEL sip:b@o.example SIP/2.0\r\nVia: SIP/2.0/UDP a.o.example;branch={branch}\r\n\
             CSeq: 1 CANCEL\r\n\r\n"
        );
        (Request::try_from(text.as_str()).unwrap(), Bytes::from(text))
    }

    fn response(status: u16, method: &str, branch: &str) -> Response {
        let text = format!(
            "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP a.o.example;branch={branch}\r\n\
             CSeq: 1 {method}\r\n\r\n"
        );
        Response::try_from(text.as_str()).unwrap()
    }

    fn sent(now: Instant, branch: &str) -> Resends {
        let mut resends = Resends::default();
        let (request, datagram) = cancel(branch);
        resends.handle_sent(now, &request, &datagram);
        resends
    }

    #[test]
    fn a_cancel_is_sent_again_at_growing_intervals_for_32_seconds() {
        let start = Instant::now();
        let mut resends = sent(start, "z9hG4bKa");
        let mut times = Vec::new();
        while let Some(next) = resends.wakeup() {
            if !resends.handle_timeout(next).is_empty() {
                times.push((next - start).as_millis());
            }
        }
        let expected = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
        assert_eq!(times, expected);
    }

    #[test]
    fn an_answer_to_it_or_the_last_one_to_its_invite_ends_that() {
        for (status, method, branch, ends) in [
            (200, "CANCEL", "z9hG4bKa", true),
            (481, "CANCEL", "z9hG4bKa", true),
            (487, "INVITE", "z9hG4bKa", true),
            (180, "INVITE", "z9hG4bKa", false),
            (200, "BYE", "z9hG4bKa", false),
            (200, "CANCEL", "z9hG4bKb", false),
        ] {
            let mut resends = sent(Instant::now(), "z9hG4bKa");
            resends.handle_response(&response(status, method, branch));
            assert_eq!(resends.wakeup().is_none(), ends, "{status} {method} {branch}");
        }
    }

    #[test]
    fn other_requests_are_left_to_the_stack() {
        let (mut request, datagram) = cancel("z9hG4bKa");
        request.method = Method::Bye;
        let mut resends = Resends::default();
        resends.handle_sent(Instant::now(), &request, &datagram);
        assert_eq!(resends.wakeup(), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let now = Instant::now();
        let mut resends = sent(now, "z9hG4bK0");
        for number in 1..=MAX_WAITING {
            let (request, datagram) = cancel(&format!("z9hG4bK{number}"));
            resends.handle_sent(now, &request, &datagram);
        }
        assert_eq!(resends.waiting.len(), MAX_WAITING);
        assert!(!resends.waiting.iter().any(|it| it.branch == "z9hG4bK0"));
    }
}
