//! An overlay for tests: its CA, and certificates good and bad.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity, random_node_id,
};
use reload_link::DtlsIdentity;
use reload_wire::{NodeIdLength, UnixTime};

const OVERLAY: &str = "overlay.example.org";
const DAY: Duration = Duration::from_secs(86_400);

/// The wall clock when a test begins.
pub(crate) const WALL: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) struct Overlay {
    issuer: Issuer,
}

impl Overlay {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        Self { issuer: Issuer::create(key, "test CA", Validity::starting(WALL, 30 * DAY)).unwrap() }
    }

    pub(crate) fn authority_pem(&self) -> String {
        self.issuer.certificate_pem()
    }

    pub(crate) fn trust(&self) -> Arc<Trust> {
        let settings = TrustSettings {
            overlay: OVERLAY,
            node_id_length: NodeIdLength::DEFAULT,
            root_certs: &[self.issuer.certificate_der().clone()],
            self_signed: None,
            bad_nodes: &[],
            leniency: Leniency::Strict,
        };
        Arc::new(Trust::from_settings(&settings).unwrap())
    }

    pub(crate) fn node(&self) -> Credentials {
        self.node_with(
            KeyPair::generate(Algorithm::EcdsaP256).unwrap(),
            Validity::starting(WALL, DAY),
        )
    }

    pub(crate) fn rsa_node(&self) -> Credentials {
        self.node_with(
            KeyPair::generate(Algorithm::Rsa2048).unwrap(),
            Validity::starting(WALL, DAY),
        )
    }

    /// Its certificate ended a day ago.
    pub(crate) fn expired_node(&self) -> Credentials {
        let (day, key) = (86_400_000, KeyPair::generate(Algorithm::EcdsaP256).unwrap());
        let validity =
            Validity { not_before: UnixTime(WALL.0 - 9 * day), not_after: UnixTime(WALL.0 - day) };
        self.node_with(key, validity)
    }

    fn node_with(&self, key: KeyPair, validity: Validity) -> Credentials {
        let id = random_node_id(NodeIdLength::DEFAULT).unwrap();
        let certificate =
            self.issuer.node_certificate(key.spki(), OVERLAY, &[id], None, validity).unwrap();
        let then = UnixTime(validity.not_after.0 - 1000); // it was loaded in time
        let certificate = self.trust().check(&certificate, &[], then).unwrap();
        Credentials::new(key, certificate).unwrap()
    }
}

pub(crate) fn identity(credentials: &Credentials) -> DtlsIdentity {
    let own = credentials.certificate();
    let chain: Vec<Bytes> = std::iter::once(own.der()).chain(own.chain()).cloned().collect();
    DtlsIdentity::new(chain, credentials.key_pkcs8_der()).unwrap()
}
