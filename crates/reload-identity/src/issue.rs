//! The certificate authority of an overlay: makes the certificates of nodes, of the configuration
//! signer and of the HTTPS server (section 11.3). What stands in a certificate is what the caller
//! gives, nothing is taken from a request but its key. Accounts and policy are not here.

use crate::certificate::parse;
use crate::{CredentialsError, IssueError, KeyPair, clock, node_uri};
use base64::Engine;
use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo, string::Ia5String,
};
use reload_wire::{NodeId, UnixTime};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// From when to when a certificate is to be valid, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: UnixTime,
    /// Last moment.
    pub not_after: UnixTime,
}

impl Validity {
    /// From an hour before now, since clocks differ, for a span after now.
    #[must_use]
    pub fn starting(now: UnixTime, span: Duration) -> Self {
        const SKEW_MS: u64 = 3_600_000;
        Self {
            not_before: UnixTime(now.0.saturating_sub(SKEW_MS)),
            not_after: now.saturating_add(span),
        }
    }
}

/// A certificate authority: its key and its certificate.
pub struct Issuer {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: Bytes,
}

impl Issuer {
    /// A new authority with a self-signed CA certificate for the given common name.
    ///
    /// # Errors
    /// If name or validity can't stand in a certificate.
    pub fn create(key: KeyPair, name: &str, validity: Validity) -> Result<Self, IssueError> {
        let mut params = base_params(validity)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = key.into_signing_key();
        let certificate = params.self_signed(&key).map_err(|_| IssueError::Engine)?;
        let certificate = Bytes::copy_from_slice(certificate.der());
        Self::new(key, certificate)
    }

    /// Reads key and certificate of an authority.
    ///
    /// # Errors
    /// If they do not belong together or are not those of an authority.
    pub fn load(key_pem: &str, certificate_pem: &str) -> Result<Self, IssueError> {
        let key = KeyPair::from_pem(key_pem)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| CredentialsError::NoPem("CERTIFICATE"))?;
        Self::new(key.into_signing_key(), Bytes::copy_from_slice(&certificate))
    }

    fn new(key: rcgen::KeyPair, certificate: Bytes) -> Result<Self, IssueError> {
        let x509 = parse(&certificate).map_err(CredentialsError::Certificate)?;
        if !x509.is_ca() {
            return Err(IssueError::NotAnAuthority);
        }
        if x509.public_key().raw != key.subject_public_key_info() {
            return Err(CredentialsError::KeyMismatch.into());
        }
        let der = CertificateDer::from(&certificate[..]);
        let issuer =
            rcgen::Issuer::from_ca_cert_der(&der, key).map_err(|_| IssueError::NotAnAuthority)?;
        Ok(Self { issuer, certificate })
    }

    /// The CA certificate, DER: a root-cert of the configuration.
    #[must_use]
    pub fn certificate_der(&self) -> &Bytes {
        &self.certificate
    }

    /// The CA certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        certificates_to_pem([&self.certificate])
    }

    /// The key as PEM. Keep it in a file that only its owner can read.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Issues the certificate of a node for a public key (DER subjectPublicKeyInfo): empty
    /// subject, critical subjectAltName with one reload URI for each Node-ID and the user name, no
    /// more (section 11.3, E17, E18). The configuration signer is a node without user name.
    ///
    /// # Errors
    /// If something given can't stand in a certificate.
    pub fn node_certificate(
        &self,
        spki: &[u8],
        overlay: &str,
        node_ids: &[NodeId],
        user: Option<&str>,
        validity: Validity,
    ) -> Result<Bytes, IssueError> {
        let uris: Vec<String> = node_ids.iter().map(|id| node_uri(id, overlay)).collect();
        let mut params = node_params(&uris, user, validity)?;
        params.use_authority_key_identifier_extension = true;
        self.sign(&params, spki)
    }

    /// Issues the certificate of an HTTPS server for DNS names and IP addresses.
    ///
    /// # Errors
    /// If something given can't stand in a certificate.
    pub fn server_certificate(
        &self,
        spki: &[u8],
        names: &[&str],
        validity: Validity,
    ) -> Result<Bytes, IssueError> {
        let mut params = base_params(validity)?;
        params.subject_alt_names =
            names.iter().map(|name| host_name(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        self.sign(&params, spki)
    }

    fn sign(&self, params: &CertificateParams, spki: &[u8]) -> Result<Bytes, IssueError> {
        let unsupported = |error: rcgen::Error| IssueError::UnsupportedKey(error.to_string());
        let key = SubjectPublicKeyInfo::from_der(spki).map_err(unsupported)?;
        if key.subject_public_key_info() != spki {
            return Err(IssueError::UnsupportedKey("not in its usual DER form".to_owned()));
        }
        let certificate = params.signed_by(&key, &self.issuer).map_err(|_| IssueError::Engine)?;
        Ok(Bytes::copy_from_slice(certificate.der()))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive()
    }
}

/// A random Node-ID that nobody can predict, for enrollment (section 11.3).
///
/// # Errors
/// If the random source of the system fails.
pub fn random_node_id(length: reload_wire::NodeIdLength) -> Result<NodeId, IssueError> {
    loop {
        let mut bytes = [0; 20];
        let bytes = bytes.get_mut(..length.get()).ok_or(IssueError::Engine)?;
        SystemRandom::new().fill(bytes).map_err(|_| IssueError::Engine)?;
        let node_id = NodeId::new(bytes).map_err(|_| IssueError::Engine)?;
        if !node_id.is_wildcard() && !node_id.is_zero() {
            return Ok(node_id);
        }
    }
}

/// Certificates as PEM blocks, in the given order; a chain begins with the leaf.
#[must_use]
pub fn certificates_to_pem<'a>(certificates: impl IntoIterator<Item = &'a Bytes>) -> String {
    certificates.into_iter().map(|der| pem_block("CERTIFICATE", der)).collect()
}

