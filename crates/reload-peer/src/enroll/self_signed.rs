//! A certificate without a server, where the overlay permits it (section 11.3.1).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use reload_enroll::UserName;
use reload_identity::{KeyPair, Validity, VerifiedCertificate};

use super::Overlay;
use crate::units::now;

/// A node enrolls again when it ends.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) fn certificate(
    overlay: &Overlay,
    key: &KeyPair,
    user: &UserName,
) -> anyhow::Result<Arc<VerifiedCertificate>> {
    let configuration = &overlay.config.configuration;
    let name = &configuration.instance_name;
    let digest = configuration.self_signed.with_context(|| {
        format!("the overlay {name} permits no self-signed certificates: enroll without --config")
    })?;
    let now = now().wall;
    let certificate = key.self_signed_certificate(
        name,
        Some(user.as_str()),
        digest,
        1,
        configuration.node_id_length,
        Validity::starting(now, VALIDITY),
    )?;
    Ok(overlay.trust.check(&certificate, &[], now)?)
}
