//! TLS of overlay links (sections 6.5.1.13, 6.6.1 and 6.6.5): TLS 1.2 and 1.3, AEAD suites with forward
//! secrecy (E26), certificates on both sides. Which certificate is good, `reload-identity` decides.
//! DTLS itself is in `reload-link`; it starts from the same identity.

mod keylog;
mod refusal;
mod verifier;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use reload_identity::{Credentials, Trust};
use reload_link::DtlsIdentity;
use reload_wire::NodeId;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{KeyLog, SupportedProtocolVersion};

pub use keylog::key_log;
pub use refusal::Refusal;
pub(crate) use refusal::{Side, explain, log};
pub(crate) use verifier::{PeerVerifier, Verdict};

use crate::error::NetError;

/// What every handshake of a node starts from.
#[derive(Clone)]
pub struct TlsIdentity {
    provider: Arc<CryptoProvider>,
    certificate: Arc<SingleCertAndKey>,
    dtls: DtlsIdentity,
    trust: Arc<RwLock<Arc<Trust>>>,
    key_log: Option<Arc<dyn KeyLog>>,
    versions: &'static [&'static SupportedProtocolVersion],
}

impl TlsIdentity {
    /// The identity of a node; `key_log` only where secrets shall be written, see [`key_log`].
    ///
    /// # Errors
    /// The private key is none that TLS can use.
    pub fn new(
        credentials: &Credentials,
        trust: Arc<Trust>,
        key_log: Option<Arc<dyn KeyLog>>,
    ) -> Result<Self, NetError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(credentials.key_pkcs8_der()));
        let key = provider.key_provider.load_private_key(key.clone_key()).map_err(NetError::Key)?;
        let own = credentials.certificate();
        let chain: Vec<Bytes> = std::iter::once(own.der()).chain(own.chain()).cloned().collect();
        let mut dtls = DtlsIdentity::new(chain.clone(), credentials.key_pkcs8_der())
            .map_err(NetError::Dtls)?;
        if let Some(key_log) = &key_log {
            dtls = dtls.with_key_log(keylog::of_dtls(Arc::clone(key_log)));
        }
        let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        Ok(Self {
            provider,
            dtls,
            certificate: Arc::new(CertifiedKey::new(chain, key).into()),
            trust: Arc::new(RwLock::new(trust)),
            key_log,
            versions: rustls::ALL_VERSIONS,
        })
    }

    /// The same certificate and key for DTLS.
    pub(crate) const fn dtls(&self) -> &DtlsIdentity {
        &self.dtls
    }

    /// Only these versions of TLS; for tests and for overlays that want no TLS 1.2.
    #[must_use]
    pub fn with_versions(mut self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        self.versions = versions;
        self
    }

    /// What certificates are checked against from now on, after a new configuration.
    pub fn set_trust(&self, trust: Arc<Trust>) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// What certificates are checked against.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For one handshake as TLS client, with the place where its verdict will be.
    pub(crate) fn client(
        &self,
        expected: Option<NodeId>,
    ) -> Result<(Arc<ClientConfig>, Verdict), NetError> {
        let (verifier, verdict) = PeerVerifier::new(self.trust(), expected, &self.provider);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)
            .map_err(NetError::Tls)?
            .dangerous() // the verifier checks against the overlay, not against a name
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(self.certificate.clone());
        // A resumed session would skip the check of a certificate that was revoked since.
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        if let Some(key_log) = &self.key_log {
            config.key_log = Arc::clone(key_log);
        }
        Ok((Arc::new(config), verdict))
    }

    /// For one handshake as TLS server, with the place where its verdict will be.
    pub(crate) fn server(&self) -> Result<(Arc<ServerConfig>, Verdict), NetError> {
        let (verifier, verdict) = PeerVerifier::new(self.trust(), None, &self.provider);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)
            .map_err(NetError::Tls)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.certificate.clone());
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if let Some(key_log) = &self.key_log {
            config.key_log = Arc::clone(key_log);
        }
        Ok((Arc::new(config), verdict))
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("key_log", &self.key_log.is_some()).finish()
    }
}

/// The file for `--keylog`, or that of `SSLKEYLOGFILE`, or none.
///
/// # Errors
/// The file cannot be opened.
pub fn key_log_from(argument: Option<&Path>) -> Result<Option<Arc<dyn KeyLog>>, NetError> {
    let environment = std::env::var_os("SSLKEYLOGFILE").filter(|name| !name.is_empty());
    match (argument, &environment) {
        (Some(path), _) => key_log(path).map(Some),
        (None, Some(name)) => key_log(Path::new(name)).map(Some),
        (None, None) => Ok(None),
    }
}
