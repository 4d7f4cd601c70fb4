//! Whether a certificate is good: asked within the handshake, told when it is done.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use reload_identity::{Trust, VerifiedCertificate, VerifyError};
use reload_link::CertificateCheck;
use reload_wire::{NodeId, UnixTime};

/// What the certificate of the other side came to; empty while none came.
pub(crate) type Verdict = Arc<OnceLock<Result<Arc<VerifiedCertificate>, VerifyError>>>;

/// The check within the handshake: the overlay's trust, and the Node-ID that the Attach named
/// (sections 6.5.1.11 and 6.5.1.13).
pub(crate) fn judge(
    trust: &Arc<Trust>,
    expected: Option<NodeId>,
    wall: UnixTime,
) -> (Verdict, CertificateCheck) {
    let verdict = Verdict::default();
    let (kept, trust) = (Arc::clone(&verdict), Arc::clone(trust));
    let check = move |chain: &[Bytes]| {
        let result = verify(&trust, expected, wall, chain);
        let outcome = result.as_ref().map(drop).map_err(ToString::to_string);
        // A second certificate in one handshake does not occur; the first verdict would stay.
        let _ = kept.set(result);
        outcome
    };
    (verdict, Arc::new(check))
}

fn verify(
    trust: &Trust,
    expected: Option<NodeId>,
    wall: UnixTime,
    chain: &[Bytes],
) -> Result<Arc<VerifiedCertificate>, VerifyError> {
    let (leaf, intermediates) = match chain {
        [leaf, intermediates @ ..] => (leaf.clone(), intermediates),
        [] => (Bytes::new(), chain),
    };
    let certificate = trust.check(&leaf, intermediates, wall)?;
    if let Some(expected) = expected {
        certificate.require(&expected)?;
    }
    Ok(certificate)
}
