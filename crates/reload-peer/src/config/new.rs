//! `config new`: an unsigned document to begin with, and for self-signed overlays its signer.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use reload_config::{ConfigurationBuilder, SelfSignedDigest, assemble_unsigned};
use reload_identity::{
    Algorithm, KeyPair, Validity, certificates_from_pem, certificates_to_pem, derived_node_ids,
};
use reload_wire::{NodeId, NodeIdLength, UnixTime};

use super::{read_text, write};
use crate::cli::NewArgs;
use crate::home::write_atomically;
use crate::units::now;

/// A signer outlives many configurations.
const SIGNER_VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(super) fn new(arguments: &NewArgs) -> anyhow::Result<()> {
    let mut builder = ConfigurationBuilder::new_overlay(&arguments.overlay);
    builder.sequence = arguments.sequence;
    let span = Duration::from_secs(u64::from(arguments.days) * 86_400);
    // Whole seconds, as the document has them.
    builder.expiration = Some(UnixTime::from_secs(now().wall.saturating_add(span).as_secs()));
    for file in &arguments.root {
        let roots = certificates_from_pem(&read_text(file)?);
        let roots = roots.with_context(|| format!("no certificate in {}", file.display()))?;
        builder.root_certs.extend(roots);
    }
    builder.bootstrap_nodes.clone_from(&arguments.bootstrap);
    builder.enrollment_servers.clone_from(&arguments.enrollment);
    builder.self_signed = arguments.self_signed.then_some(SelfSignedDigest::Sha256);
    let mut signers =
        arguments.signer.iter().map(|hex| signer(hex)).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(directory) = &arguments.make_signer {
        signers.push(make_signer(&arguments.overlay, directory)?);
    }
    builder.configuration_signers.clone_from(&signers);
    builder.kind_signers = signers;
    write(arguments.output.as_deref(), &assemble_unsigned(&builder.build()?))
}

fn signer(hex: &str) -> anyhow::Result<NodeId> {
    hex.parse().with_context(|| format!("`{hex}` is not a Node-ID"))
}

/// Key and self-signed certificate of a signer: `signer.key` and `signer.pem`.
fn make_signer(overlay: &str, directory: &Path) -> anyhow::Result<NodeId> {
    let key_file = directory.join("signer.key");
    if key_file.exists() {
        anyhow::bail!("{} is there already: a signer is not replaced", key_file.display());
    }
    let key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let (digest, length) = (SelfSignedDigest::Sha256, NodeIdLength::DEFAULT);
    let validity = Validity::starting(now().wall, SIGNER_VALIDITY);
    let certificate = key.self_signed_certificate(overlay, None, digest, 1, length, validity)?;
    let node_ids = derived_node_ids(digest, key.spki(), 1, length);
    let node_id = node_ids.first().copied().context("the key gave no Node-ID")?;
    let write = |path: &Path, text: String, mode| {
        let written = write_atomically(path, text.as_bytes(), mode);
        written.with_context(|| format!("cannot write {}", path.display()))
    };
    write(&key_file, key.to_pem(), 0o600)?;
    write(&directory.join("signer.pem"), certificates_to_pem([&certificate]), 0o644)?;
    Ok(node_id)
}
