//! An HTTPS client for enrollment and configuration (sections 11.2 and 11.3): one request a
//! connection, bounded in time and size, no redirects, no cookies. It reads no configuration and makes no form.

mod error;
mod verifier;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use error::HttpsError;

/// The largest answer: a configuration of many kinds and certificates is far below.
const MAX_BODY: usize = 4 << 20;
/// Time for a whole exchange, name look-up included.
const TIME: Duration = Duration::from_secs(30);
/// The port of https URLs.
const PORT: u16 = 443;

/// A client with its roots of trust.
#[derive(Clone)]
pub struct HttpsClient {
    config: Arc<ClientConfig>,
    max_body: usize,
    time: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsResponse {
    /// The status code.
    pub status: u16,
    /// The Content-Type field as it came.
    pub content_type: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

impl HttpsClient {
    /// Trusts the certificates in `ca_pem`, or those of the system only if there is no `ca_pem`. The
    /// server may show the name of its host (RFC 2818) or that of `overlay` (section 11.3, E20).
    ///
    /// # Errors
    /// No usable certificate in `ca_pem` or in the system.
    pub fn new(ca_pem: Option<&[u8]>, overlay: Option<&str>) -> Result<Self, HttpsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = verifier::NameVerifier::new(ca_pem, overlay, &provider)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(HttpsError::Setup)?
            .dangerous() // webpki verifies; ours only tries a second name
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), max_body: MAX_BODY, time: TIME })
    }

    /// Other bounds than 4 MiB and 30 s.
    #[must_use]
    pub fn with_limits(mut self, max_body: usize, time: Duration) -> Self {
        self.max_body = max_body;
        self.time = time;
        self
    }

    /// GET.
    ///
    /// # Errors
    /// [`HttpsError`]; a status of 400 and more is an answer, not an error.
    pub async fn get(&self, url: &str, accept: &str) -> Result<HttpsResponse, HttpsError> {
        let target = Target::parse(url)?;
        let request = target.request(Method::GET).header(ACCEPT, accept).body(Full::default());
        self.exchange(target, request).await
    }

    /// POST of a body that is made already, as of a multipart form.
    ///
    /// # Errors
    /// [`HttpsError`]; a status of 400 and more is an answer, not an error.
    pub async fn post(
        &self,
        url: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<HttpsResponse, HttpsError> {
        let target = Target::parse(url)?;
        let request = target
            .request(Method::POST)
            .header(CONTENT_TYPE, content_type)
            .header(ACCEPT, "*/*")
            .body(Full::new(body));
        self.exchange(target, request).await
    }

    async fn exchange(
        &self,
        target: Target,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<HttpsResponse, HttpsError> {
        let request = request.map_err(|_| HttpsError::BadUrl { url: target.url.clone() })?;
        let work = async {
            let stream = self.connect(&target).await?;
            let response = self.send(&target, stream, request).await?;
            self.read(&target, response).await
        };
        match timeout(self.time, work).await {
            Ok(result) => result,
            Err(_) => Err(HttpsError::Timeout { url: target.url.clone(), time: self.time }),
        }
    }

    async fn connect(&self, target: &Target) -> Result<TlsStream<TcpStream>, HttpsError> {
        let address = (target.host.as_str(), target.port);
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| HttpsError::connect(&target.url, error))?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| HttpsError::BadUrl { url: target.url.clone() })?;
        let tls = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await;
        tls.map_err(|error| HttpsError::tls(&target.url, error))
    }

    async fn send(
        &self,
        target: &Target,
        stream: TlsStream<TcpStream>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<hyper::body::Incoming>, HttpsError> {
        let broken = |error| HttpsError::http(&target.url, error);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the exchange, when both its halves are dropped.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    async fn read(
        &self,
        target: &Target,
        response: Response<hyper::body::Incoming>,
    ) -> Result<HttpsResponse, HttpsError> {
        let status = response.status();
        if status.is_redirection() {
            return Err(HttpsError::Redirect { url: target.url.clone(), status: status.as_u16() });
        }
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|text| text.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), self.max_body).collect().await;
        let body = body.map_err(|error| HttpsError::body(&target.url, self.max_body, &*error))?;
        Ok(HttpsResponse { status: status.as_u16(), content_type, body: body.to_bytes() })
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").field("max_body", &self.max_body).finish_non_exhaustive()
    }
}

/// Where the configuration of an overlay is when no URL was given: DNS would tell (section 11.2).
///
/// # Errors
/// Always, for now: the error says what to give instead.
pub fn discover(overlay: &str) -> Result<String, HttpsError> {
    Err(HttpsError::NoDiscovery { overlay: overlay.to_owned() })
}

/// A URL taken apart.
struct Target {
    url: String,
    uri: Uri,
    host: String,
    port: u16,
}

impl Target {
    fn parse(url: &str) -> Result<Self, HttpsError> {
        let bad = || HttpsError::BadUrl { url: url.to_owned() };
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some(_) => return Err(HttpsError::NotHttps { url: url.to_owned() }),
            None => return Err(bad()),
        }
        let host = uri.host().ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { url: url.trim().to_owned(), port: uri.port_u16().unwrap_or(PORT), host, uri })
    }

    fn request(&self, method: Method) -> hyper::http::request::Builder {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority.rsplit('@').next().unwrap_or(authority))
            .header(USER_AGENT, concat!("reload/", env!("CARGO_PKG_VERSION")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_urls_with_a_host_are_taken() {
        let error = |url| Target::parse(url).err().unwrap().to_string();
        assert_eq!(error("http://example.org/"), "http://example.org/: only https is used");
        assert_eq!(error("example.org"), "example.org is no https URL");
        let target = Target::parse(" https://[::1]:8443/a?b ").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8443));
        assert_eq!(Target::parse("https://h").unwrap().port, 443);
    }

    #[test]
    fn discovery_by_dns_says_what_to_give() {
        let line = discover("example.org").unwrap_err().to_string();
        assert!(line.contains("--config-url") && line.contains("example.org"), "{line}");
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let line = HttpsClient::new(Some(b"nothing"), None).unwrap_err().to_string();
        assert_eq!(line, "the CA file holds no certificate in PEM");
    }
}
