//! What an overlay trusts, and the check of a certificate against it: path to a root certificate
//! with basicConstraints and expiry, or self-signed where permitted, Node-IDs, bad-nodes
//! (sections 11.1, 11.3, 11.3.1). Signatures over messages are in `message.rs`.

use crate::certificate::{Facts, Naming, parse, validity};
use crate::{TrustError, VerifiedCertificate, VerifyError, digest, self_signed};
use bytes::Bytes;
use reload_config::{Configuration, Leniency, SelfSignedDigest};
use reload_wire::{Dialect, NodeId, NodeIdLength, UnixTime};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use std::collections::BTreeSet;
use std::sync::Arc;
use webpki::EndEntityCert;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;

/// Which certificates an overlay accepts: made anew for each configuration, shared by all checks.
#[derive(Clone, Debug)]
pub struct Trust {
    overlay: String,
    node_id_length: NodeIdLength,
    roots: Vec<TrustAnchor<'static>>,
    self_signed: Option<SelfSignedDigest>,
    bad_nodes: BTreeSet<NodeId>,
    leniency: Leniency,
    #[cfg(feature = "simulation")]
    simulation: bool,
    mark: [u8; 32],
}

/// The parts of a configuration that decide about certificates.
#[derive(Clone, Debug)]
pub struct TrustSettings<'a> {
    /// The instance-name, which the URIs of certificates must name (E17).
    pub overlay: &'a str,
    /// Length of the Node-IDs.
    pub node_id_length: NodeIdLength,
    /// root-cert elements, DER.
    pub root_certs: &'a [Bytes],
    /// `self-signed-permitted` and its digest.
    pub self_signed: Option<SelfSignedDigest>,
    /// Revoked nodes (E24).
    pub bad_nodes: &'a [NodeId],
    /// Whether known deviations of other stacks are read.
    pub leniency: Leniency,
}

impl Trust {
    /// The trust of a configuration.
    ///
    /// # Errors
    /// If a root-cert element is no certificate.
    pub fn new(configuration: &Configuration, leniency: Leniency) -> Result<Self, TrustError> {
        Self::from_settings(&TrustSettings {
            overlay: &configuration.instance_name,
            node_id_length: configuration.node_id_length,
            root_certs: &configuration.root_certs,
            self_signed: configuration.self_signed,
            bad_nodes: &configuration.bad_nodes,
            leniency,
        })
    }

    /// The trust of single settings, where there is no whole configuration.
    ///
    /// # Errors
    /// If a root certificate is none.
    pub fn from_settings(settings: &TrustSettings<'_>) -> Result<Self, TrustError> {
        let anchor = |(index, der): (usize, &Bytes)| {
            webpki::anchor_from_trusted_cert(&CertificateDer::from(&der[..]))
                .map(|anchor| anchor.to_owned())
                .map_err(|_| TrustError::MalformedRoot { index })
        };
        Ok(Self {
            overlay: settings.overlay.to_owned(),
            node_id_length: settings.node_id_length,
            roots: settings.root_certs.iter().enumerate().map(anchor).collect::<Result<_, _>>()?,
            self_signed: settings.self_signed,
            bad_nodes: settings.bad_nodes.iter().copied().collect(),
            leniency: settings.leniency,
            #[cfg(feature = "simulation")]
            simulation: false,
            mark: mark(settings),
        })
    }

    /// What a newer configuration of the same overlay trusts, with the leniency of this one.
    ///
    /// # Errors
    /// As [`Trust::new`].
    pub fn renewed(&self, configuration: &Configuration) -> Result<Self, TrustError> {
        let trust = Self::new(configuration, self.leniency)?;
        #[cfg(feature = "simulation")]
        if self.simulation {
            return Ok(trust.for_simulation());
        }
        Ok(trust)
    }

    /// This trust with acceptance of the certificates and signatures of the simulation, which
    /// anyone can forge.
    #[cfg(feature = "simulation")]
    #[must_use]
    pub fn for_simulation(mut self) -> Self {
        self.simulation = true;
        self.mark[0] ^= 0xff;
        self
    }

    /// The instance-name of the overlay.
    #[must_use]
    pub fn overlay(&self) -> &str {
        &self.overlay
    }

    /// The length of its Node-IDs.
    #[must_use]
    pub fn node_id_length(&self) -> NodeIdLength {
        self.node_id_length
    }

    /// Whether known deviations of other stacks are read.
    #[must_use]
    pub fn leniency(&self) -> Leniency {
        self.leniency
    }

