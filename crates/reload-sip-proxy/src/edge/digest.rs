//! Digest authentication of phones (RFC 8760, RFC 7616): whoever has the password speaks for the user of
//! this node. Without a password all phones on this machine do, and no others.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use md5::{Digest, Md5};
use reload_usages::sip::Aor;
use ring::digest::SHA256;
use rsipstack::sip::{HasHeaders, Header, Method, Request, StatusCode};

use super::credentials::{Algorithm, Credentials};
use super::nonces::{Nonces, Use};

/// How long an answer to a challenge is taken.
pub(super) const NONCE_LIFETIME: Duration = Duration::from_secs(600);

/// The one who checks.
pub(crate) struct Authenticator {
    user: String,
    realm: String,
    aor: String,
    password: Option<String>,
    nonces: Mutex<Nonces>,
}

/// Whose question a challenge is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// 401 with WWW-Authenticate.
    Registrar,
    /// 407 with Proxy-Authenticate.
    Proxy,
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It comes from a phone of the user.
    Passed,
    /// It is to be sent again with credentials.
    Challenge(StatusCode, Vec<Header>),
    /// It is not served.
    Refused(StatusCode),
}

impl Authenticator {
    /// For the phones of one user.
    pub(crate) fn new(aor: &Aor, password: Option<&str>) -> Self {
        Self {
            user: aor.user().to_owned(),
            realm: aor.domain().to_owned(),
            aor: aor.as_str().to_owned(),
            password: password.map(str::to_owned),
            nonces: Mutex::new(Nonces::new()),
        }
    }

    /// Judges a request by its credentials, or by where it comes from if there is no password.
    pub(crate) fn check(&self, request: &Request, source: SocketAddr, asks: Asks) -> Verdict {
        self.check_at(tokio::time::Instant::now().into_std(), request, source, asks)
    }

    fn check_at(&self, now: Instant, request: &Request, source: SocketAddr, asks: Asks) -> Verdict {
        let Some(password) = &self.password else {
            let is_local = source.ip().to_canonical().is_loopback();
            let reason = "only phones on the machine of this peer are served without a password";
            let refused = Verdict::Refused(StatusCode::Other(403, reason.to_owned()));
            return if is_local { Verdict::Passed } else { refused };
        };
        // neither can be sent again with credentials (RFC 3261 section 22.1)
        if matches!(request.method, Method::Ack | Method::Cancel) {
            return Verdict::Passed;
        }
        let given = asks.credentials(request).filter(|it| it.realm == self.realm);
        match given {
            Some(given) if self.is_right(&given, request, password) => {
                match self.nonces().spend(now, &given.nonce, given.count) {
                    Use::Fresh => Verdict::Passed,
                    Use::Stale => self.challenge(now, asks, true),
                    Use::Unknown | Use::Repeated => self.challenge(now, asks, false),
                }
            }
            _ => self.challenge(now, asks, false),
        }
    }

    /// Takes the credentials for this node away: nobody behind it is to see them.
    pub(crate) fn strip(&self, request: &mut Request) {
        request.headers_mut().retain(|header| match header {
            Header::Authorization(_) | Header::ProxyAuthorization(_) => {
                Credentials::parse(header.value()).is_some_and(|it| it.realm != self.realm)
            }
            _ => true,
        });
    }

    fn is_right(&self, given: &Credentials, request: &Request, password: &str) -> bool {
        let is_user = given.user == self.user || given.user == self.aor;
        let expected = response(given, &request.method.to_string(), password);
        let given = given.response.to_ascii_lowercase();
        is_user & is_equal(expected.as_bytes(), given.as_bytes())
    }

    /// One header for each algorithm, the better one first (RFC 8760 section 2.4).
    fn challenge(&self, now: Instant, asks: Asks, is_stale: bool) -> Verdict {
        let nonce = self.nonces().issue(now);
        let stale = if is_stale { ", stale=true" } else { "" };
        let headers = [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| {
            asks.header(format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", qop=\"auth\", algorithm={}{stale}",
                self.realm,
                algorithm.name(),
            ))
        });
        Verdict::Challenge(asks.status(), headers.into())
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asks {
    fn status(self) -> StatusCode {
        match self {
            Self::Registrar => StatusCode::Unauthorized,
            Self::Proxy => StatusCode::ProxyAuthenticationRequired,
        }
    }

    fn header(self, value: String) -> Header {
        match self {
            Self::Registrar => Header::WwwAuthenticate(value.into()),
            Self::Proxy => Header::ProxyAuthenticate(value.into()),
        }
    }

    fn credentials(self, request: &Request) -> Option<Credentials> {
        let mut values = request.headers().iter().filter(|header| match self {
            Self::Registrar => matches!(header, Header::Authorization(_)),
            Self::Proxy => matches!(header, Header::ProxyAuthorization(_)),
        });
        values.find_map(|header| Credentials::parse(header.value()))
    }
}

/// RFC 7616 section 3.4.1, with qop=auth.
fn response(given: &Credentials, method: &str, password: &str) -> String {
    let hash = |text: String| given.algorithm.hash(text.as_bytes());
    let secret = hash(format!("{}:{}:{password}", given.user, given.realm));
    let request = hash(format!("{method}:{}", given.uri));
    let Credentials { nonce, count_text, client_nonce, .. } = given;
    hash(format!("{secret}:{nonce}:{count_text}:{client_nonce}:auth:{request}"))
}

impl Algorithm {
    fn hash(self, text: &[u8]) -> String {
        match self {
            Self::Md5 => hex::encode(Md5::digest(text)),
            Self::Sha256 => hex::encode(ring::digest::digest(&SHA256, text)),
        }
    }
}

/// In a time that does not tell where they differ.
pub(super) fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differences) == 0
}
