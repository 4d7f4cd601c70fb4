//! Enrollment by hand (section 11.3): one HTTPS POST of a form with CSR, user, password and the
//! number of Node-IDs; the answer is the certificate.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use reload_identity::{Algorithm, Credentials, KeyPair, Trust};
use reload_wire::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::link::LIMIT;

/// No line of ours begins like this.
const BOUNDARY: &str = "4d1c0f6a9b7e";

/// The enrollment service.
#[derive(Clone, Debug)]
pub struct Enrollment {
    /// Its URL, as the configuration says.
    pub url: String,
    /// The CA of its HTTPS certificate, DER.
    pub ca: Bytes,
}

impl Enrollment {
    /// Gets a certificate with that many Node-IDs.
    ///
    /// # Errors
    /// What went wrong, or what the service says.
    pub async fn enroll(
        &self,
        user: &str,
        password: &str,
        node_ids: u32,
        trust: &Trust,
        now: UnixTime,
    ) -> Result<Credentials> {
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        let body = form(user, password, node_ids, &key.csr(user)?);
        let certificate = timeout(LIMIT, self.post(&body)).await.context("no answer in time")??;
        let certificate = trust.check(&certificate, &[], now)?;
        let count = certificate.node_ids().len();
        ensure!(u32::try_from(count) == Ok(node_ids), "{user} got {count} Node-IDs");
        Ok(Credentials::new(key, certificate)?)
    }

    async fn post(&self, body: &[u8]) -> Result<Bytes> {
        let rest = self.url.strip_prefix("https://").context("the URL is not of HTTPS")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address: SocketAddr = host.parse().with_context(|| format!("{host} is no address"))?;
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::IpAddress(address.ip().into());
        let mut stream = self.connector()?.connect(name, stream).await?;
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        // a server that ends without close_notify has said everything all the same
        let _ = stream.read_to_end(&mut answer).await;
        read_answer(&answer)
    }

    fn connector(&self) -> Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.to_vec()))?;
        let config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config).into())
    }
}

fn read_answer(answer: &[u8]) -> Result<Bytes> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.context("no HTTP answer")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let body = &answer[end + 4..];
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{head}: {}", String::from_utf8_lossy(body));
    }
    Ok(Bytes::copy_from_slice(body))
}

fn form(user: &str, password: &str, node_ids: u32, csr: &[u8]) -> Vec<u8> {
    let count = node_ids.to_string();
    let mut fields = vec![("username", user), ("password", password)];
    if node_ids > 1 {
        fields.push(("nodeids", &count));
    }
    let text = |(name, value): (&str, &str)| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let fields: String = fields.into_iter().map(text).collect();
    let csr_head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csr\"\r\n\
         Content-Type: application/pkcs10\r\n\r\n"
    );
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    [fields.as_bytes(), csr_head.as_bytes(), csr, end.as_bytes()].concat()
}
