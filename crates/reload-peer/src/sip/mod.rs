//! The SIP side of a running node (RFC 7904): the proxy for the phones of its user, the registration of
//! that user in the overlay, and what joins both with the node. SIP itself is in `reload-sip-proxy`, what
//! is stored and fetched in `reload-usages`.

mod lookup;
mod overlay;
mod pipe;
mod plan;
mod registration;
mod saved;
mod tls;
mod work;

pub(crate) use lookup::resolve;
pub(crate) use plan::SipPlan;
pub(crate) use registration::Registration;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use reload_sip_proxy::{Listening, Overlay, Proxy, StartError};
use reload_usages::sip::{Aor, Gruu};
use tokio::time::timeout;

use crate::home::Home;
use crate::running::Running;
use overlay::OverlayOf;

/// Time to end calls and to remove the registration at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The reason, and the options that help.
fn advised(error: StartError) -> anyhow::Error {
    let advice = match error {
        StartError::NeedsPassword(_) => "give --sip-password-file",
        StartError::Listen { .. } => "give another address with --sip or --sip-tls",
        StartError::Tls(_) => "check --sip-tls-cert and --sip-tls-key",
        StartError::Phones(_) => return error.into(),
    };
    anyhow!("{error}: {advice}")
}

/// The SIP side at work. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sip {
    aor: Aor,
    gruu: Gruu,
    needs_password: bool,
    /// Where phones reach the proxy.
    listening: Listening,
    registration: Registration,
    /// None once it has been told to end.
    proxy: Arc<Mutex<Option<Proxy>>>,
}

impl Sip {
    /// Starts registration and proxy beside a node that may still be joining.
    ///
    /// # Errors
    /// One line: an address is in use, a certificate is none.
    pub(crate) async fn start(node: &Running, home: &Home, plan: SipPlan) -> anyhow::Result<Self> {
        let SipPlan { aor, settings, offers, .. } = plan;
        let registration = Registration::start(node.clone(), home.clone(), settings.wants)?;
        let overlay =
            OverlayOf::new(node.clone(), aor.clone(), registration.clone(), offers).await?;
        let (gruu, needs_password) = (overlay.gruu(), settings.password.is_some());
        let proxy = Proxy::start(settings, Arc::new(overlay)).await.map_err(advised)?;
        let listening = proxy.listening();
        let proxy = Arc::new(Mutex::new(Some(proxy)));
        Ok(Self { aor, gruu, needs_password, listening, registration, proxy })
    }

    /// The user whose phones are served.
    pub(crate) const fn aor(&self) -> &Aor {
        &self.aor
    }

    /// The address of this device of the user.
    pub(crate) const fn gruu(&self) -> &Gruu {
        &self.gruu
    }

    /// Whether phones have to know a password.
    pub(crate) const fn needs_password(&self) -> bool {
        self.needs_password
    }

    /// Where phones reach the proxy.
    pub(crate) const fn listening(&self) -> Listening {
        self.listening
    }

    /// The registration of the user.
    pub(crate) const fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Asks the proxy; none when it has ended.
    pub(crate) fn proxy<T>(&self, ask: impl FnOnce(&Proxy) -> T) -> Option<T> {
        self.lock().as_ref().map(ask)
    }

    /// Ends the proxy and takes the registration of this node out of the overlay, as long as the node is
    /// in it. A forward stays.
    pub(crate) async fn stop(&self) {
        let proxy = self.lock().take();
        let farewell = async {
            if let Some(proxy) = proxy {
                proxy.shutdown().await;
            }
            self.registration.leave().await;
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!(
                "the SIP registration could not be removed in time: it expires by itself"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Proxy>> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sip").field("aor", &self.aor).finish_non_exhaustive()
    }
}
