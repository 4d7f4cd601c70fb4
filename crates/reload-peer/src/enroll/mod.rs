//! `reload enroll`: configuration and certificate for the home of a node (sections 11.2 and 11.3).

mod device;
mod exchange;
mod keep;
mod password;
mod self_signed;

use std::sync::Arc;

use anyhow::Context;
use reload_config::{Leniency, OverlayDocument};
use reload_enroll::UserName;
use reload_identity::{
    Algorithm, KeyPair, OverlayConfig, Signers, Trust, Verified, VerifiedCertificate,
    certificates_to_pem, verify_configuration,
};

use crate::cli::EnrollArgs;
use crate::commands::home_directory;
use crate::home::{CERTIFICATE, CONFIGURATION, Home, KEY};
use crate::print;
use crate::progress::ProgressLine;
use crate::source::{Place, Source};
use crate::units::{date, now};

pub(crate) use exchange::{Account, request_certificate};
pub(crate) use password::Password;

/// Runs the command.
///
/// # Errors
/// One line that says what is wrong; what the home held is unchanged then.
pub(crate) async fn run(arguments: EnrollArgs, json: bool) -> anyhow::Result<()> {
    let user = UserName::new(&arguments.user).with_context(|| {
        format!("`{}` is no user name: give it as NAME@OVERLAY", arguments.user)
    })?;
    let home = Home::create(&home_directory(&arguments.home)?)?;
    let _lock = home.lock()?;
    let line = ProgressLine::start("getting the configuration");
    let source = source(&arguments)?;
    let overlay = overlay(&arguments, source.as_ref(), &home).await?;
    let (key, is_new) = keep::key(&home, &overlay, &user, algorithm(&arguments))?;
    let certificate = if arguments.config.is_some() {
        self_signed::certificate(&overlay, &key, &user)?
    } else {
        drop(line);
        let password = password::get(arguments.password_file.as_deref(), user.as_str()).await?;
        let line = ProgressLine::start("asking for a certificate");
        let device = device::label(&home, arguments.device.as_deref())?;
        let account = Account { user: user.as_str(), password: &password, device: &device };
        let certificate = request_certificate(&overlay, &key, account).await?;
        drop(line);
        certificate
    };
    write_home(&home, &overlay, is_new.then_some(&key), &certificate)?;
    match source {
        Some(source) => source.keep(&home)?,
        None => Source::keep_none(&home)?,
    }
    report(&home, &overlay, &certificate, json)
}

fn algorithm(arguments: &EnrollArgs) -> Algorithm {
    if arguments.rsa { Algorithm::Rsa2048 } else { Algorithm::EcdsaP256 }
}

/// A configuration to enroll with.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// The configuration, its signature checked.
    pub config: Verified<OverlayConfig>,
    /// What it says about certificates.
    pub trust: Trust,
    /// CA certificates for HTTPS, PEM; those of the system without.
    pub ca: Option<Vec<u8>>,
}

impl Overlay {
    /// Checks a document that came over HTTPS or by hand: its signer is one that it names itself.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(crate) fn new(document: &[u8], name: &str, ca: Option<Vec<u8>>) -> anyhow::Result<Self> {
        let document = OverlayDocument::parse(document).context("the configuration is damaged")?;
        let now = now().wall;
        let config =
            verify_configuration(&document, name, Signers::FirstUse, Leniency::Strict, now)
                .context("the configuration cannot be used")?;
        let trust = Trust::new(&config.configuration, Leniency::Strict)?;
        Ok(Self { config, trust, ca })
    }
}

/// Where to ask for the configuration; nowhere with `--config`.
fn source(arguments: &EnrollArgs) -> anyhow::Result<Option<Source>> {
    if arguments.config.is_some() {
        return Ok(None);
    }
    let place = match &arguments.config_url {
        Some(url) => Place::Url(url.clone()),
        None => Place::Dns(arguments.dns),
    };
    let ca = arguments.ca.as_deref().map(|file| {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    });
    Ok(Some(Source { place, ca: ca.transpose()? }))
}

async fn overlay(
    arguments: &EnrollArgs,
    source: Option<&Source>,
    home: &Home,
) -> anyhow::Result<Overlay> {
    let name = &arguments.overlay;
    let overlay = match (source, &arguments.config) {
        (Some(source), _) => {
            let fetched =
                source.fetch(name, None).await?.context("the server sends no document")?;
            let ca = source.ca.clone().map(String::into_bytes);
            Overlay::new(&fetched.document, name, ca)
                .with_context(|| format!("from {}", source.url(name)))?
        }
        (None, Some(file)) => {
            let document = std::fs::read(file);
            let document = document.with_context(|| format!("cannot read {}", file.display()))?;
            Overlay::new(&document, name, None).with_context(|| format!("in {}", file.display()))?
        }
        (None, None) => anyhow::bail!("no configuration is given"),
    };
    keep::newer_configuration(home, &overlay)?;
    Ok(overlay)
}

/// Writes the home. Key first: a home with a key and no certificate is enrolled again with that key.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn write_home(
    home: &Home,
    overlay: &Overlay,
    new_key: Option<&KeyPair>,
    certificate: &VerifiedCertificate,
) -> anyhow::Result<()> {
    if let Some(key) = new_key {
        home.write(KEY, key.to_pem().as_bytes())?;
    }
    home.write(CONFIGURATION, overlay.config.document.bytes())?;
    let chain = std::iter::once(certificate.der()).chain(certificate.chain());
    home.write(CERTIFICATE, certificates_to_pem(chain).as_bytes())?;
    Ok(())
}

fn report(
    home: &Home,
    overlay: &Overlay,
    certificate: &Arc<VerifiedCertificate>,
    json: bool,
) -> anyhow::Result<()> {
    let name = &overlay.config.configuration.instance_name;
    let user = certificate.user().unwrap_or("nobody");
    let (node_id, until) = (certificate.node_id(), date(certificate.not_after()));
    let home = home.directory().display();
    if json {
        return print::json(&serde_json::json!({
            "overlay": name,
            "user": user,
            "node_id": node_id.to_string(),
            "not_after": until,
            "home": home.to_string(),
        }));
    }
    print::text(&format!(
        "enrolled {user} in the overlay {name}\nnode-id  {node_id}\nvalid    until {until}\n\
         home     {home}\nnext     reload peer --home {home}\n"
    ))
}
