//! The phones of the user: where each is to be reached, and until when (RFC 3261 section 10.3). No I/O, no
//! clock; what others are told about it is the registrar's matter.

use std::time::{Duration, Instant};

use reload_usages::sip::SipUri;
use rsipstack::sip::{Transport, Uri};
use rsipstack::transport::{SipAddr, SipConnection};
use thiserror::Error;

use super::kept::KeptPhone;
use super::name_addr::NameAddr;

/// Phones at one time.
const MAX_BINDINGS: usize = 16;
/// Seconds that a phone may ask for at least: shorter ones only cost Stores.
pub(super) const MIN_EXPIRES: u32 = 60;
/// Seconds that a phone is kept at most, and if it names none (RFC 3261 section 10.2.1.1).
const MAX_EXPIRES: u32 = 3600;
/// Characters of a User-Agent that are kept.
const MAX_USER_AGENT: usize = 128;

/// The phones of the user.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    list: Vec<Binding>,
}

/// A phone.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    /// What names it in a GRUU of this node: the same as long as it stays registered.
    pub(crate) line: String,
    /// The Request-URI of requests to it.
    pub(crate) contact: Uri,
    /// Its Contact as it came.
    pub(crate) contact_text: String,
    /// When it is forgotten.
    pub(crate) expires_at: Instant,
    /// How gladly it is called, in thousandths.
    pub(crate) q: u16,
    /// What it says it is.
    pub(crate) user_agent: Option<String>,
    /// How it is reached.
    pub(crate) flow: Flow,
    /// Where its REGISTER came from.
    pub(super) source: SipAddr,
    identity: String,
    parameters: Vec<(String, Option<String>)>,
    call_id: String,
    cseq: u32,
}

/// How a phone is reached: over the connection it came by, or at the address it came from.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// The connection; that of the listener for UDP.
    pub(crate) connection: SipConnection,
    /// The address for the SIP stack.
    pub(crate) destination: SipAddr,
}

/// What a REGISTER asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) contacts: Contacts,
    /// The Expires header field.
    pub(super) expires: Option<u32>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) user_agent: Option<String>,
    pub(super) flow: Flow,
}

#[derive(Clone, Debug)]
pub(super) enum Contacts {
    /// `*`: all of them go.
    All,
    /// These; none only asks what there is.
    These(Vec<NameAddr>),
}

/// What a REGISTER has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// A phone is new.
    pub(super) added: bool,
    /// A phone stays longer than before.
    pub(super) lengthened: bool,
    /// A phone is gone.
    pub(super) removed: bool,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum BindingError {
    #[error("a Contact is no SIP address")]
    Contact,
    #[error("Contact * goes with Expires 0 only")]
    Star,
    #[error("Interval Too Brief")]
    TooBrief,
    #[error("the CSeq is older than one of the same Call-ID")]
    OutOfOrder,
    #[error("no more than {MAX_BINDINGS} phones may be registered")]
    TooMany,
}

impl Bindings {
    /// Does all that is asked, or nothing of it. `new_line` draws a name for a new phone.
    pub(super) fn register(
        &mut self,
        now: Instant,
        asked: Asked,
        mut new_line: impl FnMut() -> String,
    ) -> Result<Change, BindingError> {
        self.expire(now);
        self.list.retain(Binding::is_connected);
        let steps = match &asked.contacts {
            Contacts::All if asked.expires == Some(0) => return self.remove_all(&asked),
            Contacts::All => return Err(BindingError::Star),
            Contacts::These(contacts) => {
                contacts.iter().map(|it| Step::read(it, &asked)).collect::<Result<Vec<_>, _>>()?
            }
        };
        self.check(&steps, &asked)?;
        let mut change = Change::default();
        for step in steps {
            self.apply(now, step, &asked, &mut change, &mut new_line);
        }
        Ok(change)
    }

    /// The phones that can be reached after a restart too.
    pub(super) fn kept(&self, now: Instant) -> Vec<KeptPhone> {
        let kept = |it: &Binding| {
            let is_udp = it.source.r#type == Some(Transport::Udp);
            let source = it.source.get_socketaddr().ok().filter(|_| is_udp)?;
            Some(KeptPhone {
                line: it.line.clone(),
                contact: it.to_contact(now),
                ends: KeptPhone::ends_in(it.expires_in(now)),
                source,
                call_id: it.call_id.clone(),
                cseq: it.cseq,
                user_agent: it.user_agent.clone(),
            })
        };
        self.list.iter().filter_map(kept).collect()
    }

