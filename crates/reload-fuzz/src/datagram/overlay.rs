//! An overlay with real certificates, made once a process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity, random_node_id,
};
use reload_link::DtlsIdentity;
use reload_wire::{NodeId, NodeIdLength, Now, UnixTime};

use crate::link::beginning;

const NAME: &str = "overlay.example.org";
const WALL: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Who can prove what.
pub(super) struct Overlay {
    pub(super) trust: Arc<Trust>,
    pub(super) ends: [(NodeId, DtlsIdentity); 2],
}

/// When every script begins.
pub(super) fn start() -> Now {
    Now { mono: beginning(), wall: WALL }
}

/// The same for every script.
pub(super) fn overlay() -> &'static Overlay {
    static OVERLAY: OnceLock<Overlay> = OnceLock::new();
    OVERLAY.get_or_init(make)
}

fn make() -> Overlay {
    let valid = Validity::starting(WALL, Duration::from_secs(3600 * 24 * 365));
    let key = || KeyPair::generate(Algorithm::EcdsaP256).expect("the system has randomness");
    let issuer = Issuer::create(key(), "CA", valid).expect("a name as it should be");
    let trust = Trust::from_settings(&TrustSettings {
        overlay: NAME,
        node_id_length: NodeIdLength::DEFAULT,
        root_certs: &[issuer.certificate_der().clone()],
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    });
    let trust = Arc::new(trust.expect("our own root"));
    let end = |()| {
        let key = key();
        let id = random_node_id(NodeIdLength::DEFAULT).expect("the system has randomness");
        let certificate = issuer
            .node_certificate(key.spki(), NAME, &[id], None, valid)
            .expect("what a node asks for");
        let certificate = trust.check(&certificate, &[], WALL).expect("issued just now");
        let credentials = Credentials::new(key, certificate).expect("they belong together");
        let own = credentials.certificate();
        let chain: Vec<Bytes> = std::iter::once(own.der()).chain(own.chain()).cloned().collect();
        let identity = DtlsIdentity::new(chain, credentials.key_pkcs8_der());
        (id, identity.expect("a key that DTLS can use"))
    };
    let ends = [(), ()].map(end);
    Overlay { trust, ends }
}
