//! The overlay that a simulation runs: one signed configuration, and credentials for as many nodes
//! as wanted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, assemble};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, OverlayConfig, Signers, Trust, Validity, Verified,
    certificates_to_pem, random_node_id, sign_configuration, sign_kind, verify_configuration,
};
use reload_wire::{NodeId, NodeIdLength, UnixTime};

/// The name of every simulated overlay.
pub const NAME: &str = "overlay.example";

/// When every simulation begins.
pub const BEGINNING: UnixTime = UnixTime::from_secs(1_800_000_000);

/// A configuration and what it trusts.
#[derive(Clone)]
pub struct Overlay {
    /// The configuration, its signature checked.
    pub configuration: Verified<OverlayConfig>,
    /// What it trusts, simulated certificates included.
    pub trust: Arc<Trust>,
    authority: Arc<Authority>,
}

/// Who signs certificates and configurations.
struct Authority {
    ca: Issuer,
    signer: Signer,
}

impl Overlay {
    /// A new overlay with the kinds that the enrollment server lists by default.
    ///
    /// # Panics
    /// If the crates that make certificates and documents refuse their own defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|settings| settings.no_ice = true)
    }

    /// An overlay whose links are formed with ICE.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn with_ice() -> Self {
        Self::with(|settings| settings.no_ice = false)
    }

    /// As [`Self::with_ice`]; each TURN server is recorded so many times.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn with_turn(density: u8) -> Self {
        Self::with(|settings| {
            settings.no_ice = false;
            settings.turn_density = density;
        })
    }

    fn with(change: impl FnOnce(&mut ConfigurationBuilder)) -> Self {
        let year = Validity::starting(BEGINNING, Duration::from_secs(365 * 86_400));
        let key = || KeyPair::generate(Algorithm::EcdsaP256).expect("the system has randomness");
        let ca = Issuer::create(key(), "simulation", year).expect("a name and a key are enough");
        let signer = Signer::new(&ca, key(), year);
        let document = signer.document(&ca, change);
        let document = OverlayDocument::parse(&document).expect("what was written can be read");
        let signers = Signers::FirstUse;
        let configuration =
            verify_configuration(&document, NAME, signers, Leniency::Strict, BEGINNING)
                .expect("what was signed can be verified");
        let trust = Trust::new(&configuration.configuration, Leniency::Strict)
            .expect("its root certificate is one")
            .for_simulation();
        let authority = Arc::new(Authority { ca, signer });
        Self { configuration, trust: Arc::new(trust), authority }
    }

    /// Another document of this overlay, signed as the first.
    ///
    /// # Panics
    /// If the change makes a document that cannot be written.
    #[must_use]
    pub fn document(&self, change: impl FnOnce(&mut ConfigurationBuilder)) -> Bytes {
        self.authority.signer.document(&self.authority.ca, change).into()
    }

    /// The credentials of a node with this Node-ID and user name.
    ///
    /// # Panics
    /// Never: the trust is that of a simulation.
    #[must_use]
    pub fn credentials(&self, node: NodeId, user: &str) -> Arc<Credentials> {
        let made = Credentials::simulate(node, Some(user), &self.trust);
        Arc::new(made.expect("the trust is that of a simulation"))
    }
}

impl Default for Overlay {
    fn default() -> Self {
        Self::new()
    }
}

/// The configuration signer.
struct Signer {
    credentials: Credentials,
}

impl Signer {
    fn new(ca: &Issuer, key: KeyPair, validity: Validity) -> Self {
        let node = random_node_id(NodeIdLength::DEFAULT).expect("the system has randomness");
        let der = ca
            .node_certificate(key.spki(), NAME, &[node], None, validity)
            .expect("the key is one of ours");
        let trust = Trust::from_settings(&reload_identity::TrustSettings {
            overlay: NAME,
            node_id_length: NodeIdLength::DEFAULT,
            root_certs: &[ca.certificate_der().clone()],
            self_signed: None,
            bad_nodes: &[],
            leniency: Leniency::Strict,
        })
        .expect("its root certificate is one");
        let pem = certificates_to_pem([&der]);
        let credentials = Credentials::load(&key.to_pem(), &pem, &trust, BEGINNING)
            .expect("key and certificate belong together");
        Self { credentials }
    }

    /// The signed document.
    fn document(&self, ca: &Issuer, change: impl FnOnce(&mut ConfigurationBuilder)) -> Vec<u8> {
        let mut builder = ConfigurationBuilder::new_overlay(NAME);
        builder.root_certs = vec![ca.certificate_der().clone()];
        builder.configuration_signers = vec![self.credentials.node_id()];
        builder.kind_signers = vec![self.credentials.node_id()];
        builder.sequence = 1;
        builder.no_ice = true;
        change(&mut builder);
        builder.sign_kinds(|kind| sign_kind(&self.credentials, kind)).expect("the key can sign");
        let element = builder.build().expect("the defaults are complete");
        let signature = sign_configuration(&self.credentials, &element).expect("the key can sign");
        assemble(&element, &signature)
    }
}
