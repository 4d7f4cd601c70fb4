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

    /// The first line of a file.
    ///
    /// # Errors
    /// It cannot be read, or its first line is empty.
    pub(crate) fn of_file(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        not_empty(text.lines().next().unwrap_or_default().to_owned())
            .with_context(|| format!("the first line of {}", file.display()))
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
    if let Some(file) = file {
        return Password::of_file(file);
    }
    let prompt = format!("password of {user}: ");
    let typed = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt));
    not_empty(typed.await?.context("cannot ask for the password: give --password-file FILE")?)
}

fn not_empty(password: String) -> anyhow::Result<Password> {
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(Password(password))
}
