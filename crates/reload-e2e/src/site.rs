//! Where a program runs: on this machine as it is, or on a host of a test network.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

/// A machine with an address, as a program sees it.
#[derive(Clone, Debug)]
pub struct Site {
    namespace: Option<String>,
    address: IpAddr,
}

impl Site {
    /// This machine, on loopback.
    #[must_use]
    pub fn loopback() -> Self {
        Self { namespace: None, address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// Where programs listen.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The port of the enrollment server: any free one, but a fixed one where all ports are ours.
    pub(crate) fn https_port(&self) -> u16 {
        if self.namespace.is_some() { 443 } else { 0 }
    }

    pub(crate) fn interface(&self) -> &'static str {
        if self.namespace.is_some() { "eth0" } else { "lo" }
    }

    /// Opens something here, a socket above all, which then stays here.
    pub(crate) fn inside<T: Send>(
        &self,
        act: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> Result<T> {
        match &self.namespace {
            #[cfg(target_os = "linux")]
            Some(namespace) => crate::netns::inside(namespace, act),
            _ => Ok(act()?),
        }
    }

    pub(crate) fn program(&self, program: &Path) -> Command {
        match &self.namespace {
            #[cfg(target_os = "linux")]
            Some(namespace) => crate::netns::program_in(namespace, program),
            _ => Command::new(program),
        }
    }
}

#[cfg(target_os = "linux")]
impl From<&crate::netns::Host> for Site {
    fn from(host: &crate::netns::Host) -> Self {
        let namespace = Some(host.namespace().to_owned());
        Self { namespace, address: IpAddr::V4(host.address()) }
    }
}
