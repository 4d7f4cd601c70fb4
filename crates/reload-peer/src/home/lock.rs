//! The lock that keeps a second daemon out of a home.
//!
//! The operating system drops it with the process, so a crash leaves no stale lock behind.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::HomeError;

/// Held as long as the value lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path, home: &Path) -> Result<Self, HomeError> {
        let write_error = |error| HomeError::Write(path.to_owned(), error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(write_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(HomeError::InUse(home.to_owned(), holder(&mut file)));
            }
            Err(TryLockError::Error(error)) => return Err(write_error(error)),
        }
        // Only for the message to a second one: a full disk shall not keep the first from running.
        let _ = note_process(&mut file);
        Ok(Self { _file: file })
    }
}

fn note_process(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
