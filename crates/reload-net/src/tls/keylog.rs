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
