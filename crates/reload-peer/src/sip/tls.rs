//! The certificate that phones see, if none is given: made once, for this machine, and kept in the home
//! together with its authority, which phones are given. The key of the authority is thrown away.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use reload_identity::{Algorithm, Issuer, KeyPair, Validity, certificates_to_pem};
use reload_sip_proxy::TlsListen;

use crate::home::{Home, SIP_AUTHORITY, SIP_CERTIFICATE, SIP_KEY};
use crate::units::now;

/// Ten years: phones are seldom given another one.
const LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The certificate of these files.
///
/// # Errors
/// A file cannot be read.
pub(super) fn of_files(
    listen: SocketAddr,
    certificate: &Path,
    key: &Path,
) -> anyhow::Result<TlsListen> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(TlsListen { listen, certificate_pem: read(certificate)?, key_pem: read(key)? })
}

/// The certificate of the home, which is made if there is none, for these names and the address.
///
/// # Errors
/// A file cannot be read or written.
pub(super) fn of_home(home: &Home, listen: SocketAddr, domain: &str) -> anyhow::Result<TlsListen> {
    if !(home.has(SIP_CERTIFICATE) && home.has(SIP_KEY)) {
        make(home, listen, domain)?;
    }
    let (certificate_pem, key_pem) = (home.read_text(SIP_CERTIFICATE)?, home.read_text(SIP_KEY)?);
    Ok(TlsListen { listen, certificate_pem, key_pem })
}

fn make(home: &Home, listen: SocketAddr, domain: &str) -> anyhow::Result<()> {
    let validity = Validity::starting(now().wall, LIFE);
    let name = format!("SIP of {domain} on this machine");
    let authority = Issuer::create(KeyPair::generate(Algorithm::EcdsaP256)?, &name, validity)?;
    let key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let address = listen.ip().to_string();
    let mut names = vec![domain, "localhost", "127.0.0.1"];
    if !names.contains(&address.as_str()) && !listen.ip().is_unspecified() {
        names.push(&address);
    }
    let leaf = authority.server_certificate(key.spki(), &names, validity);
    let leaf = leaf.context("cannot make a certificate for phones")?;
    home.write(SIP_KEY, key.to_pem().as_bytes())?;
    home.write(SIP_AUTHORITY, authority.certificate_pem().as_bytes())?;
    Ok(home.write(SIP_CERTIFICATE, certificates_to_pem([&leaf]).as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_for_phones_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        let listen = SocketAddr::from(([192, 0, 2, 1], 5061));
        let first = of_home(&home, listen, "test.example.org").unwrap();
        let second = of_home(&home, listen, "test.example.org").unwrap();
        assert_eq!(first.certificate_pem, second.certificate_pem);
        assert_eq!(first.key_pem, second.key_pem);
        assert!(home.read_text(SIP_AUTHORITY).unwrap().contains("BEGIN CERTIFICATE"));
    }
}
