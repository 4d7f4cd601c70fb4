//! A raw HTTPS client, and the peer's side of an enrollment.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use reload_config::{Configuration, Leniency, OverlayDocument};
use reload_enroll::{
    CertificateError, EncodedForm, EnrollmentAnswer, EnrollmentFailure, EnrollmentForm,
    ExpectedCertificate, check_certificate, read_answer,
};
use reload_identity::{
    Algorithm, KeyPair, Signers, Trust, VerifiedCertificate, verify_configuration,
};
use reload_wire::UnixTime;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

pub(crate) const OVERLAY: &str = "overlay.example.org";
pub(crate) const ALICE: &str = "alice@overlay.example.org";
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) fn now() -> UnixTime {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    UnixTime(u64::try_from(since.as_millis()).unwrap())
}

/// An answer of the server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A client that trusts the HTTPS root of a home and asks for the overlay name.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Client {
    pub(crate) fn new(home: &Path, address: SocketAddr) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = std::fs::read(home.join("https-ca.pem")).unwrap();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, tls: TlsConnector::from(Arc::new(config)) }
    }

    pub(crate) async fn send(&self, name: &'static str, request: Request<Full<Bytes>>) -> Answer {
        let tcp = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let stream = TokioIo::new(self.tls.connect(name, tcp).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let (status, retry_after) = (response.status().as_u16(), header("retry-after"));
        let etag = header("etag");
        let content_type = header("content-type").unwrap_or_default();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        driver.abort();
        Answer { status, content_type, retry_after, etag, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("host", OVERLAY).body(Full::default());
        self.send(OVERLAY, request.unwrap()).await
    }

    pub(crate) async fn get_if_none_match(&self, path: &str, etags: &str) -> Answer {
        let request = Request::get(path).header("host", OVERLAY).header("if-none-match", etags);
        self.send(OVERLAY, request.body(Full::default()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header("host", OVERLAY)
            .header("content-type", content_type)
            .header("accept", "application/pkix-cert")
            .body(Full::from(body));
        self.send(OVERLAY, request.unwrap()).await
    }

    pub(crate) async fn form(&self, form: &EnrollmentForm) -> Answer {
        let EncodedForm { content_type, body } = form.encode();
        self.post("/enroll", &content_type, body).await
    }

    /// The configuration, verified as a peer does at its first use.
    pub(crate) async fn configuration(&self) -> Configuration {
        let answer = self.get("/.well-known/reload-config").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.content_type, "application/p2p-overlay+xml");
        let document = OverlayDocument::parse(&answer.body).unwrap();
        let (first, strict) = (Signers::FirstUse, Leniency::Strict);
        verify_configuration(&document, OVERLAY, first, strict, now())
            .unwrap()
            .configuration
            .clone()
    }

    /// A whole enrollment with a new key.
    pub(crate) async fn enroll(
        &self,
        change: impl FnOnce(&mut EnrollmentForm),
    ) -> Result<Arc<VerifiedCertificate>, EnrollmentFailure> {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let mut form = form(key.csr(ALICE).unwrap());
        change(&mut form);
        let answer = self.form(&form).await;
        match read_answer(answer.status, Some(&answer.content_type), answer.body) {
            EnrollmentAnswer::Refused(failure) => Err(failure),
            EnrollmentAnswer::Certificate(der) => {
                Ok(self.check(&der, &key, form.nodeids).await.unwrap())
            }
        }
    }

    pub(crate) async fn check(
        &self,
        der: &Bytes,
        key: &KeyPair,
        nodeids: u32,
    ) -> Result<Arc<VerifiedCertificate>, CertificateError> {
        let trust = Trust::new(&self.configuration().await, Leniency::Strict).unwrap();
        let expected = ExpectedCertificate { public_key: key.spki(), user: Some(ALICE), nodeids };
        check_certificate(der, &trust, &expected, now())
    }
}

/// A form of alice.
pub(crate) fn form(csr: Vec<u8>) -> EnrollmentForm {
    let mut form = EnrollmentForm::new(csr);
    form.username = Some(ALICE.into());
    form.password = Some(PASSWORD.into());
    form
}
