//! The registrar for the phones of this node's user (RFC 3261 section 10.3): checks, bindings, and one
//! registration of the node in the overlay as long as there is a phone (RFC 7904 section 3.1).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reload_usages::sip::{Aor, Scheme};
use rsipstack::platform::CancellationToken;
use rsipstack::sip::{HasHeaders, Header, HeadersExt, Request, StatusCode, Uri};
use rsipstack::transaction::Transaction;
use rsipstack::transaction::random_text;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::bindings::{
    Asked, Binding, BindingError, Bindings, Change, Contacts, Flow, MIN_EXPIRES,
};
use super::digest::{Asks, Authenticator, Verdict};
use super::kept::PhoneFile;
use super::name_addr::NameAddr;
use crate::overlay::{Overlay, OverlayError};

/// Characters of the name of a phone in a GRUU: enough that nobody finds one by trying.
const LINE_LENGTH: usize = 12;
/// Seconds after which a phone may try again when the overlay could not be reached.
const RETRY_AFTER: u32 = 30;

/// The registrar.
pub(crate) struct Registrar {
    overlay: Arc<dyn Overlay>,
    authenticator: Arc<Authenticator>,
    /// The scheme that others are to use, if only one.
    wants: Option<Scheme>,
    bindings: Mutex<Bindings>,
    /// The file that keeps the phones, if they are kept.
    file: tokio::sync::Mutex<Option<PhoneFile>>,
    has_changed: Notify,
    /// Changes that the overlay is to hear of.
    changes: AtomicU64,
    /// Held while a Store runs; those who wait for it are covered by the next one together.
    stored: tokio::sync::Mutex<Stored>,
}

/// The last Store that has been answered.
#[derive(Default)]
struct Stored {
    /// The change up to which it covers all.
    covers: u64,
    result: Option<Result<u32, OverlayError>>,
}

/// A REGISTER that is not done, and the answer to it.
struct Refusal {
    status: StatusCode,
    headers: Vec<Header>,
}

impl Registrar {
    /// No phones yet.
    pub(crate) fn new(
        overlay: Arc<dyn Overlay>,
        authenticator: Arc<Authenticator>,
        wants: Option<Scheme>,
    ) -> Arc<Self> {
        Arc::new(Self {
            overlay,
            authenticator,
            wants,
            bindings: Mutex::default(),
            file: tokio::sync::Mutex::default(),
            has_changed: Notify::new(),
            changes: AtomicU64::new(0),
            stored: tokio::sync::Mutex::default(),
        })
    }

