//! The home directory of the server: names of its files, modes of its keys, locks, and writes that
//! are whole or not at all. It knows nothing of what the files mean.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The overlay's certificate authority, certificate and key.
pub(crate) const CA_CERTIFICATE: &str = "ca.pem";
pub(crate) const CA_KEY: &str = "ca.key";
/// Certificate chain and key of the HTTPS server, and the root that clients give as `--ca`.
pub(crate) const HTTPS_CERTIFICATE: &str = "https.pem";
pub(crate) const HTTPS_KEY: &str = "https.key";
pub(crate) const HTTPS_CA: &str = "https-ca.pem";
/// Certificate and key that sign the configuration.
pub(crate) const SIGNER_CERTIFICATE: &str = "signer.pem";
pub(crate) const SIGNER_KEY: &str = "signer.key";
/// The signed configuration document.
pub(crate) const DOCUMENT: &str = "overlay.xml";
/// Accounts, devices and issued certificates (SQLite).
pub(crate) const ACCOUNTS: &str = "accounts.db";

/// All that `init` makes.
const FILES: [&str; 9] = [
    CA_CERTIFICATE,
    CA_KEY,
    HTTPS_CERTIFICATE,
    HTTPS_KEY,
    HTTPS_CA,
    SIGNER_CERTIFICATE,
    SIGNER_KEY,
    DOCUMENT,
    ACCOUNTS,
];

const SERVER_LOCK: &str = "server.lock";
const DOCUMENT_LOCK: &str = "overlay.lock";

/// The directory that holds everything the server keeps.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

/// A lock on a file of the home; it ends with this value, and with the process at the latest.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Home {
    /// Names a home; nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the directory, open to nobody else.
    pub(crate) fn create(&self) -> Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .with_context(|| format!("cannot make the directory {}", self.path.display()))
    }

    /// Whether anything of a server is here already.
    pub(crate) fn is_initialised(&self) -> bool {
        FILES.iter().any(|name| self.file(name).symlink_metadata().is_ok())
    }

    /// Removes what a failed `init` has made, so that it can be run again.
    pub(crate) fn clear(&self) {
        let journals = ["accounts.db-wal", "accounts.db-shm"];
        for name in FILES.into_iter().chain(journals) {
            let _ = fs::remove_file(self.file(name)); // most of them were not reached
        }
    }

    /// Fails with one clear line when `init` has not been run, or the home cannot be read.
    pub(crate) fn require_initialised(&self) -> Result<()> {
        match fs::read_dir(&self.path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "there is no home at {} (run `reload-enroll init` first)",
                self.path.display()
            ),
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot read the home {}", self.path.display()));
            }
        }
        for name in [DOCUMENT, ACCOUNTS] {
            match self.file(name).metadata() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                    "{} is not initialised: {name} is missing (run `reload-enroll init` first)",
                    self.path.display()
                ),
                Err(error) => return Err(error).with_context(|| self.cannot("read", name)),
            }
        }
        Ok(())
    }

    /// Reads a file that may be public.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.file(name)).with_context(|| self.cannot("read", name))
    }

    /// Reads a text file that may be public.
    pub(crate) fn read_text(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.file(name)).with_context(|| self.cannot("read", name))
    }

    /// Reads a key file and refuses it when others may read it.
    pub(crate) fn read_key(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        let metadata = path.metadata().with_context(|| self.cannot("read", name))?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            bail!(
                "the key {} is open to others (mode {mode:04o}): run `chmod 600 {}`",
                path.display(),
                path.display()
            );
        }
        self.read_text(name)
    }

    /// Writes a public file whole or not at all.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        self.write_mode(name, content, 0o644)
    }

    /// Writes a key, readable by its owner alone.
    pub(crate) fn write_key(&self, name: &str, content: &[u8]) -> Result<()> {
        self.write_mode(name, content, 0o600)
    }

    fn write_mode(&self, name: &str, content: &[u8], mode: u32) -> Result<()> {
        let path = self.file(name);
        let temporary = self.file(&format!(".{name}.{}.new", std::process::id()));
        let written = replace(&temporary, &path, content, mode);
        if written.is_err() {
            // The old file still stands; what is left of the new one may be absent already.
            let _ = fs::remove_file(&temporary);
        }
        written.with_context(|| self.cannot("write", name))?;
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .with_context(|| self.cannot("write", name))
    }

    /// Holds the home for one serving process.
    pub(crate) fn lock_server(&self) -> Result<Lock> {
        let file = self.lock_file(SERVER_LOCK)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => {
                bail!("another enrollment server runs on {}", self.path.display())
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| self.cannot("lock", SERVER_LOCK))
            }
        }
    }

    /// Holds the document from reading to writing; waits for others, who hold it for milliseconds.
    pub(crate) fn lock_document(&self) -> Result<Lock> {
        let file = self.lock_file(DOCUMENT_LOCK)?;
        file.lock().with_context(|| self.cannot("lock", DOCUMENT_LOCK))?;
        Ok(Lock { _file: file })
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.file(name))
            .with_context(|| self.cannot("lock", name))
    }

    /// "cannot read /srv/home/overlay.xml".
    pub(crate) fn cannot(&self, act: &str, name: &str) -> String {
        format!("cannot {act} {}", self.file(name).display())
    }
}

fn replace(temporary: &Path, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_written_for_the_owner_alone_and_refused_when_open() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        home.write_key(CA_KEY, b"key").unwrap();
        assert_eq!(home.read_key(CA_KEY).unwrap(), "key");
        fs::set_permissions(home.file(CA_KEY), fs::Permissions::from_mode(0o640)).unwrap();
        let error = home.read_key(CA_KEY).unwrap_err().to_string();
        assert!(error.contains("open to others (mode 0640)"), "{error}");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_rest() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        fs::create_dir(home.file(DOCUMENT)).unwrap(); // a rename onto a directory fails
        assert!(home.write(DOCUMENT, b"new").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_server_holds_a_home() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path());
        let lock = home.lock_server().unwrap();
        assert!(home.lock_server().unwrap_err().to_string().contains("another"));
        drop(lock);
        home.lock_server().unwrap();
    }
}
