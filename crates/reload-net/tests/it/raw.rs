//! A peer of TLS without our driver: it says what it likes, when it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use reload_identity::Credentials;
use reload_net::Authenticated;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::{Overlay, PATIENCE};

/// A well-behaved TLS client of the overlay; what it sends is up to the test.
pub(crate) async fn member(overlay: &Overlay, address: SocketAddr) -> Authenticated {
    let identity = overlay.identity(&overlay.node());
    reload_net::dial(&identity, address, None, Instant::now() + PATIENCE).await.unwrap()
}

/// Connects with whatever certificate, or none, and takes any server.
pub(crate) async fn stranger(
    address: SocketAddr,
    version: &'static SupportedProtocolVersion,
    credentials: Option<&Credentials>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone));
    let config = match credentials {
        None => config.with_no_client_auth(),
        Some(credentials) => {
            let key = PrivatePkcs8KeyDer::from(credentials.key_pkcs8_der().to_vec());
            let certificate = CertificateDer::from(credentials.certificate().der().to_vec());
            config.with_client_auth_cert(vec![certificate], PrivateKeyDer::Pkcs8(key)).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::IpAddress(address.ip().into());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
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
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}
