//! The dialogs that were made through this proxy (RFC 3261 section 12, RFC 6665 for subscriptions):
//! between whom they are. Requests within one are taken from these two only, and go to the other one.
//! Bounded; what is over is forgotten. No I/O; the clock is an input.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rsipstack::sip::{Header, Method, Request, Response, Uri};

use super::header::{call_id, contact, from_tag, is_final, is_success, to_tag};
use super::hop::{Hop, Side};

/// How long what follows the end of a dialog is still let through: 64 * T1.
const LINGER: Duration = Duration::from_secs(32);
/// How long a call may last without a request in it.
const MAX_SILENCE: Duration = Duration::from_secs(24 * 3600);
/// How long a subscription may last.
const MAX_SUBSCRIPTION: u32 = 24 * 3600;
/// Other ends of one dialog: as many as a request has branches.
const MAX_ENDS: usize = 64;
/// The expiry of a subscription that does not say (RFC 6665 leaves it to the package).
const SUBSCRIPTION: u32 = 3600;

/// The dialogs.
#[derive(Default)]
pub(super) struct Dialogs {
    /// By Call-ID and the tag of who has begun it: one that has been forked has several other ends.
    table: BTreeMap<(String, String), Dialog>,
    limit: usize,
}

struct Dialog {
    near: Side,
    /// Where the beginner's requests were sent, until they are known by their tag.
    asked: Vec<Side>,
    /// The other ends, by their tag.
    ends: BTreeMap<String, End>,
    /// Whether it is a call.
    is_call: bool,
    until: Instant,
}

/// Another end.
struct End {
    side: Side,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has not said yes.
    Early,
    Confirmed,
    Over,
}

/// What a dialog says about a request in it.
pub(super) struct Found {
    /// Where it goes.
    pub(super) to: Side,
    /// The tag of who has begun the dialog.
    pub(super) tag: String,
    /// The tag of the other end.
    end: String,
    /// Whether it goes from who has begun the dialog to the other end.
    pub(super) is_forth: bool,
    /// Whether the dialog is a call.
    pub(super) is_call: bool,
}

impl Dialogs {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether the call that a request names by its Call-ID has been begun by somebody else: who has seen
    /// that of another call, as its other branches have, has no part in it.
    pub(super) fn is_of_another(&self, request: &Request, from: &Hop) -> bool {
        let call = call_id(request);
        let calls = self.table.range((call.clone(), String::new())..);
        let mut calls = calls.take_while(|((known, _), _)| *known == call);
        calls.any(|(_, dialog)| !dialog.near.is(from))
    }

    /// A request that may begin a dialog is about to be sent to somebody. False if it may not be.
    pub(super) fn begin(&mut self, now: Instant, request: &Request, from: &Hop, to: &Hop) -> bool {
        if self.is_of_another(request, from) {
            return false;
        }
        let key = (call_id(request), from_tag(request));
        if !self.table.contains_key(&key) && self.table.len() >= self.limit {
            self.sweep(now);
            if self.table.len() >= self.limit {
                return false;
            }
        }
        let is_call = request.method == Method::Invite;
        let dialog = self.table.entry(key).or_insert_with(|| Dialog {
            near: side(from, contact(request)),
            asked: Vec::new(),
            ends: BTreeMap::new(),
            is_call,
            until: now + MAX_SILENCE,
        });
        let has_room = dialog.asked.len() < MAX_ENDS;
        if has_room {
            dialog.asked.push(to.side());
        }
        has_room
    }