    /// Takes up phones of an earlier run, which are reached over this connection now.
    pub(super) fn restore(&mut self, now: Instant, phones: Vec<KeptPhone>, udp: &SipConnection) {
        for phone in phones.into_iter().take(MAX_BINDINGS) {
            let expires = phone.expires_in().min(MAX_EXPIRES);
            let Some(mut contact) = NameAddr::parse(&phone.contact).filter(|_| expires > 0) else {
                continue;
            };
            contact.parameters.retain(|(name, _)| name != "expires");
            let destination = SipAddr { r#type: Some(Transport::Udp), addr: phone.source.into() };
            let asked = Asked {
                contacts: Contacts::These(Vec::new()),
                expires: Some(expires),
                call_id: phone.call_id,
                cseq: phone.cseq,
                user_agent: phone.user_agent,
                flow: Flow { connection: udp.clone(), destination },
            };
            if let Ok(step) = Step::read(&contact, &asked) {
                let mut line = || phone.line.clone();
                self.apply(now, step, &asked, &mut Change::default(), &mut line);
            }
        }
    }

    /// Forgets the phones whose time is over; whether there was one.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.list.len();
        self.list.retain(|it| now < it.expires_at);
        self.list.len() < before
    }

    /// Forgets what this request has added.
    pub(super) fn undo(&mut self, call_id: &str, cseq: u32) {
        self.list.retain(|it| it.call_id != call_id || it.cseq != cseq);
    }

    /// The phones, the one with the highest q first.
    pub(super) fn live(&self, now: Instant) -> Vec<Binding> {
        let is_live = |it: &&Binding| now < it.expires_at && it.is_connected();
        let mut live: Vec<_> = self.list.iter().filter(is_live).cloned().collect();
        live.sort_by_key(|it| std::cmp::Reverse(it.q));
        live
    }

    /// When the next phone is to be forgotten.
    pub(super) fn wakeup(&self) -> Option<Instant> {
        self.list.iter().map(|it| it.expires_at).min()
    }

    /// Whole seconds until the last phone is forgotten; 0 without one.
    pub(super) fn longest(&self, now: Instant) -> u32 {
        self.list.iter().map(|it| it.expires_in(now)).max().unwrap_or(0)
    }

    fn remove_all(&mut self, asked: &Asked) -> Result<Change, BindingError> {
        if self.list.iter().any(|it| it.is_newer_than(asked)) {
            return Err(BindingError::OutOfOrder);
        }
        let removed = !self.list.is_empty();
        self.list.clear();
        Ok(Change { removed, ..Change::default() })
    }

    fn check(&self, steps: &[Step], asked: &Asked) -> Result<(), BindingError> {
        let known = |step: &Step| self.list.iter().find(|it| it.identity == step.identity);
        if steps.iter().filter_map(known).any(|it| it.is_newer_than(asked)) {
            return Err(BindingError::OutOfOrder);
        }
        if steps.iter().any(|it| (1..MIN_EXPIRES).contains(&it.expires)) {
            return Err(BindingError::TooBrief);
        }
        let added = steps.iter().filter(|it| it.expires > 0 && known(it).is_none()).count();
        let removed = steps.iter().filter(|it| it.expires == 0 && known(it).is_some()).count();
        let total = (self.list.len() + added).saturating_sub(removed);
        if added > 0 && total > MAX_BINDINGS { Err(BindingError::TooMany) } else { Ok(()) }
    }

    fn apply(
        &mut self,
        now: Instant,
        step: Step,
        asked: &Asked,
        change: &mut Change,
        new_line: &mut impl FnMut() -> String,
    ) {
        let known = self.list.iter().position(|it| it.identity == step.identity);
        let known = known.map(|at| self.list.remove(at));
        if step.expires == 0 {
            change.removed |= known.is_some();
            return;
        }
        let expires_at = now + Duration::from_secs(step.expires.into());
        change.added |= known.is_none();
        change.lengthened |= known.as_ref().is_none_or(|it| it.expires_at < expires_at);
        let line = known.map_or_else(new_line, |it| it.line);
        self.list.push(step.bind(line, expires_at, asked));
    }
}

impl Binding {
    /// Whole seconds that are left.
    pub(crate) fn expires_in(&self, now: Instant) -> u32 {
        let left = self.expires_at.saturating_duration_since(now);
        u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(MAX_EXPIRES)
    }

