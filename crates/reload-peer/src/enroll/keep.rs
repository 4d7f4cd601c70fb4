//! What a home holds already is kept: its key, the certificate of another user, a newer document.

use anyhow::{Context, bail};
use reload_config::{OverlayDocument, sequence_newer};
use reload_enroll::UserName;
use reload_identity::{
    Algorithm, KeyPair, VerifiedCertificate, VerifyError, certificates_from_pem,
};

use super::Overlay;
use crate::home::{CERTIFICATE, CONFIGURATION, Home, KEY};
use crate::units::now;

/// The key of the home, or a new one; true for a new one.
pub(super) fn key(
    home: &Home,
    overlay: &Overlay,
    user: &UserName,
    algorithm: Algorithm,
) -> anyhow::Result<(KeyPair, bool)> {
    if home.has(CERTIFICATE) {
        refuse_other_user(home, overlay, user)?;
    }
    if !home.has(KEY) {
        return Ok((KeyPair::generate(algorithm)?, true));
    }
    let pem = home.read_text(KEY)?;
    let key = KeyPair::from_pem(&pem).with_context(|| {
        format!("the key {} is damaged: restore it, or move it away", home.path(KEY).display())
    })?;
    Ok((key, false))
}

/// The same user renews; for anybody else the certificate is kept.
fn refuse_other_user(home: &Home, overlay: &Overlay, user: &UserName) -> anyhow::Result<()> {
    let path = home.path(CERTIFICATE);
    let pem = home.read_text(CERTIFICATE)?;
    let kept = || format!("{} is kept: give another --home, or move it away", path.display());
    let chain = certificates_from_pem(&pem).with_context(kept)?;
    let Some((leaf, intermediates)) = chain.split_first() else { bail!(kept()) };
    let check = |at| overlay.trust.check(leaf, intermediates, at);
    let owner = match check(now().wall) {
        // An expired certificate still says whose it was.
        Err(VerifyError::Expired { not_after, .. }) => check(not_after),
        other => other,
    };
    let owner = owner.with_context(kept)?;
    if VerifiedCertificate::user(&owner) == Some(user.as_str()) {
        return Ok(());
    }
    let owner = owner.user().unwrap_or("nobody");
    bail!("the home belongs to {owner}: {} (--user {})", kept(), user.as_str())
}

/// An older document than the home has is a replay.
pub(super) fn newer_configuration(home: &Home, overlay: &Overlay) -> anyhow::Result<()> {
    if !home.has(CONFIGURATION) {
        return Ok(());
    }
    // A damaged one is replaced: that is how a home is repaired.
    let Ok(kept) = OverlayDocument::parse(&home.read(CONFIGURATION)?) else { return Ok(()) };
    let new = &overlay.config.configuration;
    let same = kept.configurations().iter().find(|kept| kept.instance_name == new.instance_name);
    match same {
        Some(kept) if sequence_newer(kept.sequence, new.sequence) => bail!(
            "the configuration found has sequence {}, and {} has {} already: an old copy is refused",
            new.sequence,
            home.path(CONFIGURATION).display(),
            kept.sequence
        ),
        _ => Ok(()),
    }
}