    /// Takes up the phones in this file, which are reached over this connection, and keeps them there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) async fn keep_in(&self, file: PhoneFile, udp: &SipConnection) -> io::Result<()> {
        let phones = file.read()?;
        self.bindings().restore(Instant::now().into_std(), phones, udp);
        *self.file.lock().await = Some(file);
        Ok(())
    }

    /// Answers a REGISTER of a phone.
    pub(crate) async fn handle(&self, mut transaction: Transaction) {
        let (status, headers) =
            match self.on_register(&transaction.original, flow(&transaction)).await {
                Ok(contacts) => (StatusCode::OK, contacts),
                Err(refusal) => (refusal.status, refusal.headers),
            };
        debug!(%status, "REGISTER answered");
        transaction.reply_with(status, headers, None).await.ok();
        // what is repeated later is answered by the stack
        while transaction.receive().await.is_some() {}
    }

    /// The phones, the one with the highest q first.
    pub(crate) fn phones(&self) -> Vec<Binding> {
        self.bindings().live(Instant::now().into_std())
    }

    /// The phone of this name.
    pub(crate) fn by_line(&self, line: &str) -> Option<Binding> {
        self.phones().into_iter().find(|it| it.line == line)
    }

    /// The name of the phone whose Contact this is, or that sends from there.
    pub(crate) fn line_of(&self, contact: &Uri, from: &SipAddr) -> Option<String> {
        let phones = self.phones();
        let same = |it: &&Binding| {
            it.contact.auth == contact.auth && it.contact.host_with_port == contact.host_with_port
        };
        let found = phones.iter().find(same).or_else(|| phones.iter().find(|it| it.is_at(from)));
        found.map(|it| it.line.clone())
    }

    /// The phone that has registered from this address.
    pub(crate) fn of_source(&self, from: &SipAddr) -> Option<Binding> {
        self.phones().into_iter().find(|it| it.is_at(from))
    }

    /// Forgets phones when their time is over, and takes the registration away with the last one.
    pub(crate) async fn run(self: Arc<Self>, end: CancellationToken) {
        // the phones of an earlier run
        let mut announce = (!self.phones().is_empty()).then(Instant::now);
        loop {
            let wakeup = self.bindings().wakeup().map(Instant::from_std);
            tokio::select! {
                () = end.cancelled() => return,
                () = self.has_changed.notified() => {}
                () = sleep_until(announce) => {
                    let retry = Instant::now() + Duration::from_secs(RETRY_AFTER.into());
                    announce = self.store().await.is_err().then_some(retry);
                }
                () = sleep_until(wakeup) => self.on_timeout().await,
            }
        }
    }

    async fn on_timeout(&self) {
        let is_last = {
            let mut bindings = self.bindings();
            let now = Instant::now().into_std();
            bindings.expire(now) && bindings.longest(now) == 0
        };
        if is_last && let Err(error) = self.store().await {
            debug!(%error, "the registration was not removed");
        }
    }

    /// Writes the phones to the file, before their REGISTERs are answered.
    async fn write_down(&self) {
        let file = self.file.lock().await;
        let Some(file) = file.as_ref().cloned() else { return };
        let phones = self.bindings().kept(Instant::now().into_std());
        let written = tokio::task::spawn_blocking(move || file.write(&phones)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "the phones are not kept");
        }
    }

    async fn on_register(
        &self,
        request: &Request,
        flow: Option<Flow>,
    ) -> Result<Vec<Header>, Refusal> {
        let flow = flow.ok_or_else(|| Refusal::new(500, "the connection is gone"))?;
        let asked = asked(request, flow)?;
        self.check_credentials(request, &asked.flow)?;
        self.check(request)?;
        let (call_id, cseq) = (asked.call_id.clone(), asked.cseq);
        let change = self.change(asked)?;
        let is_last = change.removed && self.bindings().longest(Instant::now().into_std()) == 0;
        if (change.lengthened || is_last)
            && let Err(error) = self.store().await
        {
            if change.added {
                self.bindings().undo(&call_id, cseq);
            }
            return Err(error.into());
        }
        if change.removed {
            self.write_down().await;
        }
        let now = Instant::now().into_std();
        let contacts = self.phones().into_iter().map(|it| it.to_contact(now));
        Ok(contacts.map(|it| Header::Contact(it.into())).collect())
    }

    fn check_credentials(&self, request: &Request, flow: &Flow) -> Result<(), Refusal> {
        let source = flow.destination.get_socketaddr();
        let source = source.map_err(|error| Refusal::new(500, &error.to_string()))?;
        match self.authenticator.check(request, source, Asks::Registrar) {
            Verdict::Passed => Ok(()),
            Verdict::Challenge(status, headers) => Err(Refusal { status, headers }),
            Verdict::Refused(status) => Err(Refusal { status, headers: Vec::new() }),
        }
    }

    /// Only this node's user, by itself: others could not be stored (RFC 7904 appendix A).
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        let to = request.to_header().map(|to| aor_of(to.value()));
        let from = request.from_header().map(|from| aor_of(from.value()));
        let own = self.overlay.aor();
        for user in [to, from] {
            match user {
                Ok(Some(user)) if user == *own => {}
                Ok(_) => return Err(Refusal::new(403, &format!("this peer serves {own} only"))),
                Err(error) => return Err(Refusal::new(400, &error.to_string())),
            }
        }
        let required = request.headers().iter().filter_map(|header| match header {
            Header::Require(it) => Some(Header::Unsupported(it.value().into())),
            _ => None,
        });
        let headers: Vec<_> = required.collect();
        if headers.is_empty() {
            return Ok(());
        }
        Err(Refusal { status: StatusCode::BadExtension, headers })
    }

    fn change(&self, asked: Asked) -> Result<Change, Refusal> {
        let now = Instant::now().into_std();
        let change = self.bindings().register(now, asked, || random_text(LINE_LENGTH))?;
        self.has_changed.notify_one();
        Ok(change)
    }

    /// Tells the overlay how long the last phone stays: one Store for all who wait.
    async fn store(&self) -> Result<u32, OverlayError> {
        let mine = self.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut stored = self.stored.lock().await;
        if stored.covers >= mine
            && let Some(result) = &stored.result
        {
            return result.clone();
        }
        let covers = self.changes.load(Ordering::SeqCst);
        let expires = self.bindings().longest(Instant::now().into_std());
        let result = self.overlay.register(expires, self.wants).await;
        if result.is_ok() {
            self.write_down().await;
        }
        *stored = Stored { covers, result: Some(result.clone()) };
        result
    }

    fn bindings(&self) -> MutexGuard<'_, Bindings> {
        self.bindings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Binding {
    fn is_at(&self, from: &SipAddr) -> bool {
        self.source == *from
    }
}

