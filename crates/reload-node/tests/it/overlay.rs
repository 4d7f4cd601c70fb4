//! An overlay to test in: its authority, its configuration signer, documents and credentials.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, assemble};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, OverlayConfig, Signers, Trust, TrustSettings,
    Validity, Verified, certificates_to_pem, sign_configuration, sign_kind, verify_configuration,
};
use reload_wire::{NodeId, NodeIdLength, UnixTime};

/// The name of the overlay.
pub(crate) const NAME: &str = "overlay.example";

/// When every test begins.
pub(crate) const BEGINNING: UnixTime = UnixTime::from_secs(1_800_000_000);

/// The authority, the signer, and what came of them.
pub(crate) struct Overlay {
    ca: Issuer,
    signer: Credentials,
    pub(crate) configuration: Verified<OverlayConfig>,
    pub(crate) trust: Arc<Trust>,
}

impl Overlay {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// An overlay whose first configuration is changed before it is signed.
    pub(crate) fn with(change: impl FnOnce(&mut ConfigurationBuilder)) -> Self {
        let ca = Issuer::create(key(), "authority", year()).expect("a name is enough");
        let signer = issue(&ca, &plain_trust(&ca), &[NodeId::from_u128(0x5151)], None);
        let document = document(&ca, &signer, change);
        let document = OverlayDocument::parse(&document).expect("what was written can be read");
        let first = Signers::FirstUse;
        let configuration =
            verify_configuration(&document, NAME, first, Leniency::Strict, BEGINNING)
                .expect("what was signed can be verified");
        let trust = Trust::new(&configuration.configuration, Leniency::Strict)
            .expect("its root certificate is one");
        let trust = Arc::new(trust.for_simulation());
        Self { ca, signer, configuration, trust }
    }

    /// Another document of this overlay, signed by the same signer.
    pub(crate) fn document(&self, change: impl FnOnce(&mut ConfigurationBuilder)) -> Bytes {
        document(&self.ca, &self.signer, change).into()
    }

    /// As [`Self::document`], signed by somebody whom the configuration does not name.
    pub(crate) fn forged(&self, change: impl FnOnce(&mut ConfigurationBuilder)) -> Bytes {
        let other = issue(&self.ca, &plain_trust(&self.ca), &[NodeId::from_u128(0x666)], None);
        document(&self.ca, &other, change).into()
    }

    /// The certificate of another authority.
    pub(crate) fn other_root(&self) -> Bytes {
        let ca = Issuer::create(key(), "another", year()).expect("a name is enough");
        ca.certificate_der().clone()
    }

    /// A `kind` element with its signature.
    pub(crate) fn sign_kind(&self, element: &[u8]) -> Bytes {
        sign_kind(&self.signer, element).expect("the key can sign")
    }

    /// Cheap credentials of one Node-ID.
    pub(crate) fn credentials(&self, node: NodeId, user: &str) -> Arc<Credentials> {
        let made = Credentials::simulate(node, Some(user), &self.trust);
        Arc::new(made.expect("the trust is that of a simulation"))
    }

    /// Real credentials for several Node-IDs; they act as the first.
    pub(crate) fn several(&self, ids: &[NodeId], user: &str) -> Credentials {
        issue(&self.ca, &self.trust, ids, Some(user))
    }
}

fn key() -> KeyPair {
    KeyPair::generate(Algorithm::EcdsaP256).expect("the system has randomness")
}

fn year() -> Validity {
    Validity::starting(BEGINNING, Duration::from_secs(365 * 86_400))
}

fn plain_trust(ca: &Issuer) -> Trust {
    Trust::from_settings(&TrustSettings {
        overlay: NAME,
        node_id_length: NodeIdLength::DEFAULT,
        root_certs: &[ca.certificate_der().clone()],
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    })
    .expect("its root certificate is one")
}

fn issue(ca: &Issuer, trust: &Trust, ids: &[NodeId], user: Option<&str>) -> Credentials {
    let key = key();
    let der = ca.node_certificate(key.spki(), NAME, ids, user, year()).expect("the key is good");
    let pem = certificates_to_pem([&der]);
    Credentials::load(&key.to_pem(), &pem, trust, BEGINNING).expect("they belong together")
}

fn document(
    ca: &Issuer,
    signer: &Credentials,
    change: impl FnOnce(&mut ConfigurationBuilder),
) -> Vec<u8> {
    let mut builder = ConfigurationBuilder::new_overlay(NAME);
    builder.root_certs = vec![ca.certificate_der().clone()];
    builder.configuration_signers = vec![signer.node_id()];
    builder.kind_signers = vec![signer.node_id()];
    builder.sequence = 1;
    change(&mut builder);
    builder.sign_kinds(|kind| sign_kind(signer, kind)).expect("the key can sign");
    let element = builder.build().expect("the defaults are complete");
    let signature = sign_configuration(signer, &element).expect("the key can sign");
    assemble(&element, &signature)
}
