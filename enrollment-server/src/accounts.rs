//! The accounts in `accounts.db` (SQLite through sqlx): names, password hashes, on and off. Other
//! processes may use the same file at the same time. Devices and certificates are beside it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reload_enroll::UserName;
use reload_wire::UnixTime;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use crate::clock;
use crate::home::{ACCOUNTS, Home};
use crate::password::{PasswordCost, Passwords, Verdict};

/// Longest password (bytes), so that hashing has a bound.
const MAX_PASSWORD: usize = 1024;
/// How long a writer waits for another process to finish its write.
const BUSY: Duration = Duration::from_secs(10);

/// The account store of one home.
#[derive(Clone, Debug)]
pub struct Accounts {
    pub(crate) pool: SqlitePool,
    passwords: Passwords,
}

/// One account as `user list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The full name, `alice@example.org`.
    pub name: String,
    /// Whether it may not enroll.
    pub disabled: bool,
    /// When it was made.
    pub created: UnixTime,
    /// How many devices have Node-IDs.
    pub devices: u64,
}

/// The outcome of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The account with this row.
    Account(i64),
    /// No such account, another password, or disabled: outside, all the same.
    Refused,
    /// Too many logins at once.
    Busy,
}

impl Accounts {
    /// Makes the file of a new home.
    pub(crate) async fn create(home: &Home, cost: PasswordCost) -> Result<Self> {
        home.write_key(ACCOUNTS, b"")?; // SQLite gives its WAL the mode of the file
        Self::open(home, cost).await
    }

    /// Opens the store of a home and brings its tables up to date.
    ///
    /// # Errors
    /// When the file is missing, damaged or cannot be written.
    pub async fn open(home: &Home, cost: PasswordCost) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(home.file(ACCOUNTS))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .with_context(|| home.cannot("open", ACCOUNTS))?;
        sqlx::migrate!().run(&pool).await.with_context(|| home.cannot("update", ACCOUNTS))?;
        Ok(Self { pool, passwords: Passwords::new(cost)? })
    }

    /// Closes the store; what was written is on the disk.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Adds an account.
    ///
    /// # Errors
    /// When the name is not a legal user name, the password is empty or the account is there.
    pub async fn add(&self, user: &str, password: &str) -> Result<()> {
        let name = UserName::new(user).with_context(|| format!("cannot add {user:?}"))?;
        let hash = self.hash(password).await?;
        let added = sqlx::query(
            "INSERT INTO accounts (name, password, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(name.as_str())
        .bind(hash)
        .bind(clock::to_column(clock::now()))
        .execute(&self.pool)
        .await
        .with_context(|| format!("cannot write the account {name}"))?;
        if added.rows_affected() == 0 {
            bail!("the account {name} exists already");
        }
        Ok(())
    }

    /// Gives an account another password.
    ///
    /// # Errors
    /// When there is no such account or the password is empty.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<()> {
        let hash = self.hash(password).await?;
        let query = sqlx::query("UPDATE accounts SET password = ? WHERE name = ?");
        let done = query.bind(hash).bind(user).execute(&self.pool).await?;
        known(done.rows_affected(), user)
    }

    /// Lets an account enroll, or not. Certificates it has stay valid until revoked.
    ///
    /// # Errors
    /// When there is no such account.
    pub async fn set_disabled(&self, user: &str, disabled: bool) -> Result<()> {
        let query = sqlx::query("UPDATE accounts SET disabled = ? WHERE name = ?");
        let done = query.bind(disabled).bind(user).execute(&self.pool).await?;
        known(done.rows_affected(), user)
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self) -> Result<Vec<Account>> {
        let rows: Vec<(String, bool, i64, i64)> = sqlx::query_as(
            "SELECT name, disabled, created, \
             (SELECT COUNT(*) FROM devices WHERE account = accounts.id) \
             FROM accounts ORDER BY name",
        )
        .fetch_all(&self.pool)
        .await
        .context("cannot read the accounts")?;
        let account = |(name, disabled, created, devices): (_, _, _, i64)| Account {
            name,
            disabled,
            created: clock::from_column(created),
            devices: u64::try_from(devices).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(account).collect())
    }

    /// Checks name and password, as binary objects (11.3). Takes as long for an unknown name.
    pub(crate) async fn login(&self, user: &str, password: &str) -> Result<Login> {
        let row: Option<(i64, String, bool)> =
            sqlx::query_as("SELECT id, password, disabled FROM accounts WHERE name = ?")
                .bind(user)
                .fetch_optional(&self.pool)
                .await
                .context("cannot read the accounts")?;
        let kept = row.as_ref().map(|(_, password, _)| password.clone());
        let verdict = self.passwords.check(kept, password.to_owned()).await?;
        Ok(match (verdict, row) {
            (Verdict::Busy, _) => Login::Busy,
            (Verdict::Right, Some((id, _, false))) => Login::Account(id),
            _ => Login::Refused,
        })
    }

    /// A transaction that holds the write lock from its beginning.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.context("cannot write to the account store")
    }

    /// A setting of the home.
    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT value FROM settings WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .context("cannot read the settings")
    }

    /// Keeps a setting of the home.
    pub(crate) async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)")
            .bind(name)
            .bind(value)
            .execute(&self.pool)
            .await
            .context("cannot write the settings")?;
        Ok(())
    }

    async fn hash(&self, password: &str) -> Result<String> {
        if password.is_empty() || password.len() > MAX_PASSWORD {
            bail!("a password has 1 to {MAX_PASSWORD} bytes");
        }
        self.passwords.hash(password.to_owned()).await
    }
}

