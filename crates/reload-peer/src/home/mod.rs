//! The home of a node: the directory that holds its configuration, key, certificate and cache.
//!
//! Reading checks permissions, writing is atomic, and one daemon at a time holds the lock. What the
//! bytes mean is not looked at here.

mod error;
mod lock;
mod peers;
mod write;

pub(crate) use error::HomeError;
pub(crate) use lock::Lock;
use peers::{parse_peers, render_peers};
pub(crate) use write::write_atomically;

use std::fs::{DirBuilder, File, Metadata};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use reload_wire::NodeId;

/// The configuration document.
pub(crate) const CONFIGURATION: &str = "overlay.xml";
/// The private key, PEM, mode 0600.
pub(crate) const KEY: &str = "node.key";
/// The certificate and its chain, PEM.
pub(crate) const CERTIFICATE: &str = "node.crt";
/// The label of this device at the enrollment server.
pub(crate) const DEVICE: &str = "device";
/// Where the configuration came from and where new ones are.
pub(crate) const SOURCE: &str = "source";
/// Peers that were connected.
pub(crate) const PEERS: &str = "peers";
/// The control socket of the running daemon.
pub(crate) const SOCKET: &str = "control.sock";
/// The directory of the stored values.
pub(crate) const STORE: &str = "store";
/// The SIP registration of the user.
pub(crate) const SIP: &str = "sip-registration";
/// The phones that are registered here.
pub(crate) const SIP_PHONES: &str = "sip-phones";
/// The certificate for phones that speak TLS, and its authority, PEM.
pub(crate) const SIP_CERTIFICATE: &str = "sip-tls.crt";
/// What phones check it against, PEM.
pub(crate) const SIP_AUTHORITY: &str = "sip-tls-ca.crt";
/// Its private key, PEM, mode 0600.
pub(crate) const SIP_KEY: &str = "sip-tls.key";
/// Held by the running daemon.
pub(crate) const LOCK: &str = "lock";

/// Nothing in a home is larger: a configuration with many certificates takes far less.
const MAX_FILE: u64 = 4 << 20;

/// A directory with the files of one node.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    directory: PathBuf,
}

impl Home {
    /// The home in a directory that must exist and be readable.
    ///
    /// # Errors
    /// [`HomeError::Missing`], [`HomeError::NotADirectory`] or [`HomeError::Unreadable`].
    pub(crate) fn open(directory: &Path) -> Result<Self, HomeError> {
        let home = Self { directory: directory.to_owned() };
        match std::fs::read_dir(directory) {
            Ok(_) => Ok(home),
            Err(error) => Err(match error.kind() {
                ErrorKind::NotFound => HomeError::Missing(home.directory),
                ErrorKind::NotADirectory => HomeError::NotADirectory(home.directory),
                _ => HomeError::Unreadable(home.directory, error),
            }),
        }
    }

    /// The home in a directory that is made, mode 0700, if it is not there.
    ///
    /// # Errors
    /// As [`Home::open`], or [`HomeError::Write`].
    pub(crate) fn create(directory: &Path) -> Result<Self, HomeError> {
        if !directory.exists() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| HomeError::Write(directory.to_owned(), error))?;
        }
        Self::open(directory)
    }

    /// The directory.
    #[must_use]
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file in the home.
    #[must_use]
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether a file is there.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The whole of a file.
    ///
    /// # Errors
    /// [`HomeError::NotEnrolled`] if it is not there, else what the system says.
    pub(crate) fn read(&self, name: &'static str) -> Result<Vec<u8>, HomeError> {
        let path = self.path(name);
        let mut file = File::open(&path).map_err(|error| self.read_error(name, error))?;
        let metadata = file.metadata().map_err(|error| self.read_error(name, error))?;
        if metadata.len() > MAX_FILE {
            return Err(HomeError::TooLarge(path, metadata.len()));
        }
        if is_secret(name) {
            check_private(&path, &metadata)?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| self.read_error(name, error))?;
        Ok(bytes)
    }

    /// A file that must be text.
    ///
    /// # Errors
    /// As [`Home::read`], or [`HomeError::NotText`].
    pub(crate) fn read_text(&self, name: &'static str) -> Result<String, HomeError> {
        String::from_utf8(self.read(name)?).map_err(|_| HomeError::NotText(self.path(name)))
    }

    /// Writes a file so that the old one stays whole until the new one is.
    ///
    /// # Errors
    /// [`HomeError::Write`].
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        let mode = if is_secret(name) { 0o600 } else { 0o644 };
        let path = self.path(name);
        write_atomically(&path, bytes, mode).map_err(|error| HomeError::Write(path, error))
    }

    /// Takes the lock that keeps a second daemon out.
    ///
    /// # Errors
    /// [`HomeError::InUse`], or what the system says.
    pub(crate) fn lock(&self) -> Result<Lock, HomeError> {
        Lock::take(&self.path(LOCK), &self.directory)
    }

    /// The peers that were connected when the daemon last ran. A damaged or missing cache is empty.
    #[must_use]
    pub(crate) fn cached_peers(&self) -> Vec<SocketAddr> {
        self.read_text(PEERS).map(|text| parse_peers(&text)).unwrap_or_default()
    }

    /// Keeps ten peers for the next start (section 11.4): those that are connected, then those that
    /// were.
    ///
    /// # Errors
    /// [`HomeError::Write`].
    pub(crate) fn write_peers(&self, peers: &[(NodeId, SocketAddr)]) -> Result<(), HomeError> {
        let before = self.read_text(PEERS).unwrap_or_default();
        let text = render_peers(peers, &before);
        if text == before { Ok(()) } else { self.write(PEERS, text.as_bytes()) }
    }

    fn read_error(&self, name: &'static str, error: std::io::Error) -> HomeError {
        if error.kind() == ErrorKind::NotFound {
            HomeError::NotEnrolled(self.directory.clone(), name)
        } else {
            HomeError::Read(self.path(name), error)
        }
    }
}

/// Whether only the owner may read it.
fn is_secret(name: &str) -> bool {
    [KEY, SIP_KEY].contains(&name)
}

/// A private key that others can read is no secret any more.
fn check_private(path: &Path, metadata: &Metadata) -> Result<(), HomeError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(HomeError::OpenKey(path.to_owned(), mode)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_key_that_others_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        home.write(KEY, b"secret").unwrap();
        assert_eq!(home.read(KEY).unwrap(), b"secret");
        std::fs::set_permissions(home.path(KEY), PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(home.read(KEY), Err(HomeError::OpenKey(_, 0o640))));
    }

    #[test]
    fn says_when_a_home_is_missing_or_not_enrolled() {
        let directory = tempfile::tempdir().unwrap();
        let missing = Home::open(&directory.path().join("nowhere"));
        assert!(matches!(missing, Err(HomeError::Missing(_))));
        let home = Home::open(directory.path()).unwrap();
        assert!(matches!(home.read(CERTIFICATE), Err(HomeError::NotEnrolled(_, CERTIFICATE))));
    }

    #[test]
    fn a_second_lock_names_the_process_that_holds_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        let first = home.lock().unwrap();
        let refused = home.lock();
        assert!(
            matches!(refused, Err(HomeError::InUse(_, Some(pid))) if pid == std::process::id())
        );
        drop(first);
        home.lock().unwrap();
    }
}
