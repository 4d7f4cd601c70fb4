//! The certificate of the other side, checked within the handshake by [`Trust`]. Signatures of the
//! handshake itself are checked by rustls: possession of the key is never taken on trust.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reload_identity::{Trust, VerifiedCertificate, VerifyError};
use reload_wire::NodeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};

/// What became of the certificate of one handshake; empty while none came.
pub(crate) type Verdict = Arc<OnceLock<Result<Arc<VerifiedCertificate>, VerifyError>>>;

/// Verifies one handshake, on either side.
pub(crate) struct PeerVerifier {
    trust: Arc<Trust>,
    expected: Option<NodeId>,
    algorithms: WebPkiSupportedAlgorithms,
    verdict: Verdict,
}

impl PeerVerifier {
    /// With `expected`, the certificate must hold that Node-ID (section 6.5.1.11).
    pub(crate) fn new(
        trust: Arc<Trust>,
        expected: Option<NodeId>,
        provider: &CryptoProvider,
    ) -> (Arc<Self>, Verdict) {
        let verdict = Verdict::default();
        let algorithms = provider.signature_verification_algorithms;
        let verifier = Self { trust, expected, algorithms, verdict: Arc::clone(&verdict) };
        (Arc::new(verifier), verdict)
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let result = self.verify(leaf, intermediates, now);
        let outcome = result.as_ref().map(|_| ()).map_err(as_tls);
        // A second certificate in one handshake does not occur; the first verdict would stay.
        let _ = self.verdict.set(result);
        outcome
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        let copy = |der: &CertificateDer<'_>| Bytes::copy_from_slice(der);
        let intermediates: Vec<Bytes> = intermediates.iter().map(copy).collect();
        let now = reload_wire::UnixTime::from_secs(now.as_secs());
        let certificate = self.trust.check(&copy(leaf), &intermediates, now)?;
        match self.expected {
            Some(expected) if !certificate.node_ids().contains(&expected) => {
                Err(VerifyError::NodeIdMismatch { found: certificate.node_id(), expected })
            }
            _ => Ok(certificate),
        }
    }
}

/// Which alert the other side gets: rustls makes it from this.
fn as_tls(error: &VerifyError) -> rustls::Error {
    let reason = match error {
        VerifyError::Expired { .. } => CertificateError::Expired,
        VerifyError::NotYetValid { .. } => CertificateError::NotValidYet,
        VerifyError::BadNode(_) => CertificateError::Revoked,
        VerifyError::UnknownIssuer { .. }
        | VerifyError::BadCertificateSignature
        | VerifyError::SelfSignedNotPermitted => CertificateError::UnknownIssuer,
        VerifyError::MalformedCertificate(_) => CertificateError::BadEncoding,
        _ => CertificateError::ApplicationVerificationFailure,
    };
    rustls::Error::InvalidCertificate(reason)
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[] // no hints: self-signed certificates have no issuer to hint at
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end_entity, intermediates, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier").field("expected", &self.expected).finish_non_exhaustive()
    }
}
