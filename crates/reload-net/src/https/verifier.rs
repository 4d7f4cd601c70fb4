//! The certificate of an HTTPS server: verified by webpki for the host of the URL, or for the name of
//! the overlay (section 11.3, E20).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::HttpsError;

/// webpki, with a second name to try.
#[derive(Debug)]
pub(super) struct NameVerifier {
    webpki: Arc<WebPkiServerVerifier>,
    overlay: Option<ServerName<'static>>,
}

impl NameVerifier {
    pub(super) fn new(
        ca_pem: Option<&[u8]>,
        overlay: Option<&str>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, HttpsError> {
        let roots = ca_pem.map_or_else(system_roots, roots_of)?;
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let webpki = builder.build().map_err(|_| HttpsError::NoCertificate)?;
        // An overlay whose name is no DNS name is found by the host of the URL only.
        let overlay = overlay.and_then(|name| ServerName::try_from(name.to_owned()).ok());
        Ok(Self { webpki, overlay })
    }
}

impl ServerCertVerifier for NameVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verify = |name: &ServerName<'_>| {
            self.webpki.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        match (verify(server_name), &self.overlay) {
            (Err(error), Some(overlay)) if is_about_the_name(&error) => verify(overlay),
            (result, _) => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

fn is_about_the_name(error: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

fn roots_of(pem: &[u8]) -> Result<RootCertStore, HttpsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| HttpsError::NoCertificate)?;
        roots.add(certificate).map_err(HttpsError::BadCa)?;
    }
    if roots.is_empty() { Err(HttpsError::NoCertificate) } else { Ok(roots) }
}

/// The authorities of the system; single unusable ones are passed over, as all software does.
fn system_roots() -> Result<RootCertStore, HttpsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(HttpsError::NoSystemRoots) } else { Ok(roots) }
}
