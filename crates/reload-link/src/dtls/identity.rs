//! What we show and prove in a DTLS handshake: certificate chain and key (RFC 6940 section 6.5.1.13).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rtc_crypto::SigningKey;

use super::DtlsError;
use super::provider::read_key;

/// Own certificates and key, shared by all links of a node.
#[derive(Clone)]
pub struct DtlsIdentity {
    chain: Arc<[Bytes]>,
    key: Arc<dyn SigningKey>,
    #[cfg(feature = "openssl")]
    pkcs8: Arc<[u8]>,
    key_log: Option<KeyLog>,
}

impl DtlsIdentity {
    /// Takes the certificates in DER, leaf first, and the leaf's key in PKCS#8 DER.
    ///
    /// # Errors
    ///
    /// If there is no certificate, or the key is of a kind that DTLS cannot use here.
    pub fn new(chain: Vec<Bytes>, key_pkcs8: &[u8]) -> Result<Self, DtlsError> {
        if chain.is_empty() {
            return Err(DtlsError::NoCertificate);
        }
        Ok(Self {
            chain: chain.into(),
            key: read_key(key_pkcs8)?,
            #[cfg(feature = "openssl")]
            pkcs8: key_pkcs8.into(),
            key_log: None,
        })
    }

    /// Gives each link's secrets to `sink`, one line of the NSS key log format a call, without the end of line.
    #[must_use]
    pub fn with_key_log(mut self, sink: KeyLog) -> Self {
        self.key_log = Some(sink);
        self
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Bytes] {
        &self.chain
    }

    pub(super) fn key(&self) -> Arc<dyn SigningKey> {
        self.key.clone()
    }

    #[cfg(feature = "openssl")]
    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    pub(super) fn key_log(&self) -> Option<&KeyLog> {
        self.key_log.as_ref()
    }
}

impl fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsIdentity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Takes lines of a key log: whoever has them can read the link.
pub type KeyLog = Arc<dyn Fn(&str) + Send + Sync>;
