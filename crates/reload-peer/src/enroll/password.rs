//! The password: from a file or typed without echo. It stays out of logs.

use std::fmt;
use std::path::Path;

use anyhow::{Context, bail};

/// A password.
#[derive(Clone)]
pub(crate) struct Password(String);

impl Password {
    /// A password from its text.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

/// The first line of the file, or what is typed.
pub(super) async fn get(file: Option<&Path>, user: &str) -> anyhow::Result<Password> {
    let password = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        None => {
            let prompt = format!("password of {user}: ");
            let typed = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt));
            typed.await?.context("cannot ask for the password: give --password-file FILE")?
        }
    };
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(Password(password))
}
