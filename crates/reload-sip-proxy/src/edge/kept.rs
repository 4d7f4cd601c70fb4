//! The phones in a file, so that a proxy that starts again knows them at once: they would register again
//! only when their time is nearly over. Those on streams are left out, as their streams are gone then.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tracing::warn;

/// Nothing that was written here is larger.
const MAX_FILE: u64 = 1 << 20;

/// A file with phones.
#[derive(Clone, Debug)]
pub(crate) struct PhoneFile(PathBuf);

/// A phone as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptPhone {
    /// Its name in GRUUs of this node.
    pub(super) line: String,
    /// The value of its Contact.
    pub(super) contact: String,
    /// When it is forgotten: milliseconds since 1970.
    pub(super) ends: u64,
    /// Where its REGISTER came from, by UDP.
    pub(super) source: SocketAddr,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) user_agent: Option<String>,
}

impl PhoneFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The phones in it; none where there is no file, or a damaged one.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn read(&self) -> io::Result<Vec<KeptPhone>> {
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
            warn!(file = %self.0.display(), %error, "it is damaged, phones have to register anew");
            Vec::new()
        }))
    }

    /// Replaces what is in it, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(&self, phones: &[KeptPhone]) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(phones)?;
        let new = self.0.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        std::fs::rename(&new, &self.0)
    }
}

impl KeptPhone {
    /// Whole seconds that are left.
    pub(super) fn expires_in(&self) -> u32 {
        let left = Duration::from_millis(self.ends).saturating_sub(since_1970());
        u32::try_from(left.as_secs()).unwrap_or(u32::MAX)
    }

    /// The moment after that many seconds.
    pub(super) fn ends_in(seconds: u32) -> u64 {
        let ends = since_1970().saturating_add(Duration::from_secs(seconds.into()));
        u64::try_from(ends.as_millis()).unwrap_or(u64::MAX)
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> KeptPhone {
        KeptPhone {
            line: "abc".to_owned(),
            contact: "<sip:a@127.0.0.1:6000>;q=0.5".to_owned(),
            ends: KeptPhone::ends_in(600),
            source: "127.0.0.1:6000".parse().unwrap(),
            call_id: "c1".to_owned(),
            cseq: 7,
            user_agent: None,
        }
    }

    #[test]
    fn what_was_written_is_read_and_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = PhoneFile::new(directory.path().join("phones"));
        let phone = phone();
        file.write(std::slice::from_ref(&phone)).unwrap();
        assert_eq!(file.read().unwrap(), std::slice::from_ref(&phone));
        assert!((598..=600).contains(&phone.expires_in()));
        file.write(&[]).unwrap();
        assert_eq!(file.read().unwrap(), []);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_missing_or_damaged_holds_no_phones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phones");
        let file = PhoneFile::new(path.clone());
        assert_eq!(file.read().unwrap(), []);
        for text in ["", "{}", "[{\"line\": 1}]", "[", &" ".repeat(2 << 20)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(file.read().unwrap(), []);
        }
        let none = PhoneFile::new(directory.path().to_owned());
        assert!(none.read().is_err(), "a directory is no file");
    }
}
