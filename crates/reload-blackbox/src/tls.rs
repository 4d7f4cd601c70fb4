//! TLS of the test's own node: it shows what it is told to show, takes whatever the other side shows,
//! and says what that was. It is the other side that is tested.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use reload_identity::Credentials;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What a node shows of itself.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// No certificate.
    Nothing,
    /// That of these credentials, with its chain.
    Certificate(&'a Credentials),
}

/// The certificate of the other side, once it was shown.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Option<Vec<u8>>>>);

impl Seen {
    /// The certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, certificate: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate.to_vec());
    }
}

/// One side of a handshake to come.
#[derive(Debug)]
pub struct Tls {
    seen: Seen,
    provider: Arc<CryptoProvider>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { seen: Seen::default(), provider: default_provider().into() }
    }
}

impl Tls {
    /// Where the certificate of the other side will be.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// The dialling side.
    ///
    /// # Errors
    /// If TLS cannot use the key.
    pub fn connector(self, presented: Presented<'_>) -> Result<TlsConnector> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self));
        let config = match presented {
            Presented::Nothing => builder.with_no_client_auth(),
            Presented::Certificate(credentials) => {
                let (chain, key) = key_and_chain(credentials);
                builder.with_client_auth_cert(chain, key).context("the key is none for TLS")?
            }
        };
        Ok(Arc::new(config).into())
    }

    /// The side that is dialled.
    ///
    /// # Errors
    /// If TLS cannot use the key.
    pub fn acceptor(self, credentials: &Credentials) -> Result<TlsAcceptor> {
        let (chain, key) = key_and_chain(credentials);
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(self))
            .with_single_cert(chain, key)?;
        Ok(Arc::new(config).into())
    }
}

fn key_and_chain(
    credentials: &Credentials,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let own = credentials.certificate();
    let chain = std::iter::once(own.der()).chain(own.chain());
    let chain = chain.map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivatePkcs8KeyDer::from(credentials.key_pkcs8_der().to_vec());
    (chain, PrivateKeyDer::Pkcs8(key))
}

impl ServerCertVerifier for Tls {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.seen.set(certificate);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Tls {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.seen.set(certificate);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
