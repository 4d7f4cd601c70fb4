//! Where the control socket is, and how it comes to be there with mode 0600 from the start.

use std::fs::{DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::home::SOCKET;

/// sun_path takes 108 bytes on Linux and 104 elsewhere, the end mark included.
const MAX_PATH: usize = 100;

/// Why the control socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Nobody listens.
    #[error("no running node at {}: start one with `reload peer --home {}`", .0.display(), .0.display())]
    NoNode(PathBuf),
    /// The path is longer than the system takes.
    #[error("the path of the home {} is too long for a control socket: give a shorter --home", .0.display())]
    TooLong(PathBuf),
    /// Not ours to use.
    #[error("may not use the control socket in {}: it belongs to the user who runs the node", .0.display())]
    Denied(PathBuf),
    /// Anything else.
    #[error("the control socket in {} fails: {}", .0.display(), .1)]
    Io(PathBuf, std::io::Error),
}

/// The listening socket; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct ControlListener {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlListener {
    /// Binds in a directory of its own, mode 0700, and renames into place: at no moment can another
    /// user connect, whatever the umask, and a stale socket is replaced. The caller holds the lock.
    ///
    /// # Errors
    /// [`SocketError`].
    pub(crate) fn bind(home: &Path) -> Result<Self, SocketError> {
        let near = Near::open(home)?;
        let nursery = near.path.join(".control");
        let listener = bind_in(&nursery);
        let placed = listener.and_then(|listener| {
            std::fs::rename(nursery.join(SOCKET), near.path.join(SOCKET))?;
            Ok(listener)
        });
        let _ = std::fs::remove_dir_all(&nursery);
        let listener = placed.map_err(|error| SocketError::Io(home.to_owned(), error))?;
        Ok(Self { listener, path: home.join(SOCKET) })
    }

    /// The next command.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn accept(&self) -> std::io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the daemon of a home.
///
/// # Errors
/// [`SocketError`].
pub(crate) async fn connect(home: &Path) -> Result<UnixStream, SocketError> {
    let near = Near::open(home)?;
    let stream = UnixStream::connect(near.path.join(SOCKET)).await;
    stream.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => SocketError::NoNode(home.to_owned()),
        ErrorKind::PermissionDenied => SocketError::Denied(home.to_owned()),
        _ => SocketError::Io(home.to_owned(), error),
    })
}

/// The home by a path that is short enough for a socket address.
struct Near {
    path: PathBuf,
    /// Keeps the number in a path through `/proc` alive.
    _directory: Option<File>,
}

impl Near {
    fn open(home: &Path) -> Result<Self, SocketError> {
        let longest = home.join(".control").join(SOCKET);
        if longest.as_os_str().len() <= MAX_PATH {
            return Ok(Self { path: home.to_owned(), _directory: None });
        }
        let directory = File::open(home).map_err(|error| match error.kind() {
            ErrorKind::NotFound => SocketError::NoNode(home.to_owned()),
            _ => SocketError::Io(home.to_owned(), error),
        })?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
        if !path.is_dir() {
            return Err(SocketError::TooLong(home.to_owned()));
        }
        Ok(Self { path, _directory: Some(directory) })
    }
}

fn bind_in(nursery: &Path) -> std::io::Result<UnixListener> {
    // Left behind by a daemon that was killed.
    let _ = std::fs::remove_dir_all(nursery);
    DirBuilder::new().mode(0o700).create(nursery)?;
    let path = nursery.join(SOCKET);
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_private_and_replaces_a_stale_socket() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(SOCKET), b"stale").unwrap();
        let listener = ControlListener::bind(home.path()).unwrap();
        let mode = home.path().join(SOCKET).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (accepted, connected) = tokio::join!(listener.accept(), connect(home.path()));
        accepted.unwrap();
        connected.unwrap();
        drop(listener);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn works_in_a_home_with_a_long_path() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("a-long-name-of-a-directory".repeat(7));
        std::fs::create_dir(&home).unwrap();
        let listener = ControlListener::bind(&home).unwrap();
        let (accepted, connected) = tokio::join!(listener.accept(), connect(&home));
        accepted.unwrap();
        connected.unwrap();
    }

    #[tokio::test]
    async fn says_how_to_start_a_node_when_none_runs() {
        let home = tempfile::tempdir().unwrap();
        let error = connect(home.path()).await.unwrap_err().to_string();
        assert!(error.starts_with("no running node at "), "{error}");
        assert!(error.contains("`reload peer --home "), "{error}");
    }
}