    /// Whether its stream is open: nobody listens at the address that it came from (RFC 5626 section 3.1).
    fn is_connected(&self) -> bool {
        !self.flow.connection.cancel_token().is_some_and(|token| token.is_cancelled())
    }

    /// The Contact of the answer to a REGISTER (RFC 3261 section 10.3 step 8).
    pub(super) fn to_contact(&self, now: Instant) -> String {
        let mut text = format!("<{}>;expires={}", self.contact_text, self.expires_in(now));
        for (name, value) in &self.parameters {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }

    /// RFC 3261 section 10.3 step 7: within a Call-ID the CSeq has to rise.
    fn is_newer_than(&self, asked: &Asked) -> bool {
        self.call_id == asked.call_id && self.cseq >= asked.cseq
    }
}

/// What a REGISTER asks for one Contact.
#[derive(Debug)]
struct Step {
    identity: String,
    address: NameAddr,
    contact: Uri,
    place: SipUri,
    expires: u32,
}

impl Step {
    fn read(address: &NameAddr, asked: &Asked) -> Result<Self, BindingError> {
        let place = SipUri::parse(&address.uri).map_err(|_| BindingError::Contact)?;
        if place.scheme().is_none() {
            return Err(BindingError::Contact);
        }
        Ok(Self {
            identity: identity(address, &place),
            contact: read_uri(&address.uri).ok_or(BindingError::Contact)?,
            address: address.clone(),
            place,
            expires: expires(address, asked.expires),
        })
    }

    fn bind(self, line: String, expires_at: Instant, asked: &Asked) -> Binding {
        let q = self.address.parameter("q").and_then(read_q).unwrap_or(1000);
        let mut parameters = self.address.parameters;
        parameters.retain(|(name, _)| name != "expires");
        let agent = |text: &String| text.chars().take(MAX_USER_AGENT).collect();
        Binding {
            line,
            contact: self.contact,
            contact_text: self.address.uri,
            expires_at,
            q,
            user_agent: asked.user_agent.as_ref().map(agent),
            flow: asked.flow.to(&self.place),
            source: asked.flow.destination.clone(),
            identity: self.identity,
            parameters,
            call_id: asked.call_id.clone(),
            cseq: asked.cseq,
        }
    }
}

impl Flow {
    /// Over UDP a phone that no NAT hides is reached at its Contact, all others where they came from.
    fn to(&self, contact: &SipUri) -> Self {
        let mut flow = self.clone();
        let source = self.destination.get_socketaddr().ok();
        let host = contact.host().trim_matches(['[', ']']).parse().ok();
        if self.destination.r#type == Some(Transport::Udp)
            && let (Some(source), Some(host)) = (source, host)
            && source.ip() == host
        {
            let port = contact.port().unwrap_or(5060);
            flow.destination.addr = std::net::SocketAddr::new(host, port).into();
        }
        flow
    }
}

/// The same phone: its instance (RFC 5626 section 4.1), or else its address (RFC 3261 section 19.1.4).
fn identity(address: &NameAddr, place: &SipUri) -> String {
    if let Some(instance) = address.parameter("+sip.instance") {
        return format!("{instance} {}", address.parameter("reg-id").unwrap_or_default());
    }
    let scheme = place.scheme().map_or("", |it| it.name());
    let user = place.user().unwrap_or_default();
    let port = place.port().map(|port| port.to_string()).unwrap_or_default();
    let transport = place.parameter("transport").unwrap_or_default().to_ascii_lowercase();
    format!("{scheme}:{user}@{}:{port};{transport}", place.host())
}

/// RFC 3261 section 10.3 step 7: what cannot be read counts as 3600.
fn expires(address: &NameAddr, header: Option<u32>) -> u32 {
    let own = address.parameter("expires").map(|text| text.parse().unwrap_or(MAX_EXPIRES));
    own.or(header).unwrap_or(MAX_EXPIRES).min(MAX_EXPIRES)
}

/// 0 to 1 with three digits (RFC 3261 section 25.1), as thousandths.
fn read_q(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok()?;
    let digits = format!("{fraction:0<3}");
    let fraction: u16 = digits.get(..3)?.parse().ok()?;
    Some((whole.min(1) * 1000 + fraction).min(1000))
}

/// The stack escapes the user when it writes a URI, so it is to hold it without escapes.
fn read_uri(text: &str) -> Option<Uri> {
    let mut uri = Uri::try_from(text).ok()?;
    if let Some(auth) = &mut uri.auth {
        auth.user = unescape(&auth.user)?;
    }
    uri.headers.clear();
    Some(uri)
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
