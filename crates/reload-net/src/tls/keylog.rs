//! TLS secrets for whoever shall read the traffic (`--keylog FILE`, `SSLKEYLOGFILE`), in the format
//! that tshark reads. Off by default: with this file every message of the node can be read.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::KeyLog;

use crate::error::NetError;

struct KeyLogFile(Mutex<File>);

/// Opens `path` for appending, readable by its owner only, and warns loudly.
///
/// # Errors
/// The file cannot be opened.
pub fn key_log(path: &Path) -> Result<Arc<dyn KeyLog>, NetError> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options
        .open(path)
        .map_err(|source| NetError::KeyLogFile { path: path.to_owned(), source })?;
    tracing::warn!(
        file = %path.display(),
        "TLS SECRETS ARE WRITTEN to a file: whoever reads it can read all traffic of this node"
    );
    Ok(Arc::new(KeyLogFile(Mutex::new(file))))
}

impl KeyLog for KeyLogFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}\n", Hex(client_random), Hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "TLS secret not written");
        }
    }
}

/// Takes the lines of DTLS links into the log of the TLS links.
pub(super) fn of_dtls(log: Arc<dyn KeyLog>) -> reload_link::KeyLog {
    Arc::new(move |line: &str| {
        let mut words = line.split_whitespace();
        let (label, random, secret) = (words.next(), words.next(), words.next());
        let bytes = |word: Option<&str>| word.and_then(from_hex);
        if let (Some(label), Some(random), Some(secret)) = (label, bytes(random), bytes(secret)) {
            log.log(label, &random, &secret);
        }
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let pairs = digits?;
    let byte = |pair: &[u32]| u8::try_from(pair.iter().fold(0, |sum, digit| sum * 16 + digit)).ok();
    pairs.chunks(2).map(byte).collect()
}

impl fmt::Debug for KeyLogFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogFile")
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_dtls_link_goes_into_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let sink = of_dtls(key_log(&path).unwrap());
        sink("CLIENT_RANDOM 00ab ff01");
        sink("noise");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "CLIENT_RANDOM 00ab ff01\n");
    }

    #[test]
    fn a_line_is_label_random_secret_in_hex_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        key_log(&path).unwrap().log("CLIENT_RANDOM", &[0xab, 1], &[0xff]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "CLIENT_RANDOM ab01 ff\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