fn known(rows: u64, user: &str) -> Result<()> {
    if rows == 0 { bail!("there is no account {user:?}") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> (tempfile::TempDir, Accounts) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        let accounts = Accounts::create(&home, PasswordCost::InsecureForTests).await.unwrap();
        (directory, accounts)
    }

    // R6940-11.3-07, R6940-11.3-11
    #[tokio::test]
    async fn login_needs_the_name_and_password_byte_for_byte() {
        let (_directory, accounts) = store().await;
        accounts.add("alice@example.org", "secret").await.unwrap();
        let login = accounts.login("alice@example.org", "secret").await.unwrap();
        assert!(matches!(login, Login::Account(_)));
        for (user, password) in [
            ("alice@example.org", "secret "),
            ("Alice@example.org", "secret"),
            ("bob@example.org", "secret"),
            ("alice@example.org", ""),
        ] {
            assert_eq!(accounts.login(user, password).await.unwrap(), Login::Refused);
        }
    }

    #[tokio::test]
    async fn a_disabled_account_is_refused_until_enabled() {
        let (_directory, accounts) = store().await;
        accounts.add("alice@x", "secret").await.unwrap();
        accounts.set_disabled("alice@x", true).await.unwrap();
        assert_eq!(accounts.login("alice@x", "secret").await.unwrap(), Login::Refused);
        assert!(accounts.list().await.unwrap()[0].disabled);
        accounts.set_disabled("alice@x", false).await.unwrap();
        assert!(matches!(accounts.login("alice@x", "secret").await.unwrap(), Login::Account(_)));
    }

    // R6940-13.3-01
    #[tokio::test]
    async fn accounts_are_made_once_and_with_legal_names() {
        let (_directory, accounts) = store().await;
        accounts.add("alice@x", "secret").await.unwrap();
        assert!(accounts.add("alice@x", "other").await.is_err());
        assert!(accounts.add("alice", "secret").await.is_err());
        assert!(accounts.add("ali\0ce@x", "secret").await.is_err());
        assert!(accounts.add("bob@x", "").await.is_err());
        assert!(accounts.set_password("bob@x", "secret").await.is_err());
        assert!(accounts.set_disabled("bob@x", true).await.is_err());
        assert_eq!(accounts.list().await.unwrap().len(), 1);
        assert!(matches!(accounts.login("alice@x", "secret").await.unwrap(), Login::Account(_)));
    }

    #[tokio::test]
    async fn the_file_is_closed_to_others() {
        use std::os::unix::fs::MetadataExt;
        let (directory, accounts) = store().await;
        accounts.add("alice@x", "secret").await.unwrap();
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{:?}", entry.path());
        }
    }
}
