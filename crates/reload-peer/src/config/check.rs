//! `config check`: would a node run this document?

use anyhow::Context;
use reload_config::{Configuration, Leniency, OverlayDocument, check_config_update_fits};
use reload_identity::{Signers, verify_configuration};
use serde_json::json;

use super::{choose, read_document, title};
use crate::cli::DocumentArgs;
use crate::print;
use crate::units::{date, now};

pub(super) fn check(arguments: &DocumentArgs, json: bool) -> anyhow::Result<()> {
    let document = read_document(&arguments.file)?;
    let configuration = choose(&document, arguments.overlay.as_deref())?;
    let signer = check_one(&document, configuration)
        .with_context(|| format!("{} cannot be used", title(&arguments.file)))?;
    if json {
        return print::json(&json!({
            "overlay": configuration.instance_name,
            "sequence": configuration.sequence,
            "signer": signer,
            "expiration": configuration.expiration.map(date),
        }));
    }
    print::text(&format!(
        "good: overlay {}, sequence {}, signed by {signer}\n",
        configuration.instance_name, configuration.sequence
    ))
}

/// Form, size, expiration and signature; the signer is one that the document itself names, since
/// there is nothing else to compare with.
fn check_one(document: &OverlayDocument, configuration: &Configuration) -> anyhow::Result<String> {
    configuration.check_usable()?;
    check_config_update_fits(document.bytes().len(), configuration.max_message_size)?;
    let name = &configuration.instance_name;
    let verified =
        verify_configuration(document, name, Signers::FirstUse, Leniency::Strict, now().wall)?;
    Ok(verified.signer.node_id.to_string())
}
