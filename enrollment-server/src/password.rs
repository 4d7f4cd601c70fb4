//! Passwords: argon2id, off the async threads, a bounded number at a time, and as long for an
//! unknown user as for a wrong password. It keeps no accounts and counts no failures.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

/// Hashes computed at once; each takes a core and 19 MiB.
const CONCURRENT: usize = 2;
/// Requests that may wait for their turn before the server says it is busy.
const WAITING: usize = 64;

/// How much work a password hash is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PasswordCost {
    /// The defaults of argon2id: 19 MiB, two passes (OWASP's recommendation).
    #[default]
    Standard,
    /// Nearly none. For tests and throw-away overlays only: hashes made so are easily broken.
    InsecureForTests,
}

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    cost: PasswordCost,
    /// Compared against when the user is unknown, so that the answer takes as long.
    dummy: Arc<str>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// Whether a password fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the password of the account.
    Right,
    /// It is not, or there is no such account.
    Wrong,
    /// Too many requests wait already.
    Busy,
}

impl Passwords {
    /// Makes the dummy hash, which takes as long as one check.
    pub(crate) fn new(cost: PasswordCost) -> Result<Self> {
        Ok(Self {
            cost,
            dummy: hash(cost, "nobody has this password")?.into(),
            turns: Arc::new(Semaphore::new(CONCURRENT)),
            places: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// The hash to keep for a new password.
    pub(crate) async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        let _turn = self.turns.acquire().await.context("the hasher has ended")?;
        tokio::task::spawn_blocking(move || hash(cost, &password)).await?
    }

    /// Compares a password with the hash of an account, or with the dummy when there is none.
    pub(crate) async fn check(&self, kept: Option<String>, password: String) -> Result<Verdict> {
        let Ok(_place) = self.places.try_acquire() else { return Ok(Verdict::Busy) };
        let _turn = self.turns.acquire().await.context("the hasher has ended")?;
        let dummy = Arc::clone(&self.dummy);
        let right = tokio::task::spawn_blocking(move || match kept {
            Some(kept) => verify(&kept, &password),
            None => verify(&dummy, &password).map(|_| false),
        })
        .await??;
        Ok(if right { Verdict::Right } else { Verdict::Wrong })
    }
}

fn argon2(cost: PasswordCost) -> Result<Argon2<'static>> {
    let params = match cost {
        PasswordCost::Standard => Params::default(),
        PasswordCost::InsecureForTests => {
            Params::new(8, 1, 1, None).map_err(|error| anyhow!("argon2 parameters: {error}"))?
        }
    };
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(cost: PasswordCost, password: &str) -> Result<String> {
    let hash: PasswordHash = argon2(cost)?
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow!("cannot hash the password: {error}"))?;
    Ok(hash.to_string())
}

/// The cost stands in the hash, so a hash made at another cost is still checked rightly.
fn verify(kept: &str, password: &str) -> Result<bool> {
    let kept =
        PasswordHash::new(kept).map_err(|error| anyhow!("a kept hash is damaged: {error}"))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &kept).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_fits() {
        let passwords = Passwords::new(PasswordCost::InsecureForTests).unwrap();
        let kept = passwords.hash("secret".into()).await.unwrap();
        let check = |kept: Option<&String>, password: &str| {
            passwords.check(kept.cloned(), password.to_owned())
        };
        assert_eq!(check(Some(&kept), "secret").await.unwrap(), Verdict::Right);
        assert_eq!(check(Some(&kept), "Secret").await.unwrap(), Verdict::Wrong);
        let dummy_password = "nobody has this password";
        assert_eq!(check(None, dummy_password).await.unwrap(), Verdict::Wrong);
    }

    #[test]
    fn standard_cost_is_argon2id_with_19_mebibytes() {
        let kept = hash(PasswordCost::Standard, "x").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
    }
}
