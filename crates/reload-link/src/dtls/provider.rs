//! What one association gives the DTLS engine of cryptography: ring, with nonces and names of our own.
//! Three choices of the engine are put right here: the explicit nonce of AES-GCM is a counter, as RFC 5288
//! section 3 advises, where the engine would draw 64 random bits a record; a cookie can be the one that
//! [`HelloGate`](super::HelloGate) has sent; and a client names no server (there are no DNS names in RELOAD).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rtc_crypto::providers::RingProvider;
use rtc_crypto::{
    CryptoError, PublicKey, RTCCrypto, RTCCryptoProvider, RTCRandom, SecretVec, SignatureScheme,
    SigningKey,
};

use super::DtlsError;

/// The provider of one association.
pub(super) struct Provider {
    ring: RingProvider,
    random: Random,
}

impl Provider {
    /// With a cookie, that one stands in the HelloVerifyRequest.
    pub(super) fn new(cookie: Option<[u8; COOKIE]>) -> Arc<Self> {
        let random = Random { cookie, nonce: AtomicU64::new(0), ring: RingProvider::new() };
        Arc::new(Self { ring: RingProvider::new(), random })
    }
}

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        "ring with counted nonces"
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.ring.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        &self.random
    }
}

/// The engine draws 8 bytes for an explicit nonce, 20 for a cookie and 28 for a hello. Each key is used
/// by one direction of one association, so that a counter never gives it a nonce twice.
struct Random {
    cookie: Option<[u8; COOKIE]>,
    nonce: AtomicU64,
    ring: RingProvider,
}

impl RTCRandom for Random {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        match (output.len(), &self.cookie) {
            (8, _) => {
                let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
                output.copy_from_slice(&nonce.to_be_bytes());
            }
            (COOKIE, Some(cookie)) => output.copy_from_slice(cookie),
            _ => return self.ring.random().fill(output),
        }
        Ok(())
    }
}

/// Reads a private key in PKCS#8 DER: ECDSA on P-256, RSA or Ed25519.
pub(super) fn read_key(pkcs8: &[u8]) -> Result<Arc<dyn SigningKey>, DtlsError> {
    let ring = RingProvider::new();
    let mut last = None;
    for scheme in [
        SignatureScheme::EcdsaP256Sha256,
        SignatureScheme::RsaPkcs1Sha256,
        SignatureScheme::Ed25519,
    ] {
        match ring.crypto().import_signing_key(scheme, pkcs8) {
            Ok(key) => return Ok(key),
            Err(error) => last = Some(error),
        }
    }
    Err(DtlsError::Key(last.map(|error| error.to_string()).unwrap_or_default()))
}

/// A key that says yes to every scheme until it is told to be honest. A client's configuration without a
/// server name can only be made as a server's, which drops the cipher suites that the own key cannot
/// sign for; but a client's key signs only its CertificateVerify, whatever the suite.
pub(super) struct ClientKey {
    key: Arc<dyn SigningKey>,
    honest: AtomicBool,
}

impl ClientKey {
    pub(super) fn new(key: Arc<dyn SigningKey>) -> Arc<Self> {
        Arc::new(Self { key, honest: AtomicBool::new(false) })
    }

    pub(super) fn be_honest(&self) {
        self.honest.store(true, Ordering::Relaxed);
    }
}

impl SigningKey for ClientKey {
    fn supports(&self, scheme: SignatureScheme) -> bool {
        !self.honest.load(Ordering::Relaxed) || self.key.supports(scheme)
    }

    fn public_key(&self) -> PublicKey<'_> {
        self.key.public_key()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.key.sign(scheme, message)
    }

    fn to_pkcs8_der(&self) -> Result<Option<SecretVec>, CryptoError> {
        Ok(None)
    }
}

/// Bytes of the engine's cookie.
pub(super) const COOKIE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_is_drawn_twice_and_a_given_cookie_is_drawn() {
        let provider = Provider::new(Some([7; COOKIE]));
        let draw = || {
            let mut nonce = [0; 8];
            provider.random().fill(&mut nonce).expect("a counter");
            u64::from_be_bytes(nonce)
        };
        assert_eq!([draw(), draw(), draw()], [0, 1, 2]);
        let mut cookie = [0; COOKIE];
        provider.random().fill(&mut cookie).expect("ours");
        assert_eq!(cookie, [7; COOKIE]);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(read_key(b"no key"), Err(DtlsError::Key(_))));
    }
}
