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

    /// Sends OPTIONS of somebody through a proxy, which must be answered with 200.
    ///
    /// # Errors
    /// What it says.
    pub fn options(&self, proxy: SocketAddr, uri: &str, from: &str) -> Result<()> {
        // Of a port in the URI it takes four digits.
        self.ask(&["-p", &proxy.to_string(), "-c", from, "-s", uri]).map(|_| ())
    }

    /// Runs it with all that it says; it must end with 0.
    ///
    /// # Errors
    /// What it says.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.site.program(Path::new("sipsak"));
        command.args(arguments);
        run(command, LIMIT)
    }
}
