//! Reads the home of a node and checks everything in it before anything is opened.

use anyhow::{Context, bail};
use reload_config::{Leniency, OverlayDocument};
use reload_identity::{Credentials, OverlayConfig, Signers, Trust, Verified, verify_configuration};
use reload_wire::UnixTime;

use crate::home::{CERTIFICATE, CONFIGURATION, Home, KEY};

/// What a node runs with.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The configuration, its signature checked.
    pub configuration: Verified<OverlayConfig>,
    /// What it says about certificates.
    pub trust: Trust,
    /// Key and certificate of this node.
    pub credentials: Credentials,
}

/// Loads configuration, key and certificate.
///
/// # Errors
/// What is wrong and what to do, with the file.
pub(crate) fn load(home: &Home, now: UnixTime) -> anyhow::Result<Loaded> {
    let document = home.read(CONFIGURATION)?;
    let key = home.read_text(KEY)?;
    let certificate = home.read_text(CERTIFICATE)?;
    let path = home.path(CONFIGURATION);
    let document = OverlayDocument::parse(&document).with_context(|| {
        format!("{} is damaged: restore it, or get it again with `reload enroll`", path.display())
    })?;
    let mut first_error = None;
    for configuration in document.configurations() {
        match load_overlay(home, &document, &configuration.instance_name, &key, &certificate, now) {
            Ok(loaded) => return Ok(loaded),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(_) => {}
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => bail!("{} holds no configuration", path.display()),
    }
}

fn load_overlay(
    home: &Home,
    document: &OverlayDocument,
    overlay: &str,
    key: &str,
    certificate: &str,
    now: UnixTime,
) -> anyhow::Result<Loaded> {
    // The document was checked against its signer when it came over HTTPS or by hand.
    let signers = Signers::FirstUse;
    let configuration = verify_configuration(document, overlay, signers, Leniency::Strict, now)
        .with_context(|| {
            format!(
                "cannot use {}: check the clock, or get a new one with `reload enroll`",
                home.path(CONFIGURATION).display()
            )
        })?;
    let trust = Trust::new(&configuration.configuration, Leniency::Strict)?;
    let credentials = Credentials::load(key, certificate, &trust, now).with_context(|| {
        format!(
            "cannot use the certificate {}: check the clock, or enroll again with `reload enroll`",
            home.path(CERTIFICATE).display()
        )
    })?;
    Ok(Loaded { configuration, trust, credentials })
}
