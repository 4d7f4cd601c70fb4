//! What can go wrong with the file, and what it means: damage, or a system that does not let us.

use std::io;
use std::path::PathBuf;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

/// The file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// What the file holds is no store of ours, or no longer.
    #[error("{0}")]
    Damaged(String),
    /// Another process has it open.
    #[error("in use by another process")]
    InUse,
    /// The system refuses: the disk is full, the file may not be read, the medium fails.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl DiskError {
    /// Whether another attempt at the same file can go well.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl From<StorageError> for DiskError {
    fn from(error: StorageError) -> Self {
        match error {
            // A file that is cut off or is something else is told by these.
            StorageError::Io(error) => match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                    Self::Damaged(error.to_string())
                }
                _ => Self::Io(error),
            },
            StorageError::PreviousIo | StorageError::DatabaseClosed => {
                Self::Io(io::Error::other(error.to_string()))
            }
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DatabaseError> for DiskError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::InUse,
            DatabaseError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TransactionError> for DiskError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<TableError> for DiskError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<CommitError> for DiskError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

/// A store could not be opened. Damage is no reason: a damaged store is moved aside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system or another process does not let us.
    #[error("cannot open the store {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DiskError,
    },
    /// The directory cannot be made, or a damaged store cannot be moved aside.
    #[error("cannot make the store {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