    /// Digest of self-signed Node-IDs, if self-signed certificates are permitted.
    #[must_use]
    pub fn self_signed(&self) -> Option<SelfSignedDigest> {
        self.self_signed
    }

    /// True if the node is revoked.
    #[must_use]
    pub fn is_bad_node(&self, node_id: &NodeId) -> bool {
        self.bad_nodes.contains(node_id)
    }

    /// Checks a certificate of a node. `intermediates` may hold more than the path needs.
    ///
    /// # Errors
    /// Why the certificate is not accepted.
    pub fn check(
        &self,
        leaf: &Bytes,
        intermediates: &[Bytes],
        now: UnixTime,
    ) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        #[cfg(feature = "simulation")]
        if self.simulation
            && let Some(facts) = crate::simulation::read(leaf, self.node_id_length)
        {
            return self.accept(leaf, Vec::new(), facts, now);
        }
        let x509 = parse(leaf)?;
        let alone = self.is_self_signed(&x509)?;
        if x509.is_ca() && !alone {
            return Err(VerifyError::IsAuthority);
        }
        in_time(validity(&x509), now)?;
        let mut facts = Facts::read(&x509, self.naming())?;
        let chain = match self.self_signed {
            Some(digest) if alone => {
                let length = self.node_id_length;
                self_signed::check_derived(digest, &facts.spki, &facts.node_ids, length)?;
                Vec::new()
            }
            _ => self.path(leaf, intermediates, &x509, now)?,
        };
        narrow(&mut facts, &chain)?;
        self.accept(leaf, chain, facts, now)
    }

    /// Whether a certificate checked before still holds: bad-nodes and expiry. The node asks when
    /// the result of a job comes back and whenever it takes a certificate from a cache.
    ///
    /// # Errors
    /// Why it does not; [`VerifyError::OtherTrust`] if roots or names of the overlay have changed,
    /// so that it must be checked anew.
    pub fn still_valid(
        &self,
        certificate: &VerifiedCertificate,
        now: UnixTime,
    ) -> Result<(), VerifyError> {
        if certificate.trust_mark != self.mark {
            return Err(VerifyError::OtherTrust);
        }
        self.holds(&certificate.facts, now)
    }

    fn accept(
        &self,
        leaf: &Bytes,
        chain: Vec<Bytes>,
        facts: Facts,
        now: UnixTime,
    ) -> Result<Arc<VerifiedCertificate>, VerifyError> {
        self.holds(&facts, now)?;
        Ok(Arc::new(VerifiedCertificate::new(leaf.clone(), chain, facts, self.mark)))
    }

    fn holds(&self, facts: &Facts, now: UnixTime) -> Result<(), VerifyError> {
        in_time((facts.not_before, facts.not_after), now)?;
        match facts.node_ids.iter().find(|node_id| self.is_bad_node(node_id)) {
            Some(bad) => Err(VerifyError::BadNode(*bad)),
            None => Ok(()),
        }
    }

    /// How the bytes of this overlay are read; size limits are the node's affair.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::new(self.node_id_length)
    }

    pub(crate) fn naming(&self) -> Naming<'_> {
        Naming { overlay: &self.overlay, length: self.node_id_length, leniency: self.leniency }
    }

    /// True for a permitted self-signed certificate. An authority's own certificate is one too,
    /// but in an overlay of an authority it is simply no node.
    fn is_self_signed(&self, x509: &X509Certificate<'_>) -> Result<bool, VerifyError> {
        if x509.subject().as_raw() != x509.issuer().as_raw() {
            return Ok(false);
        }
        match (own_signature(x509), self.self_signed) {
            (Ok(()), Some(_)) => Ok(true),
            (Ok(()), None) if x509.is_ca() => Err(VerifyError::IsAuthority),
            (Ok(()), None) => Err(VerifyError::SelfSignedNotPermitted),
            (Err(_), Some(_)) if self.roots.is_empty() => Err(VerifyError::BadCertificateSignature),
            (Err(_), _) => Ok(false),
        }
    }

    /// The intermediate certificates between a certificate and a root certificate.
    fn path(
        &self,
        leaf: &[u8],
        intermediates: &[Bytes],
        x509: &X509Certificate<'_>,
        now: UnixTime,
    ) -> Result<Vec<Bytes>, VerifyError> {
        let refused = |error| chain_error(error, x509);
        let leaf = CertificateDer::from(leaf);
        let intermediates: Vec<_> =
            intermediates.iter().map(|der| CertificateDer::from(&der[..])).collect();
        let end_entity = EndEntityCert::try_from(&leaf).map_err(refused)?;
        let seconds = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            now.as_secs(),
        ));
        let path = end_entity
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.roots,
                &intermediates,
                seconds,
                AnyPurpose,
                None,
                None,
            )
            .map_err(refused)?;
        Ok(path
            .intermediate_certificates()
            .map(|found| Bytes::copy_from_slice(&found.der()))
            .collect())
    }
}

