//! Names, paths and media types of discovery and enrollment (RFC 6940 sections 11.2 and 11.3).
//! It is not the DNS query or the HTTP request.

/// Path of the configuration document on its server (11.2, RFC 5785).
pub const WELL_KNOWN_PATH: &str = "/.well-known/reload-config";

/// Path our enrollment server answers on; the RFC leaves it to the `enrollment-server` URL.
pub const ENROLL_PATH: &str = "/enroll";

/// Name of the SRV record before the overlay name: service `reload-config`, protocol TCP (11.2).
pub const SRV_NAME: &str = "_reload-config._tcp";

/// Media type of the configuration document (11.1).
pub const CONFIGURATION_TYPE: &str = "application/p2p-overlay+xml";

/// Media type of the `csr` parameter (11.3, RFC 2311).
pub const CSR_TYPE: &str = "application/pkcs10";

/// Media type of the certificate returned (11.3, RFC 2585).
pub const CERTIFICATE_TYPE: &str = "application/pkix-cert";

/// The URL of the configuration document when none was provided (11.2). The host is the overlay
/// name; the address behind it may come from the SRV record.
#[must_use]
pub fn configuration_url(overlay: &str) -> String {
    format!("https://{overlay}{WELL_KNOWN_PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-11.2-04, R6940-14.1-01
    #[test]
    fn url_without_provisioning_is_the_example_of_the_rfc() {
        let expected = "https://example.com/.well-known/reload-config";
        assert_eq!(configuration_url("example.com"), expected);
    }
}
