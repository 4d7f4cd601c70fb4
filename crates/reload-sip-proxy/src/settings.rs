//! What the operator of a proxy may choose, and the bounds of everything it keeps.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use reload_usages::sip::Scheme;

/// How a proxy is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where phones reach it, by UDP and by TCP; port 0 is any that both have free.
    pub listen: SocketAddr,
    /// Where phones reach it by TLS, if they may.
    pub tls: Option<TlsListen>,
    /// The password of the phones. Without one only phones on this machine are served.
    pub password: Option<String>,
    /// The next hop of the ordinary SIP world: for the users of other domains, and the only outside
    /// address that may call in.
    pub route: Option<SocketAddr>,
    /// How the media of calls goes.
    pub media: MediaMode,
    /// The ports for media that face the phones; any free ones without it.
    pub media_ports: Option<RangeInclusive<u16>>,
    /// The scheme that other peers are to use, if only one (RFC 7904 section 5.1).
    pub wants: Option<Scheme>,
    /// The file that keeps the phones over a restart, if they are to be kept.
    pub phones: Option<PathBuf>,
    /// The bounds.
    pub limits: Limits,
}

impl Settings {
    /// Phones on this machine only, no outside route, media as it fits.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            password: None,
            route: None,
            media: MediaMode::Auto,
            media_ports: None,
            wants: None,
            phones: None,
            limits: Limits::default(),
        }
    }
}

/// Where TLS is spoken with phones, and as whom.
#[derive(Clone, Debug)]
pub struct TlsListen {
    /// The address.
    pub listen: SocketAddr,
    /// The certificate and those above it.
    pub certificate_pem: String,
    /// Its key.
    pub key_pem: String,
}

/// How the media of calls goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaMode {
    /// The proxies carry it.
    Relay,
    /// The phones send it to each other.
    Direct,
    /// The proxies carry it where the phones cannot reach each other.
    #[default]
    Auto,
}

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that are being answered at one time, a quarter of them for one other peer; 503 beyond.
    pub transactions: usize,
    /// Dialogs that are known at one time.
    pub dialogs: usize,
    /// Bytes of messages in the trace.
    pub trace: usize,
    /// Redirections that are followed in one call.
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // 50 calls a second that ring for 20 s each are 1,000 requests, of some 70 kB each
        Self { transactions: 4_096, dialogs: 16_384, trace: 4 << 20, redirects: 5 }
    }
}
