//! The configuration signer of the home (RFC 6940 section 11.1): a node of the overlay that no peer
//! runs, whose Node-ID stands as `configuration-signer` and `kind-signer`. It turns settings into a
//! signed document.

use anyhow::{Context, Result, bail};
use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, Settings, assemble};
use reload_identity::{
    Credentials, Signers, Trust, TrustSettings, sign_configuration, sign_kind, verify_configuration,
};
use reload_wire::{NodeId, UnixTime};

use crate::clock;
use crate::home::{Home, SIGNER_CERTIFICATE, SIGNER_KEY};

/// Signs configurations.
pub(crate) struct Signer {
    credentials: Credentials,
}

impl Signer {
    /// Reads the signer of a home.
    pub(crate) fn load(home: &Home, settings: &Settings) -> Result<Self> {
        let (key, certificate) = (home.read_key(SIGNER_KEY)?, home.read_text(SIGNER_CERTIFICATE)?);
        Self::new(&key, &certificate, settings)
            .with_context(|| home.cannot("use the configuration signer", SIGNER_CERTIFICATE))
    }

    /// A signer whose certificate chains to the roots of the settings.
    pub(crate) fn new(key: &str, certificate: &str, settings: &Settings) -> Result<Self> {
        let trust = Trust::from_settings(&TrustSettings {
            overlay: &settings.instance_name,
            node_id_length: settings.node_id_length,
            root_certs: &settings.root_certs,
            self_signed: settings.self_signed,
            bad_nodes: &settings.bad_nodes,
            leniency: Leniency::Strict,
        })?;
        let credentials = Credentials::load(key, certificate, &trust, clock::now())?;
        Ok(Self { credentials })
    }

    /// Its Node-ID.
    pub(crate) fn node_id(&self) -> NodeId {
        self.credentials.node_id()
    }

    /// Signs Kinds and configuration; refuses a document that no ConfigUpdate could carry.
    pub(crate) fn sign(&self, mut settings: ConfigurationBuilder) -> Result<OverlayDocument> {
        if !settings.configuration_signers.contains(&self.node_id()) {
            bail!("our signer {} is no configuration-signer of the document", self.node_id());
        }
        settings.sign_kinds(|kind| sign_kind(&self.credentials, kind))?;
        let raw = settings.build().context("the configuration cannot be written")?;
        let signature = sign_configuration(&self.credentials, &raw)?;
        let document = OverlayDocument::parse(&assemble(&raw, &signature))
            .context("the configuration made cannot be read")?;
        document.check_config_update_fits().context("the configuration is too large")?;
        Ok(document)
    }
}

/// Checks the signatures of a document of ours, at a time when it was valid: whether it has
/// expired is asked elsewhere, so that an expired one can be signed anew.
pub(crate) fn check_signature(document: &OverlayDocument) -> Result<()> {
    let [configuration] = document.configurations() else {
        bail!("it has more than one configuration");
    };
    let now = match configuration.expiration {
        Some(end) => clock::now().min(UnixTime(end.0.saturating_sub(1))),
        None => clock::now(),
    };
    let name = &configuration.instance_name;
    verify_configuration(document, name, Signers::FirstUse, Leniency::Strict, now)?;
    Ok(())
}
