//! The checks of a certificate that came back (RFC 6940 section 11.3): it chains to a root of the
//! configuration, holds our own key, the Node-IDs asked for and the user name. The chain check
//! itself, BasicConstraints included, is that of `reload-identity`.

use std::sync::Arc;

use bytes::Bytes;
use reload_identity::{Trust, VerifiedCertificate, VerifyError};
use reload_wire::UnixTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// What the certificate must hold.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedCertificate<'a> {
    /// The subjectPublicKeyInfo of our own key, DER.
    pub public_key: &'a [u8],
    /// The user name asked for, if any.
    pub user: Option<&'a str>,
    /// The number of Node-IDs asked for.
    pub nodeids: u32,
}

/// Why a returned certificate is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It does not chain to the overlay, has expired, or holds no Node-ID.
    #[error("the certificate of the enrollment server is not valid in this overlay: {0}")]
    Chain(#[source] VerifyError),
    /// It is for another key.
    #[error("the enrollment server returned a certificate for another key")]
    OtherKey,
    /// It holds fewer Node-IDs than asked for.
    #[error("the certificate holds {found} Node-IDs where {expected} were asked for")]
    TooFewNodeIds {
        /// The number in the certificate.
        found: usize,
        /// The number asked for.
        expected: u32,
    },
    /// It has no user name or another one.
    #[error("the certificate is not for the user name asked for")]
    OtherUser,
}

/// Checks the certificate an enrollment server returned before it is used (11.3).
///
/// # Errors
/// [`CertificateError`] names the check that failed.
pub fn check_certificate(
    der: &Bytes,
    trust: &Trust,
    expected: &ExpectedCertificate<'_>,
    now: UnixTime,
) -> Result<Arc<VerifiedCertificate>, CertificateError> {
    let certificate = trust.check(der, &[], now).map_err(CertificateError::Chain)?;
    if !holds_key(certificate.der(), expected.public_key) {
        return Err(CertificateError::OtherKey);
    }
    let found = certificate.node_ids().len();
    if u32::try_from(found).is_ok_and(|found| found < expected.nodeids) {
        return Err(CertificateError::TooFewNodeIds { found, expected: expected.nodeids });
    }
    if certificate.user().is_none()
        || expected.user.is_some_and(|name| certificate.user() != Some(name))
    {
        return Err(CertificateError::OtherUser);
    }
    Ok(certificate)
}

fn holds_key(der: &[u8], public_key: &[u8]) -> bool {
    X509Certificate::from_der(der)
        .is_ok_and(|(_, certificate)| certificate.tbs_certificate.subject_pki.raw == public_key)
}
