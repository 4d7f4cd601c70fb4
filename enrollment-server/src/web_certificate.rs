//! The certificate of the HTTPS server (RFC 6940 section 11.3: it must match the overlay name).
//! Its authority exists for one signature: its key is thrown away, so the root that clients are
//! given can never vouch for another site. It has nothing to do with the overlay's authority.

use anyhow::{Context, Result, bail};
use reload_config::is_overlay_name;
use reload_identity::{Algorithm, Issuer, KeyPair, Validity, certificates_to_pem};
use std::net::IpAddr;

/// The files of an HTTPS server, in PEM.
pub(crate) struct WebCertificate {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

/// Makes key and certificate for the overlay name, the hosts, localhost and 127.0.0.1.
pub(crate) fn make(overlay: &str, hosts: &[String], validity: Validity) -> Result<WebCertificate> {
    let names = names(overlay, hosts)?;
    let authority_key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let authority_name = format!("{overlay} enrollment HTTPS authority");
    let authority = Issuer::create(authority_key, &authority_name, validity)?;
    let key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let leaf = authority
        .server_certificate(key.spki(), &names, validity)
        .context("cannot make the HTTPS certificate")?;
    Ok(WebCertificate {
        chain: certificates_to_pem([&leaf]),
        key: key.to_pem(),
        authority: authority.certificate_pem(),
    })
}

fn names<'a>(overlay: &'a str, hosts: &'a [String]) -> Result<Vec<&'a str>> {
    let mut names = vec![overlay];
    for host in hosts.iter().map(String::as_str).chain(["localhost", "127.0.0.1"]) {
        // A host name has the characters of an overlay name: both must be allowable in DNS.
        if host.parse::<IpAddr>().is_err() && !is_overlay_name(host) {
            bail!("{host:?} is neither a host name nor an address");
        }
        if !names.contains(&host) {
            names.push(host);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_certificate_names_the_overlay_the_hosts_and_loopback() {
        let hosts = ["enroll.example.net".to_owned(), "192.0.2.7".into(), "localhost".into()];
        let expected =
            ["o.example.org", "enroll.example.net", "192.0.2.7", "localhost", "127.0.0.1"];
        assert_eq!(names("o.example.org", &hosts).unwrap(), expected);
        assert!(names("o.example.org", &["a b".into()]).is_err());
    }

    #[test]
    fn the_key_of_its_authority_is_not_kept() {
        let validity = Validity::starting(crate::clock::now(), Duration::from_secs(1000));
        let made = make("overlay.example.org", &[], validity).unwrap();
        assert!(!made.authority.contains("PRIVATE KEY"));
        assert_eq!(made.key.matches("PRIVATE KEY").count(), 2);
        assert_eq!(made.chain.matches("BEGIN CERTIFICATE").count(), 1);
    }
}
