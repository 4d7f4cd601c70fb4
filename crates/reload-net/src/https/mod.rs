//! An HTTPS client for enrollment and configuration (sections 11.2 and 11.3): one request a
//! connection, bounded in time and size, no redirects, no cookies. It reads no configuration and makes no form.

mod error;
mod target;
mod verifier;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use error::HttpsError;
use target::Target;

/// The largest answer: a configuration of many kinds and certificates is far below.
const MAX_BODY: usize = 4 << 20;
/// Time for a whole exchange, name look-up included.
const TIME: Duration = Duration::from_secs(30);
/// Time for one of several servers to accept a connection, before the next is tried.
const DIAL_TIME: Duration = Duration::from_secs(5);

/// A client with its roots of trust.
#[derive(Clone)]
pub struct HttpsClient {
    config: Arc<ClientConfig>,
    servers: Vec<(String, u16)>,
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
    /// The ETag field as it came, for [`HttpsClient::get_if_changed`].
    pub etag: Option<String>,
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
        let config = Arc::new(config);
        Ok(Self { config, servers: Vec::new(), max_body: MAX_BODY, time: TIME })
    }

    /// Other bounds than 4 MiB and 30 s.
    #[must_use]
    pub fn with_limits(mut self, max_body: usize, time: Duration) -> Self {
        self.max_body = max_body;
        self.time = time;
        self
    }

    /// Connects to these servers, in turn until one accepts, whatever the host of a URL is. The server
    /// must show the name of that host all the same (section 11.2, E95).
    #[must_use]
    pub fn at(mut self, servers: Vec<(String, u16)>) -> Self {
        self.servers = servers;
        self
    }

    /// GET.
    ///
    /// # Errors
    /// [`HttpsError`]; a status of 400 and more is an answer, not an error.
    pub async fn get(&self, url: &str, accept: &str) -> Result<HttpsResponse, HttpsError> {
        self.get_with(url, &[(ACCEPT, accept)]).await
    }

    /// GET of what is not there yet: the answer is 304 without a body while the server has the one
    /// with this `etag`.
    ///
    /// # Errors
    /// As [`HttpsClient::get`].
    pub async fn get_if_changed(
        &self,
        url: &str,
        accept: &str,
        etag: &str,
    ) -> Result<HttpsResponse, HttpsError> {
        self.get_with(url, &[(ACCEPT, accept), (IF_NONE_MATCH, etag)]).await
    }

    async fn get_with(
        &self,
        url: &str,
        fields: &[(HeaderName, &str)],
    ) -> Result<HttpsResponse, HttpsError> {
        let target = Target::parse(url)?;
        let request = target.request(Method::GET);
        let request =
            fields.iter().fold(request, |request, (name, value)| request.header(name, *value));
        self.exchange(target, request.body(Full::default())).await
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
        let stream = self.dial(target).await;
        let stream = stream.map_err(|error| HttpsError::connect(&target.url, error))?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| HttpsError::BadUrl { url: target.url.clone() })?;
        let tls = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await;
        tls.map_err(|error| HttpsError::tls(&target.url, error))
    }

    async fn dial(&self, target: &Target) -> io::Result<TcpStream> {
        let Some((last, others)) = self.servers.split_last() else {
            return TcpStream::connect((target.host.as_str(), target.port)).await;
        };
        for (host, port) in others {
            match timeout(DIAL_TIME, TcpStream::connect((host.as_str(), *port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => tracing::debug!("{host}:{port} for {}: {error}", target.url),
                Err(_) => tracing::debug!("{host}:{port} for {}: no answer", target.url),
            }
        }
        TcpStream::connect((last.0.as_str(), last.1)).await
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
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
            return Err(HttpsError::Redirect { url: target.url.clone(), status: status.as_u16() });
        }
        let field = |name: HeaderName| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let (content_type, etag) = (field(CONTENT_TYPE), field(ETAG));
        let body = Limited::new(response.into_body(), self.max_body).collect().await;
        let body = body.map_err(|error| HttpsError::body(&target.url, self.max_body, &*error))?;
        Ok(HttpsResponse { status: status.as_u16(), content_type, etag, body: body.to_bytes() })
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsClient").field("max_body", &self.max_body).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let line = HttpsClient::new(Some(b"nothing"), None).unwrap_err().to_string();
        assert_eq!(line, "the CA file holds no certificate in PEM");
    }
}
