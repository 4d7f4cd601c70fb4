//! sipsak, which sends one request by hand.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::command::run;
use crate::{Site, installed};

/// It gives up earlier by itself (RFC 3261 section 17.1.2.2: 32 s).
const LIMIT: Duration = Duration::from_secs(40);

/// The program, at a machine.
#[derive(Clone, Debug)]
pub struct Sipsak {
    site: Site,
}

impl Sipsak {
    /// None, with a word about it, if it is not installed.
    ///
    /// # Errors
    /// If it is missing and RELOAD_TEST_TOOLS=require.
    pub fn new(site: &Site) -> Result<Option<Self>> {
        Ok(installed("sipsak")?.then(|| Self { site: site.clone() }))
    }

    /// Sends OPTIONS of somebody to the proxy of a domain, which must be answered with 200.
    ///
    /// # Errors
    /// What it says.
    pub fn options(&self, proxy: SocketAddr, domain: &str, from: &str) -> Result<()> {
        // With the option for it, From is another one all the same, and a port in the URI has four digits.
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), request(domain, from))?;
        let mut command = self.site.program(Path::new("sipsak"));
        command.args(["-p", &proxy.to_string(), "-s", &format!("sip:{domain}"), "-f"]);
        command.arg(file.path());
        run(command, LIMIT).map(|_| ())
    }
}

/// It adds a Via.
fn request(domain: &str, from: &str) -> String {
    format!(
        "OPTIONS sip:{domain} SIP/2.0\r
From: <sip:{from}>;tag=sipsak\r
To: <sip:{domain}>\r
Call-ID: sipsak-{domain}\r
CSeq: 1 OPTIONS\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"
    )
}
