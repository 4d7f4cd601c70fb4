//! What is typed into a phone.

use std::net::SocketAddr;

/// The account of a phone.
#[derive(Clone, Debug)]
pub struct Account {
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) proxy: SocketAddr,
    pub(super) transport: &'static str,
    pub(super) password: String,
    pub(super) lifetime: u32,
    pub(super) writes_to: Option<String>,
}

impl Account {
    /// `user@domain` through a proxy, over UDP.
    #[must_use]
    pub fn new(user: &str, domain: &str, proxy: SocketAddr) -> Self {
        Self {
            user: user.to_owned(),
            domain: domain.to_owned(),
            proxy,
            transport: "udp",
            // Phones want one, also where nobody asks for it.
            password: "none".to_owned(),
            lifetime: 600,
            writes_to: None,
        }
    }

    /// With the password that the proxy asks for.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = password.to_owned();
        self
    }

    /// Over TCP.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        self.transport = "tcp";
        self
    }

    /// Registers for so many seconds; 0: not at all.
    #[must_use]
    pub fn for_seconds(mut self, lifetime: u32) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// With the one whom text messages go to.
    #[must_use]
    pub fn who_writes_to(mut self, address: &str) -> Self {
        self.writes_to = Some(address.to_owned());
        self
    }

    /// `user@domain`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}@{}", self.user, self.domain)
    }
}
