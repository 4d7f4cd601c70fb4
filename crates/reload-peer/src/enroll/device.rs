//! The label of this device: two devices of a user have different Node-IDs (E107).

use anyhow::{Context, bail};
use rand::TryRngCore;

use crate::home::{DEVICE, Home};

/// The label given, else the one of the home, else a random one; kept in the home.
pub(super) fn label(home: &Home, given: Option<&str>) -> anyhow::Result<String> {
    let kept =
        if home.has(DEVICE) { Some(home.read_text(DEVICE)?.trim().to_owned()) } else { None };
    let label = match (given, &kept) {
        (Some(""), _) => bail!("the label of --device is empty"),
        (Some(given), _) => given.to_owned(),
        (None, Some(kept)) => return Ok(kept.clone()),
        (None, None) => random()?,
    };
    home.write(DEVICE, format!("{label}\n").as_bytes())?;
    Ok(label)
}

fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 8];
    let filled = rand::rngs::OsRng.try_fill_bytes(&mut bytes);
    filled.context("the system gives no random numbers")?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_stays_with_the_home() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        let first = label(&home, None).unwrap();
        assert_eq!(label(&home, None).unwrap(), first);
        assert_eq!(label(&home, Some("phone")).unwrap(), "phone");
        assert_eq!(label(&home, None).unwrap(), "phone");
    }
}
