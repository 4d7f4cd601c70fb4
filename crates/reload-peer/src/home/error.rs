//! What can be wrong with a home, in words that say what to do.

use std::path::PathBuf;

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// No such directory.
    #[error("there is no home at {}: make one with `reload enroll --home {}`", .0.display(), .0.display())]
    Missing(PathBuf),
    /// A file where a directory should be.
    #[error("{} is not a directory: give another --home", .0.display())]
    NotADirectory(PathBuf),
    /// The directory cannot be read.
    #[error("cannot read the home {}: {}; check its owner and permissions", .0.display(), .1)]
    Unreadable(PathBuf, std::io::Error),
    /// A file that enrollment writes is not there.
    #[error(
        "the home {} holds no {}: enroll first with `reload enroll --home {}`",
        .0.display(),
        .1,
        .0.display()
    )]
    NotEnrolled(PathBuf, &'static str),
    /// A file cannot be read.
    #[error("cannot read {}: {}; check its owner and permissions", .0.display(), .1)]
    Read(PathBuf, std::io::Error),
    /// A file is larger than any of its sort.
    #[error("{} has {} bytes, far too many for what it should be: restore it or enroll again", .0.display(), .1)]
    TooLarge(PathBuf, u64),
    /// A text file is not UTF-8.
    #[error("{} is damaged (not UTF-8 text): restore it or enroll again", .0.display())]
    NotText(PathBuf),
    /// The private key is open to others.
    #[error(
        "the key {} can be read by others (mode {:04o}): `chmod 600` it, and enroll again if others may have seen it",
        .0.display(),
        .1
    )]
    OpenKey(PathBuf, u32),
    /// A file cannot be written.
    #[error("cannot write {}: {}; what was there before is unchanged", .0.display(), explain(.1))]
    Write(PathBuf, std::io::Error),
    /// Another daemon uses this home.
    #[error(
        "the home {} is in use by another `reload peer`{}: stop that one or give another --home",
        .0.display(),
        process(*.1)
    )]
    InUse(PathBuf, Option<u32>),
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The system's words, and what to do where that is known.
fn explain(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; free some space and try again"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; check the owner and permissions of the directory"
        }
        _ => "",
    };
    format!("{error}{advice}")
}