impl Refusal {
    fn new(code: u16, reason: &str) -> Self {
        Self { status: StatusCode::Other(code, reason.to_owned()), headers: Vec::new() }
    }
}

impl From<BindingError> for Refusal {
    fn from(error: BindingError) -> Self {
        let code = match error {
            BindingError::Contact | BindingError::Star => 400,
            BindingError::TooBrief => 423,
            BindingError::OutOfOrder => 500, // RFC 3261 section 10.3 step 7
            BindingError::TooMany => 403,
        };
        let mut refusal = Self::new(code, &error.to_string());
        if error == BindingError::TooBrief {
            refusal.headers.push(Header::MinExpires(MIN_EXPIRES.to_string().into()));
        }
        refusal
    }
}

impl From<OverlayError> for Refusal {
    fn from(error: OverlayError) -> Self {
        let refused = matches!(error, OverlayError::Refused(_) | OverlayError::Address(_));
        let mut refusal = Self::new(if refused { 403 } else { 503 }, &error.to_string());
        if !refused {
            refusal.headers.push(Header::RetryAfter(RETRY_AFTER.to_string().into()));
        }
        refusal
    }
}

/// The user that a From or To names; none if that is no AOR.
fn aor_of(value: &str) -> Option<Aor> {
    Aor::parse(&NameAddr::parse(value)?.uri).ok()
}

/// Where a request has come from.
fn flow(transaction: &Transaction) -> Option<Flow> {
    let connection = transaction.connection.clone()?;
    let destination = connection.get_remote_addr()?.clone();
    Some(Flow { connection, destination })
}

fn asked(request: &Request, flow: Flow) -> Result<Asked, Refusal> {
    let malformed = |error: rsipstack::sip::Error| Refusal::new(400, &error.to_string());
    Ok(Asked {
        contacts: contacts(request).ok_or(BindingError::Contact)?,
        expires: header(request, |it| matches!(it, Header::Expires(_)))
            .map(|text| text.trim().parse().unwrap_or(3600)),
        call_id: request.call_id_header().map_err(malformed)?.value().to_owned(),
        cseq: request.cseq_header().and_then(|it| it.seq()).map_err(malformed)?,
        user_agent: header(request, |it| matches!(it, Header::UserAgent(_))).map(str::to_owned),
        flow,
    })
}

/// The Contacts of a REGISTER; none if they cannot be read, or are `*` and others.
fn contacts(request: &Request) -> Option<Contacts> {
    let lines = request.headers().iter().filter_map(|header| match header {
        Header::Contact(contact) => Some(contact.value().trim()),
        _ => None,
    });
    let lines: Vec<_> = lines.collect();
    if lines == ["*"] {
        return Some(Contacts::All);
    }
    let mut contacts = Vec::new();
    for line in lines {
        contacts.extend(NameAddr::parse_list(line)?);
    }
    Some(Contacts::These(contacts))
}

fn header(request: &Request, is_it: impl Fn(&Header) -> bool) -> Option<&str> {
    request.headers().iter().find(|header| is_it(header)).map(Header::value)
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
