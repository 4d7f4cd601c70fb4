//! How the default engine is set up for one association: certificates, cipher suites, the caller's check.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::error::Error;

use super::provider::{COOKIE, ClientKey, Provider};
use super::record::HEADER;
use super::{CertificateCheck, DtlsError, DtlsIdentity, DtlsRole, DtlsSettings};

/// What the check said of which chain: it is asked once.
pub(super) type Verdict = Arc<OnceLock<(Vec<Bytes>, Result<(), String>)>>;

pub(super) fn config(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    settings: &DtlsSettings,
    cookie: Option<[u8; COOKIE]>,
    verdict: Verdict,
) -> Result<HandshakeConfig, DtlsError> {
    let key = ClientKey::new(identity.key());
    let chain = identity.chain().iter().map(|certificate| certificate.to_vec().into()).collect();
    let builder = ConfigBuilder::default()
        .with_crypto_provider(Provider::new(cookie))
        .with_cipher_suites(SUITES.iter().map(|(suite, _)| *suite).collect())
        .with_flight_interval(settings.retransmit)
        .with_mtu(settings.mtu.max(MIN_MTU) - HEADER - 12) // the engine counts bodies, not headers
        .with_replay_protection_window(REPLAY_WINDOW)
        .with_client_auth(ClientAuthType::RequireAnyClientCert) // section 6.5.1.13
        .with_insecure_skip_verify(true) // no public CAs and no names here: the check does it all
        .with_verify_peer_certificate(Some(Arc::new(move |shown, _| {
            judge(&verdict, &check, shown).map_err(Error::Other)
        })));
    let config = match role {
        DtlsRole::Client => {
            let certificate = Certificate::from_signing_key(chain, key.clone());
            // As a server's: a client's would send an SNI, of an address or of "localhost".
            builder.with_certificates(vec![certificate]).build(false, None)
        }
        DtlsRole::Server => {
            let certificate = Certificate::from_signing_key(chain, identity.key());
            // A client may offer use_srtp, and would be refused if we knew no profile at all.
            let builder = builder.with_srtp_protection_profiles(SRTP_PROFILES.to_vec());
            builder.with_certificates(vec![certificate]).build(false, None)
        }
    };
    key.be_honest();
    config.map_err(refused)
}

fn judge(verdict: &Verdict, check: &CertificateCheck, shown: &[Vec<u8>]) -> Result<(), String> {
    let (chain, result) = verdict.get_or_init(|| {
        let chain: Vec<Bytes> = shown.iter().map(|one| Bytes::copy_from_slice(one)).collect();
        let result = check(&chain);
        (chain, result)
    });
    match *chain == *shown {
        true => result.clone(),
        false => Err("the certificates changed during the handshake".to_owned()),
    }
}

pub(super) fn refused(error: Error) -> DtlsError {
    DtlsError::Engine(error.to_string())
}

/// The IANA name of a suite that we offer.
pub(super) fn name(suite: CipherSuiteId) -> Option<&'static str> {
    SUITES.iter().find(|(id, _)| *id == suite).map(|(_, name)| *name)
}

/// AEAD with forward secrecy, best first (section 6.6.1; RFC 9325 section 4.2).
const SUITES: [(CipherSuiteId, &str); 4] = [
    (
        CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (
        CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (
        CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

const SRTP_PROFILES: [SrtpProtectionProfile; 4] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
];

/// Records that may overtake one another; 64 is the least of RFC 6347 section 4.1.2.6 for a fast link.
const REPLAY_WINDOW: usize = 512;
/// Below it a handshake would be all headers.
const MIN_MTU: usize = 256;