/// The signature by the key within. A certificate that someone changed outside of the signed part
/// would have another hash but the same meaning, so no slack is given there.
fn own_signature(x509: &X509Certificate<'_>) -> Result<(), VerifyError> {
    let exact = x509.signature_value.unused_bits == 0 && names_algorithm_twice(x509).is_some();
    match x509.verify_signature(None) {
        Ok(()) if exact => Ok(()),
        _ => Err(VerifyError::BadCertificateSignature),
    }
}

/// The algorithm outside of the signed part is byte for byte the one inside (RFC 5280 4.1.1.2).
fn names_algorithm_twice(x509: &X509Certificate<'_>) -> Option<()> {
    let signed: &[u8] = x509.tbs_certificate.as_ref();
    let (_, certificate) = Any::from_der(x509.as_raw()).ok()?;
    let (outer, _) = element(certificate.data.get(signed.len()..)?)?;
    let (_, signed) = Any::from_der(signed).ok()?;
    let (_version, rest) = element(signed.data)?;
    let (_serial, rest) = element(rest)?;
    rest.starts_with(outer).then_some(())
}

/// The first DER element with its tag and length, and what follows.
fn element(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, _) = Any::from_der(input).ok()?;
    input.split_at_checked(input.len() - rest.len())
}

/// RELOAD asks nothing of extendedKeyUsage: a node is client and server.
struct AnyPurpose;

impl webpki::ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: webpki::KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn in_time(
    (not_before, not_after): (UnixTime, UnixTime),
    now: UnixTime,
) -> Result<(), VerifyError> {
    if now < not_before {
        return Err(VerifyError::NotYetValid { not_before, now });
    }
    if now > not_after {
        return Err(VerifyError::Expired { not_after, now });
    }
    Ok(())
}

/// The validity of a path is that of all its certificates.
fn narrow(facts: &mut Facts, chain: &[Bytes]) -> Result<(), VerifyError> {
    for der in chain {
        let (not_before, not_after) = validity(&parse(der)?);
        facts.not_before = facts.not_before.max(not_before);
        facts.not_after = facts.not_after.min(not_after);
    }
    Ok(())
}

fn chain_error(error: webpki::Error, x509: &X509Certificate<'_>) -> VerifyError {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => VerifyError::UnknownIssuer { issuer: x509.issuer().to_string() },
        Error::CaUsedAsEndEntity => VerifyError::IsAuthority,
        Error::UnsupportedCertVersion => VerifyError::NotVersion3,
        Error::InvalidSignatureForPublicKey => VerifyError::BadCertificateSignature,
        Error::BadDer => VerifyError::MalformedCertificate("not a DER certificate"),
        Error::CertExpired { time, not_after } => VerifyError::Expired {
            not_after: UnixTime::from_secs(not_after.as_secs()),
            now: UnixTime::from_secs(time.as_secs()),
        },
        Error::CertNotValidYet { time, not_before } => VerifyError::NotYetValid {
            not_before: UnixTime::from_secs(not_before.as_secs()),
            now: UnixTime::from_secs(time.as_secs()),
        },
        other => VerifyError::Chain(other),
    }
}

/// Two trusts with equal marks accept the same certificates, bad-nodes and time aside.
fn mark(settings: &TrustSettings<'_>) -> [u8; 32] {
    let roots: Vec<[u8; 32]> =
        settings.root_certs.iter().map(|der| digest::sha256(&[der])).collect();
    let choices = [
        match settings.self_signed {
            None => 0,
            Some(SelfSignedDigest::Sha1) => 1,
            Some(SelfSignedDigest::Sha256) => 2,
        },
        u8::from(settings.leniency == Leniency::Lenient),
        u8::try_from(settings.node_id_length.get()).unwrap_or(u8::MAX),
    ];
    let name = digest::sha256(&[settings.overlay.as_bytes()]);
    digest::sha256(&[&choices, &name, &roots.concat()])
}
