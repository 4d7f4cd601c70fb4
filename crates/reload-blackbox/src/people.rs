//! Who sends: nodes that the service has enrolled, and others that no peer may believe.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use reload_config::{Configuration, Leniency};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity, random_node_id,
};
use reload_wire::{ResourceId, UnixTime};
use sha1::{Digest, Sha1};

/// An hour.
const HOUR: Duration = Duration::from_secs(3600);

/// The certificates that no service has enrolled.
#[derive(Debug)]
pub struct People {
    /// Good, and never shown in a handshake.
    pub hidden: Credentials,
    /// Of the right CA, and over since yesterday.
    pub expired: Credentials,
    /// Of the right CA, and not yet valid.
    pub future: Credentials,
    /// Of a CA with the right name and another key.
    pub other_ca: Credentials,
    /// Of the right CA, for another overlay.
    pub other_overlay: Credentials,
    /// Signs configurations and kinds.
    pub signer: Credentials,
}

impl People {
    /// Makes them with the CA in the home of the service.
    ///
    /// # Errors
    /// If the files are not there.
    pub fn new(home: &Path, configuration: &Configuration, now: UnixTime) -> Result<Self> {
        let read = |name: &str| {
            std::fs::read_to_string(home.join(name)).with_context(|| format!("no {name}"))
        };
        let name = &configuration.instance_name;
        let ca = Issuer::load(&read("ca.key")?, &read("ca.pem")?)?;
        let good = Validity::starting(now, HOUR * 24);
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        let other = Issuer::create(key, &format!("{name} CA"), good)?;
        let past = UnixTime(now.0 - millis(HOUR * 48));
        let later = now.saturating_add(HOUR * 24);
        let trust = Trust::new(configuration, Leniency::Strict)?;
        let signer = Credentials::load(&read("signer.key")?, &read("signer.pem")?, &trust, now)?;
        let make = |ca: &Issuer, overlay: &str, from: UnixTime| {
            let validity = Validity { not_before: from, not_after: from.saturating_add(HOUR * 24) };
            credentials(configuration, ca, overlay, validity)
        };
        let earlier = UnixTime(now.0 - millis(HOUR));
        Ok(Self {
            hidden: make(&ca, name, earlier)?,
            expired: make(&ca, name, past)?,
            future: make(&ca, name, later)?,
            other_ca: make(&other, name, earlier)?,
            other_overlay: make(&ca, &format!("other.{name}"), earlier)?,
            signer,
        })
    }
}

/// Credentials that hold at some time in some overlay.
fn credentials(
    configuration: &Configuration,
    ca: &Issuer,
    overlay: &str,
    validity: Validity,
) -> Result<Credentials> {
    let key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let node_id = random_node_id(configuration.node_id_length)?;
    let user = format!("mallory@{overlay}");
    let certificate =
        ca.node_certificate(key.spki(), overlay, &[node_id], Some(&user), validity)?;
    let trust = Trust::from_settings(&TrustSettings {
        overlay,
        node_id_length: configuration.node_id_length,
        root_certs: &[Bytes::clone(ca.certificate_der())],
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    })?;
    let at = validity.not_before.saturating_add(HOUR / 2);
    Ok(Credentials::new(key, trust.check(&certificate, &[], at)?)?)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The first 16 bytes of SHA-1 (section 10.2, E80).
#[must_use]
pub fn resource_id(name: &[u8]) -> ResourceId {
    let digest = Sha1::digest(name);
    ResourceId::new(&digest[..16]).expect("16 bytes are a Resource-ID")
}