/// The DER of all CERTIFICATE blocks of a PEM text, in their order.
///
/// # Errors
/// If there is none or one is damaged.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<Bytes>, CredentialsError> {
    let missing = CredentialsError::NoPem("CERTIFICATE");
    let found: Vec<Bytes> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.map(|der| Bytes::copy_from_slice(&der)))
        .collect::<Result<_, _>>()
        .map_err(|_| missing.clone())?;
    match found.is_empty() {
        true => Err(missing),
        false => Ok(found),
    }
}

/// The parameters of a node's certificate; replaces whatever a request asked for.
pub(crate) fn node_params(
    uris: &[String],
    user: Option<&str>,
    validity: Validity,
) -> Result<CertificateParams, IssueError> {
    let different: std::collections::BTreeSet<&String> = uris.iter().collect();
    if uris.is_empty() || different.len() != uris.len() {
        return Err(IssueError::BadNodeIds);
    }
    let mut params = base_params(validity)?;
    for uri in uris {
        params.subject_alt_names.push(SanType::URI(ia5(uri)?));
    }
    if let Some(user) = user {
        params.subject_alt_names.push(SanType::Rfc822Name(user_name(user)?));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

/// A user name that can stand in a certificate: `user@domain` of visible ASCII.
pub(crate) fn user_name(user: &str) -> Result<Ia5String, IssueError> {
    let bad = || IssueError::BadUserName(user.to_owned());
    match is_mailbox(user) {
        true => Ia5String::try_from(user).map_err(|_| bad()),
        false => Err(bad()),
    }
}

/// True if a text has the form of a mailbox: visible ASCII on both sides of a single `@`.
#[must_use]
pub fn is_mailbox(text: &str) -> bool {
    let visible = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    text.split_once('@')
        .is_some_and(|(local, domain)| visible(local) && visible(domain) && !domain.contains('@'))
}

fn base_params(validity: Validity) -> Result<CertificateParams, IssueError> {
    let date = |at| clock::date(at).filter(|at| at.year() <= 9999).ok_or(IssueError::BadValidity);
    if validity.not_before >= validity.not_after {
        return Err(IssueError::BadValidity);
    }
    let mut params = CertificateParams::default();
    params.not_before = date(validity.not_before)?;
    params.not_after = date(validity.not_after)?;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

/// 16 random bytes, positive and not zero at the top (RFC 5280 4.1.2.2).
fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut serial = [0; 16];
    SystemRandom::new().fill(&mut serial).map_err(|_| IssueError::Engine)?;
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

fn host_name(name: &str) -> Result<SanType, IssueError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) if name.is_empty() => Err(IssueError::BadName(name.to_owned())),
        Err(_) => Ok(SanType::DnsName(ia5(name)?)),
    }
}

fn ia5(text: &str) -> Result<Ia5String, IssueError> {
    let bad = || IssueError::BadName(text.to_owned());
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ia5String::try_from(text).map_err(|_| bad()),
        false => Err(bad()),
    }
}

fn pem_block(label: &str, der: &[u8]) -> String {
    const LINE: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(LINE)
        .map(|start| &text[start..text.len().min(start + LINE)])
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
