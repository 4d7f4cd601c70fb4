//! `config sign`: signs the kinds and the configuration anew.

use anyhow::{Context, bail};
use reload_config::{
    ConfigurationBuilder, Leniency, OverlayDocument, assemble, check_config_update_fits,
};
use reload_identity::{
    Credentials, Signers, Trust, sign_configuration, sign_kind, verify_configuration,
};

use super::{choose, read_document, read_text, write};
use crate::cli::SignArgs;
use crate::units::now;

pub(super) fn sign(arguments: &SignArgs) -> anyhow::Result<()> {
    let document = read_document(&arguments.file)?;
    let configuration = choose(&document, None)?;
    let trust = Trust::new(configuration, Leniency::Strict)?;
    let (key, certificate) = (read_text(&arguments.key)?, read_text(&arguments.cert)?);
    let credentials = Credentials::load(&key, &certificate, &trust, now().wall)
        .context("the signer cannot sign for this overlay")?;
    for (list, name) in [
        (&configuration.configuration_signers, "configuration-signer"),
        (&configuration.kind_signers, "kind-signer"),
    ] {
        if !list.contains(&credentials.node_id()) {
            bail!("the document does not name {} as {name}: add it first", credentials.node_id());
        }
    }
    let mut builder = ConfigurationBuilder::from_configuration(configuration)?;
    builder.sign_kinds(|kind| sign_kind(&credentials, kind))?;
    let element = builder.build()?;
    let signed = assemble(&element, &sign_configuration(&credentials, &element)?);
    check_again(&signed, &configuration.instance_name)?;
    write(arguments.output.as_deref(), &signed)
}

/// What goes out is read and checked as any node will.
fn check_again(signed: &[u8], name: &str) -> anyhow::Result<()> {
    let document = OverlayDocument::parse(signed)?;
    let verified =
        verify_configuration(&document, name, Signers::FirstUse, Leniency::Strict, now().wall)?;
    check_config_update_fits(signed.len(), verified.configuration.max_message_size)?;
    Ok(())
}
