//! The arguments of `reload-enroll`, which scripts rely on.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};
use reload_config::{DomainPattern, DomainRestriction};

use crate::{Domains, InitOptions, NodeIdLimits, ServeOptions};

/// The enrollment service of a RELOAD overlay: its certificate authority, accounts, certificates
/// and signed configuration.
#[derive(Debug, Parser)]
#[command(name = "reload-enroll", version)]
pub(super) struct Arguments {
    /// The directory that holds everything the service keeps.
    #[arg(long, value_name = "DIR")]
    pub(super) home: PathBuf,
    /// Log more; twice for everything.
    #[arg(short, long, global = true, display_order = 100, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make the authority, the HTTPS certificate, the configuration signer and the configuration.
    Init(InitArguments),
    /// Serve the configuration and enrollment over HTTPS until SIGTERM.
    Serve(ServeArguments),
    /// Accounts.
    #[command(subcommand)]
    User(UserCommand),
    /// Certificates.
    #[command(subcommand)]
    Cert(CertCommand),
    /// The signed configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The name of the overlay, such as overlay.example.org.
    #[arg(long, value_name = "NAME")]
    overlay: String,
    /// The enrollment URL peers use, when it is not the address the server listens on.
    #[arg(long)]
    url: Option<String>,
    /// A bootstrap node of the overlay; may be given several times.
    #[arg(long, value_name = "ADDR:PORT")]
    bootstrap: Vec<SocketAddr>,
    /// A further host name or address of the HTTPS certificate; may be given several times.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// An unsigned overlay document to take kinds, limits and all other elements from.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Take users of any domain, and not of the overlay's own only (RFC 7904 section 3.4).
    #[arg(long, conflicts_with = "domain")]
    any_domain: bool,
    /// Take users of domains that match this expression, such as '.*\.example\.org', and not of the
    /// overlay's own only; may be given several times.
    #[arg(long, value_name = "EXPRESSION")]
    domain: Vec<String>,
    /// Form links with ICE over UDP, so that nodes behind NATs can take part.
    #[arg(long)]
    ice: bool,
    /// How long the authority, the HTTPS certificate and the configuration signer are valid.
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
}

impl TryFrom<InitArguments> for InitOptions {
    type Error = anyhow::Error;

    fn try_from(arguments: InitArguments) -> Result<Self> {
        let pattern =
            |text: &String| DomainPattern::new(text).map_err(|it| anyhow!("--domain: {it}"));
        let patterns = arguments.domain.iter().map(pattern).collect::<Result<Vec<_>>>()?;
        let domains = match (arguments.any_domain, patterns.is_empty()) {
            (true, _) => Domains::Any,
            (false, true) => Domains::Usual,
            (false, false) => Domains::Restricted(DomainRestriction { enable: true, patterns }),
        };
        Ok(Self {
            domains,
            url: arguments.url,
            bootstrap: arguments.bootstrap,
            hosts: arguments.host,
            from: read(arguments.from)?,
            ice: arguments.ice,
            days: arguments.days,
            ..Self::new(arguments.overlay)
        })
    }
}

/// The content of the document given, if one is.
pub(super) fn read(path: Option<PathBuf>) -> Result<Option<Vec<u8>>> {
    let read = |path: PathBuf| {
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    path.map(read).transpose()
}

#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The address to listen on; port 0 is any free port.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// How long a certificate is valid.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    certificate_days: u32,
    /// Most Node-IDs of one device.
    #[arg(long, value_name = "N", default_value_t = NodeIdLimits::default().per_device)]
    max_node_ids: u32,
    /// Most devices of one account.
    #[arg(long, value_name = "N", default_value_t = NodeIdLimits::default().devices)]
    max_devices: u32,
}

impl From<ServeArguments> for ServeOptions {
    fn from(arguments: ServeArguments) -> Self {
        let node_ids =
            NodeIdLimits { per_device: arguments.max_node_ids, devices: arguments.max_devices };
        Self {
            listen: arguments.listen,
            certificate_days: arguments.certificate_days,
            node_ids,
            ..Self::default()
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add an account.
    Add {
        /// The full name, alice@overlay.example.org.
        user: String,
        /// Take the password from this file (`-`: standard input) and do not ask.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List the accounts.
    List {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Let an account enroll no more; its certificates stay valid until revoked.
    Disable {
        /// The full name.
        user: String,
    },
    /// Let an account enroll again.
    Enable {
        /// The full name.
        user: String,
    },
    /// Give an account another password.
    Passwd {
        /// The full name.
        user: String,
        /// Take the password from this file (`-`: standard input) and do not ask.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum CertCommand {
    /// List the certificates issued.
    List {
        /// Only those of this account.
        #[arg(long)]
        user: Option<String>,
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a certificate: its Node-IDs become bad-nodes of the next signed configuration.
    Revoke {
        /// Its serial number or one of its Node-IDs, in hex.
        #[arg(value_name = "SERIAL|NODE-ID")]
        which: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show the configuration in use.
    Show {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Change one setting and sign the configuration with the next sequence number.
    ///
    /// NAME is an element of RFC 6940 section 11.1, such as initial-ttl, max-message-size,
    /// overlay-reliability-timer, chord-update-interval, chord-ping-interval, bootstrap-node, bad-node; a
    /// list takes any number of values, which replace the old ones. `expiration` takes a time
    /// (2031-01-01T00:00:00Z) or a span from now on (+90d). `kind` takes a kind by name or number, then
    /// `none`, which removes it with its values, or any of model=, access=, max-node-multiple=,
    /// max-count=, max-size=; SIP-REGISTRATION also domains=any, domains=own or domain-pattern=EXPRESSION,
    /// which say whose AORs are taken.
    Set {
        /// The setting.
        name: String,
        /// Its new value, or several for a list.
        #[arg(value_name = "VALUE")]
        values: Vec<String>,
    },
    /// Sign the configuration anew with the next sequence number.
    Publish {
        /// An unsigned overlay document to take kinds, limits and all other elements from.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// A bootstrap node to add; may be given several times.
        #[arg(long, value_name = "ADDR:PORT")]
        bootstrap: Vec<SocketAddr>,
        /// How long it is valid.
        #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
    },
}
