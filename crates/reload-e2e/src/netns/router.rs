//! A router, and what it does to the packets of the homes behind it.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::tool::{nft, tool};
use super::{Host, Nat, Switch};

/// A namespace between two segments.
#[derive(Debug)]
pub struct Router {
    host: Host,
    lan: Switch,
}

impl Router {
    pub(super) fn new(host: Host, lan: Switch) -> Self {
        Self { host, lan }
    }

    /// The segment behind it.
    #[must_use]
    pub fn lan(&self) -> &Switch {
        &self.lan
    }

    /// Its address in the segment before it.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.host.address()
    }

    /// The machine that it is.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// From now on it does NAT for its segment. `home` is who gets packets of strangers, if anybody
    /// does.
    ///
    /// # Errors
    /// What `nft` says.
    pub fn set_nat(&self, nat: Nat, home: Ipv4Addr) -> Result<()> {
        nft(self.host.namespace(), &nat.rules(home))
    }

    /// Forgets all mappings, as when it starts again.
    ///
    /// # Errors
    /// What `conntrack` says.
    pub fn forget(&self) -> Result<()> {
        // Not through a shell of ours: conntrack reports on standard error, and that is no failure.
        tool("ip", &["netns", "exec", self.host.namespace(), "conntrack", "-F"])
            .context("cannot flush the mappings")?;
        Ok(())
    }
}
