//! coturn, a TURN server of other people (RFC 8656), with a configuration of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Host;
use crate::process::Process;
use crate::{installed, until};

/// It serves within this.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer within one machine comes within this.
const ANSWER: Duration = Duration::from_millis(200);

/// Not the port of STUN and TURN, which others may have.
const PORT: u16 = 34780;

/// Its one user.
const USER: &str = "guest";
const PASSWORD: &str = "a-guest-has-a-password";

/// A running server.
#[derive(Debug)]
pub struct Coturn {
    address: Ipv4Addr,
    process: Process,
}

impl Coturn {
    /// Starts it on a host, with its files in a directory. None, with a word about it, if it is not
    /// installed.
    ///
    /// # Errors
    /// If it does not serve, or is missing and RELOAD_TEST_TOOLS=require.
    pub fn start(host: &Host, directory: &Path) -> Result<Option<Self>> {
        if !installed("turnserver")? {
            return Ok(None);
        }
        let file = directory.join("turnserver.conf");
        std::fs::write(&file, configuration(host.address(), directory))?;
        let mut command = host.program(Path::new("turnserver"));
        command.arg("-c").arg(&file);
        let process = Process::start("coturn", command, &directory.join("coturn.log"))?;
        let coturn = Self { address: host.address(), process };
        until("coturn answers", LIMIT, || coturn.binding(host))?;
        Ok(Some(coturn))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.address, PORT))
    }

    /// The name and the password of its one user.
    #[must_use]
    pub fn user(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// What `--turn` takes.
    #[must_use]
    pub fn option(&self) -> String {
        format!("{USER}:{PASSWORD}@{}", self.address())
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A Binding request by hand (RFC 8489 section 5): type, length 0, magic cookie, transaction id.
    fn binding(&self, host: &Host) -> Result<()> {
        const REQUEST: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42twelve bytes";
        let socket = host.udp(host.address(), 0)?;
        socket.set_read_timeout(Some(ANSWER))?;
        socket.send_to(&REQUEST, self.address())?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).context("no answer")?;
        ensure!(answer[..length].starts_with(b"\x01\x01"), "no Binding success");
        ensure!(answer[8..20] == REQUEST[8..], "to another request");
        Ok(())
    }
}

fn configuration(address: Ipv4Addr, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "listening-ip={address}
relay-ip={address}
listening-port={PORT}
min-port=40000
max-port=49999
realm=coturn.example.org
lt-cred-mech
user={USER}:{PASSWORD}
fingerprint
no-tls
no-dtls
no-tcp
no-cli
log-file=stdout
simple-log
pidfile={directory}/coturn.pid
userdb={directory}/coturn.db
"
    )
}
