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
        let knows = given.as_ref().map_or(Algorithm::Md5, |it| it.algorithm);
        let Some(given) = given.filter(|it| self.is_right(it, request, password)) else {
            return self.challenge(now, asks, knows, false);
        };
        let used = self.nonces().spend(now, &given.nonce, given.count);
        match used {
            Use::Fresh => Verdict::Passed,
            Use::Stale => self.challenge(now, asks, knows, true),
            Use::Unknown | Use::Repeated => self.challenge(now, asks, knows, false),
        }
    }

    /// Takes the credentials for this node away: nobody behind it is to see them.
    pub(crate) fn strip(&self, request: &mut Request) {
        request.headers_mut().retain(|header| match header {
            Header::Authorization(_) | Header::ProxyAuthorization(_) => {
                // what cannot be read may be ours
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

    /// One header for each algorithm, the better one first (RFC 8760 section 2.4); but phones of today
    /// give up at the sight of another than MD5, so SHA-256 is for those that have shown to know it.
    fn challenge(&self, now: Instant, asks: Asks, knows: Algorithm, is_stale: bool) -> Verdict {
        let nonce = self.nonces().issue(now);
        let stale = if is_stale { ", stale=true" } else { "" };
        let offered: &[_] = match knows {
            Algorithm::Md5 => &[Algorithm::Md5],
            Algorithm::Sha256 => &[Algorithm::Sha256, Algorithm::Md5],
        };
        let header = |algorithm: &Algorithm| {
            asks.header(format!(
                "Digest realm=\"{}\", nonce=\"{nonce}\", qop=\"auth\", algorithm={}{stale}",
                self.realm,
                algorithm.name(),
            ))
        };
        Verdict::Challenge(asks.status(), offered.iter().map(header).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "127.0.0.1:5070";
    const ELSEWHERE: &str = "192.0.2.7:5070";

    fn authenticator(password: Option<&str>) -> Authenticator {
        Authenticator::new(&Aor::parse("alice@o.example").unwrap(), password)
    }

    fn request(method: &str, headers: &str) -> Request {
        let text = format!("{method} sip:o.example SIP/2.0\r\nCall-ID: c1\r\n{headers}\r\n");
        Request::try_from(text.as_str()).unwrap()
    }

    fn check(authenticator: &Authenticator, request: &Request, asks: Asks) -> Verdict {
        authenticator.check(request, ELSEWHERE.parse().unwrap(), asks)
    }

    /// A phone that answers challenges.
    struct Phone {
        user: &'static str,
        password: &'static str,
        algorithm: Algorithm,
        method: &'static str,
        count: u32,
    }

    const PHONE: Phone = Phone {
        user: "alice",
        password: "secret",
        algorithm: Algorithm::Sha256,
        method: "REGISTER",
        count: 1,
    };

    impl Phone {
        fn answer(&self, header: &str, nonce: &str) -> Request {
            let count_text = format!("{:08x}", self.count);
            let credentials = Credentials {
                user: self.user.to_owned(),
                realm: "o.example".to_owned(),
                nonce: nonce.to_owned(),
                uri: "sip:o.example".to_owned(),
                response: String::new(),
                algorithm: self.algorithm,
                client_nonce: "cc".to_owned(),
                count: self.count,
                count_text: count_text.clone(),
            };
            let response = response(&credentials, self.method, self.password);
            let value = format!(
                "Digest username=\"{}\", realm=\"o.example\", nonce=\"{nonce}\", uri=\"sip:o.example\", \
                 response=\"{response}\", algorithm={}, cnonce=\"cc\", qop=auth, nc={count_text}",
                self.user,
                self.algorithm.name()
            );
            request(self.method, &format!("{header}: {value}\r\n"))
        }
    }

    /// The nonce of a challenge, and whether it says that the last one was stale.
    fn challenged(verdict: Verdict) -> (String, bool) {
        let Verdict::Challenge(_, headers) = verdict else { panic!("no challenge: {verdict:?}") };
        let value = headers[0].value().to_owned();
        let nonce = value.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        (nonce.to_owned(), value.contains("stale=true"))
    }

    fn nonce(authenticator: &Authenticator) -> String {
        challenged(check(authenticator, &request("REGISTER", ""), Asks::Registrar)).0
    }

    #[test]
    fn the_response_is_that_of_the_examples_of_rfc_7616() {
        // section 3.9.1
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let given = Credentials {
                user: "Mufasa".to_owned(),
                realm: "http-auth@example.org".to_owned(),
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
                uri: "/dir/index.html".to_owned(),
                response: String::new(),
                algorithm,
                client_nonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned(),
                count: 1,
                count_text: "00000001".to_owned(),
            };
            assert_eq!(response(&given, "GET", "Circle of Life"), expected);
        }
    }

    /// The algorithms of a challenge.
    fn offered(verdict: Verdict) -> (u16, Vec<String>) {
        let Verdict::Challenge(status, headers) = verdict else { panic!("{verdict:?}") };
        let offer = |header: &Header| {
            let algorithm = header.value().split("algorithm=").nth(1).unwrap();
            format!("{} {algorithm}", header.name())
        };
        (status.code(), headers.iter().map(offer).collect())
    }

    #[test]
    fn a_challenge_offers_what_all_phones_know() {
        let authenticator = authenticator(Some("secret"));
        for (asks, code, offer) in [
            (Asks::Registrar, 401, "WWW-Authenticate MD5"),
            (Asks::Proxy, 407, "Proxy-Authenticate MD5"),
        ] {
            let verdict = check(&authenticator, &request("REGISTER", ""), asks);
            assert_eq!(offered(verdict), (code, vec![offer.to_owned()]));
        }
    }

    #[test]
    fn a_phone_that_knows_the_better_algorithm_is_offered_it_first() {
        let authenticator = authenticator(Some("secret"));
        let answer = PHONE.answer("Authorization", "old");
        let verdict = check(&authenticator, &answer, Asks::Registrar);
        let both = ["WWW-Authenticate SHA-256", "WWW-Authenticate MD5"].map(str::to_owned);
        assert_eq!(offered(verdict), (401, both.to_vec()));
    }

    #[test]
    fn the_password_passes_with_each_algorithm_and_both_forms_of_the_name() {
        let authenticator = authenticator(Some("secret"));
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            for user in ["alice", "alice@o.example"] {
                let phone = Phone { user, algorithm, ..PHONE };
                let answer = phone.answer("Authorization", &nonce(&authenticator));
                let verdict = check(&authenticator, &answer, Asks::Registrar);
                assert_eq!(verdict, Verdict::Passed, "{user} {algorithm:?}");
            }
        }
        let phone = Phone { method: "INVITE", ..PHONE };
        let answer = phone.answer("Proxy-Authorization", &nonce(&authenticator));
        assert_eq!(check(&authenticator, &answer, Asks::Proxy), Verdict::Passed);
    }

    #[test]
    fn wrong_credentials_are_challenged_anew() {
        let authenticator = authenticator(Some("secret"));
        let wrong = [
            Phone { password: "Secret", ..PHONE },
            Phone { user: "bob", ..PHONE },
            Phone { user: "alice@p.example", ..PHONE },
        ];
        for phone in wrong {
            let answer = phone.answer("Authorization", &nonce(&authenticator));
            let verdict = check(&authenticator, &answer, Asks::Registrar);
            assert!(!challenged(verdict).1, "{}", phone.user);
        }
        let answer = PHONE.answer("Authorization", &nonce(&authenticator));
        challenged(check(&authenticator, &answer, Asks::Proxy));
        let mut other = PHONE.answer("Authorization", &nonce(&authenticator));
        other.method = Method::Invite;
        challenged(check(&authenticator, &other, Asks::Registrar));
        let foreign = PHONE.answer("Authorization", &"00".repeat(32));
        challenged(check(&authenticator, &foreign, Asks::Registrar));
    }

    #[test]
    fn what_was_overheard_does_not_pass_again() {
        let authenticator = authenticator(Some("secret"));
        let nonce = nonce(&authenticator);
        let first = PHONE.answer("Authorization", &nonce);
        assert_eq!(check(&authenticator, &first, Asks::Registrar), Verdict::Passed);
        challenged(check(&authenticator, &first, Asks::Registrar));
        let next = Phone { count: 2, ..PHONE }.answer("Authorization", &nonce);
        assert_eq!(check(&authenticator, &next, Asks::Registrar), Verdict::Passed);
    }

    #[test]
    fn right_credentials_with_an_old_nonce_are_told_that_it_is_stale() {
        let authenticator = authenticator(Some("secret"));
        let answer = PHONE.answer("Authorization", &nonce(&authenticator));
        let later = tokio::time::Instant::now().into_std() + 2 * NONCE_LIFETIME;
        let source = ELSEWHERE.parse().unwrap();
        let verdict = authenticator.check_at(later, &answer, source, Asks::Registrar);
        assert!(challenged(verdict).1);
    }

    #[test]
    fn without_a_password_only_phones_on_this_machine_pass() {
        let open = authenticator(None);
        let invite = request("INVITE", "");
        for (source, passes) in [
            (LOCAL, true),
            ("[::1]:5060", true),
            ("[::ffff:127.0.0.1]:5060", true),
            (ELSEWHERE, false),
            ("[2001:db8::1]:5060", false),
        ] {
            let verdict = open.check(&invite, source.parse().unwrap(), Asks::Proxy);
            assert_eq!(verdict == Verdict::Passed, passes, "{source}");
        }
        let local =
            authenticator(Some("secret")).check(&invite, LOCAL.parse().unwrap(), Asks::Proxy);
        challenged(local);
    }

    #[test]
    fn ack_and_cancel_are_never_challenged() {
        let authenticator = authenticator(Some("secret"));
        for method in ["ACK", "CANCEL"] {
            let verdict = check(&authenticator, &request(method, ""), Asks::Proxy);
            assert_eq!(verdict, Verdict::Passed);
        }
    }

    #[test]
    fn credentials_for_this_node_go_no_further() {
        let authenticator = authenticator(Some("secret"));
        let mut message = PHONE.answer("Proxy-Authorization", &nonce(&authenticator));
        let foreign = message.headers.iter().find(|it| it.name() == "Proxy-Authorization").unwrap();
        let foreign = foreign.value().replace("o.example", "p.example");
        message.headers.push(Header::Authorization(foreign.as_str().into()));
        message.headers.push(Header::Authorization("Digest broken".into()));
        authenticator.strip(&mut message);
        let left: Vec<_> = message.headers.iter().filter(|it| it.name().contains("Auth")).collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].value(), foreign);
    }
}