    /// An answer to such a request has come from somebody.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        request: &Request,
        from: &Hop,
        response: &Response,
    ) {
        let key = (call_id(request), from_tag(request));
        let Some(dialog) = self.table.get_mut(&key) else { return };
        let Some(tag) = to_tag(response) else { return };
        let is_taken = match dialog.ends.get(&tag) {
            Some(end) => !end.side.is(from),
            None => dialog.ends.len() >= MAX_ENDS,
        };
        if is_taken {
            return;
        }
        if is_final(response) && !is_success(response) {
            dialog.ends.remove(&tag);
            return;
        }
        let contact = contact(response);
        let end = dialog
            .ends
            .entry(tag)
            .or_insert_with(|| End { side: side(from, contact.clone()), state: State::Early });
        if let (Side::Phone(phone), Some(contact)) = (&mut end.side, contact) {
            phone.contact = Some(contact);
        }
        if is_success(response) && end.state != State::Over {
            end.state = State::Confirmed;
            if dialog.is_call {
                // they have rung in vain
                dialog.asked.clear();
            }
            let expires = expires(response).or_else(|| expires_of(request));
            let expires = expires.unwrap_or(SUBSCRIPTION).min(MAX_SUBSCRIPTION);
            dialog.until = match dialog.is_call {
                true => now + MAX_SILENCE,
                false => now + LINGER + Duration::from_secs(expires.into()),
            };
        }
    }

    /// A request that began a dialog has got its last answer, and nobody has said yes. False if the dialog
    /// is not of who has sent it.
    pub(super) fn refused(&mut self, request: &Request, from: &Hop) -> bool {
        let is_own = !self.is_of_another(request, from);
        if is_own {
            self.table.remove(&(call_id(request), from_tag(request)));
        }
        is_own
    }

    /// The dialog that a request is in, if it comes from one of the two.
    pub(super) fn find(&mut self, now: Instant, request: &Request, from: &Hop) -> Option<Found> {
        let (call, mine, theirs) = (call_id(request), from_tag(request), to_tag(request)?);
        if let Some(dialog) = self.table.get_mut(&(call.clone(), mine.clone()))
            && let Some(end) = dialog.ends.get(&theirs)
            && dialog.near.is(from)
        {
            let (to, is_call) = (end.side.clone(), dialog.is_call);
            dialog.touch(now);
            return Some(Found { to, tag: mine, end: theirs, is_forth: true, is_call });
        }
        let dialog = self.table.get_mut(&(call, theirs.clone()))?;
        if !dialog.ends.contains_key(&mine) && request.method == Method::Notify {
            // a NOTIFY may overtake the answer to its SUBSCRIBE (RFC 6665 section 4.1.2.4)
            dialog.asked.iter().find(|side| side.is(from) && dialog.ends.len() < MAX_ENDS)?;
            let side = side(from, contact(request));
            dialog.ends.insert(mine.clone(), End { side, state: State::Confirmed });
        }
        dialog.ends.get(&mine).filter(|end| end.side.is(from))?;
        dialog.touch(now);
        let (to, is_call) = (dialog.near.clone(), dialog.is_call);
        Some(Found { to, tag: theirs, end: mine, is_forth: false, is_call })
    }

    /// Contact of a request in a dialog, or of the answer to one, is where the next ones go
    /// (RFC 3261 section 12.2): of the phone on this side.
    pub(super) fn refresh(&mut self, request: &Request, found: &Found, of_sender: bool, to: &Uri) {
        let Some(dialog) = self.table.get_mut(&(call_id(request), found.tag.clone())) else {
            return;
        };
        let side = if found.is_forth == of_sender {
            Some(&mut dialog.near)
        } else {
            dialog.ends.get_mut(&found.end).map(|end| &mut end.side)
        };
        if let Some(Side::Phone(phone)) = side {
            phone.contact = Some(to.clone());
        }
    }

    /// A request in a dialog has got its last answer. Whether that was the end of all that the request
    /// which began it has made: BYE ends a call, and so does the answer that there is none (RFC 5057
    /// section 5.1), NOTIFY ends a subscription.
    pub(super) fn finished(
        &mut self,
        now: Instant,
        request: &Request,
        found: &Found,
        code: u16,
    ) -> bool {
        let key = (call_id(request), found.tag.clone());
        let Some(dialog) = self.table.get_mut(&key) else { return false };
        let ends = match request.method {
            Method::Bye => code != 401 && code != 407,
            Method::Notify if dialog.is_call => false,
            Method::Notify => code == 481 || is_last_notify(request),
            Method::Subscribe | Method::Refer if dialog.is_call => false,
            _ => code == 481,
        };
        if !ends {
            return false;
        }
        if let Some(end) = dialog.ends.get_mut(&found.end) {
            end.state = State::Over;
        }
        if dialog.ends.values().any(|end| end.state == State::Confirmed) {
            return false;
        }
        dialog.until = dialog.until.min(now + LINGER);
        true
    }

    /// Those that are known.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Forgets what is over.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.table.retain(|_, dialog| now < dialog.until);
    }
}

impl Dialog {
    fn touch(&mut self, now: Instant) {
        // not one whose end has been set
        if self.is_call && self.until > now + LINGER {
            self.until = now + MAX_SILENCE;
        }
    }
}

fn side(hop: &Hop, contact: Option<Uri>) -> Side {
    match hop.side() {
        Side::Phone(mut phone) => {
            phone.contact = contact.or(phone.contact);
            Side::Phone(phone)
        }
        side => side,
    }
}

fn expires_header<'a>(mut headers: impl Iterator<Item = &'a Header>) -> Option<u32> {
    headers.find_map(|header| match header {
        Header::Expires(expires) => expires.value().trim().parse().ok(),
        _ => None,
    })
}

fn expires(response: &Response) -> Option<u32> {
    expires_header(response.headers.iter())
}

fn expires_of(request: &Request) -> Option<u32> {
    expires_header(request.headers.iter())
}

fn is_last_notify(request: &Request) -> bool {
    request.headers.iter().any(|header| match header {
        Header::SubscriptionState(state) => {
            let state = state.value().split(';').next().unwrap_or_default();
            state.trim().eq_ignore_ascii_case("terminated")
        }
        _ => false,
    })
}
