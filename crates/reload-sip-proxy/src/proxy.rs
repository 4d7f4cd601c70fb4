//! A running proxy: its start, what can be asked of it, its end.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::{Call, Overlay, Settings, StartError, TraceEntry};

/// A running proxy. It stops when dropped.
pub struct Proxy {
    listening: Listening,
}

/// Where phones reach a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// By UDP.
    pub udp: SocketAddr,
    /// By TCP.
    pub tcp: SocketAddr,
    /// By TLS, if they may.
    pub tls: Option<SocketAddr>,
}

/// A phone that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// Its contact, as it gave it.
    pub contact: String,
    /// Seconds until it has to register again.
    pub expires_in: u32,
    /// What it says that it is.
    pub user_agent: Option<String>,
    /// `UDP`, `TCP` or `TLS`.
    pub transport: String,
}

impl Proxy {
    /// Starts it.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: Settings, overlay: Arc<dyn Overlay>) -> Result<Self, StartError> {
        let _ = overlay;
        Err(StartError::Listen { address: settings.listen, reason: "not built yet".to_owned() })
    }

    /// Where phones reach it.
    #[must_use]
    pub fn listening(&self) -> Listening {
        self.listening
    }

    /// The phones that are registered.
    #[must_use]
    pub fn phones(&self) -> Vec<Phone> {
        Vec::new()
    }

    /// The calls that there are.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        Vec::new()
    }

    /// The last messages, of one call or of all.
    #[must_use]
    pub fn trace(&self, call_id: Option<&str>) -> Vec<TraceEntry> {
        let _ = call_id;
        Vec::new()
    }

    /// Ends it: phones get no answer any more, and the connections to other peers close.
    pub async fn shutdown(self) {}
}
