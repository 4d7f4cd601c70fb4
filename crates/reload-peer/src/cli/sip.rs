//! Arguments of the SIP side: options of `reload peer`, and `reload sip`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use reload_sip_proxy::MediaMode;
use reload_usages::sip::{Aor, Scheme, SipContact};

/// The SIP options of `reload peer`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Phones")]
pub(crate) struct SipArgs {
    /// Serve the SIP phones of this user, by UDP and TCP, here or at 127.0.0.1:5060.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:5060",
        conflicts_with = "no_udp"
    )]
    pub sip: Option<SocketAddr>,
    /// Serve phones by TLS too, here or at port 5061 of the same address.
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, requires = "sip")]
    pub sip_tls: Option<Option<SocketAddr>>,
    /// Certificate for TLS with phones, and those above it, PEM [default: one that is made in the home]
    #[arg(long, value_name = "FILE", requires_all = ["sip_tls", "sip_tls_key"])]
    pub sip_tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "sip_tls_cert")]
    pub sip_tls_key: Option<PathBuf>,
    /// File whose first line is the password of the phones. Without it only phones on this machine are
    /// served.
    #[arg(long, value_name = "FILE", requires = "sip")]
    pub sip_password_file: Option<PathBuf>,
    /// Proxy of the ordinary SIP world: for calls to other domains, and the only one from outside that
    /// may call in.
    #[arg(long, value_name = "HOST:PORT", requires = "sip")]
    pub sip_route: Option<String>,
    /// The scheme that other peers are to use [default: both with ICE, else sips]
    #[arg(long, value_enum, value_name = "WHICH", requires = "sip")]
    pub sip_schemes: Option<Schemes>,
    /// How the sound of calls goes [default: auto]
    #[arg(long, value_enum, value_name = "HOW", requires = "sip")]
    pub media: Option<MediaWay>,
}

/// The value of `--sip-schemes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Schemes {
    /// Unencrypted, over connections that ICE binds to their nodes.
    Sip,
    /// Encrypted by DTLS.
    Sips,
    /// As the caller wants.
    Both,
}

/// The value of `--media`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MediaWay {
    /// The peers carry it, encrypted.
    Relay,
    /// The phones send it to each other.
    Direct,
    /// The peers carry it where the phones cannot reach each other.
    Auto,
}

/// `reload sip`.
#[derive(Debug, Args)]
pub(crate) struct SipQuestion {
    /// Directory of the node [default: $RELOAD_HOME, else ~/.reload]
    #[arg(long, value_name = "DIR", global = true)]
    pub home: Option<PathBuf>,
    #[command(subcommand)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub command: SipCommand,
}

/// The commands of `reload sip`.
#[derive(Debug, Subcommand)]
pub(crate) enum SipCommand {
    /// Show the registration of this node's user, and the phones.
    Register,
    /// Show who is registered under an address, and where a call to it goes.
    Lookup(LookupArgs),
    /// Send the calls of this node's user to another address instead of to the phones here.
    Forward(ForwardArgs),
    /// Show the calls that go through this node, until Ctrl-C; one picture if nobody looks on.
    Calls(CallsArgs),
    /// Show the last SIP messages, or those of a call, with the peers they crossed.
    Trace(TraceArgs),
}

/// `reload sip lookup`.
#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    /// The address, e.g. bob@dht.example.org.
    #[arg(value_name = "AOR")]
    pub aor: String,
}

/// `reload sip forward`.
#[derive(Debug, Args)]
pub(crate) struct ForwardArgs {
    /// The address of this node's user.
    #[arg(value_name = "AOR", value_parser = aor)]
    pub aor: Aor,
    /// Where its calls go: an address of this overlay or of another place.
    #[arg(value_name = "TO", value_parser = forward_to, required_unless_present = "off")]
    pub to: Option<String>,
    /// Forward no longer.
    #[arg(long, conflicts_with = "to")]
    pub off: bool,
}

/// `reload sip calls`.
#[derive(Debug, Args)]
pub(crate) struct CallsArgs {
    /// One picture, and no more.
    #[arg(long)]
    pub once: bool,
}

/// `reload sip trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// The Call-ID [default: all calls]
    #[arg(value_name = "CALL-ID")]
    pub call_id: Option<String>,
    /// Only the first line of each message.
    #[arg(long, short)]
    pub short: bool,
}

impl SipArgs {
    /// Where TLS is spoken with phones, if it is.
    pub(crate) fn tls_address(&self) -> Option<SocketAddr> {
        let ip = self.sip.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
        self.sip_tls.map(|address| address.unwrap_or_else(|| SocketAddr::new(ip, TLS_PORT)))
    }
}

impl Schemes {
    /// The only one, if it is one.
    pub(crate) const fn only(self) -> Option<Scheme> {
        match self {
            Self::Sip => Some(Scheme::Sip),
            Self::Sips => Some(Scheme::Sips),
            Self::Both => None,
        }
    }
}

impl MediaWay {
    /// As the proxy says it.
    pub(crate) const fn mode(self) -> MediaMode {
        match self {
            Self::Relay => MediaMode::Relay,
            Self::Direct => MediaMode::Direct,
            Self::Auto => MediaMode::Auto,
        }
    }
}

/// The port of SIP over TLS (RFC 3261 section 19.1.2).
const TLS_PORT: u16 = 5061;

fn aor(text: &str) -> Result<Aor, String> {
    Aor::parse(text).map_err(|error| format!("{error}: give USER@DOMAIN"))
}

/// As typed, if calls can be sent there.
fn forward_to(text: &str) -> Result<String, String> {
    SipContact::forward(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}: give USER@DOMAIN"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parse(line: &str) -> Result<SipArgs, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Command::Peer(arguments) => Ok(arguments.sip),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn phones_are_served_on_loopback_unless_told_otherwise() {
        assert_eq!(parse("reload peer").unwrap().sip, None);
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let arguments = parse("reload peer --sip --sip-tls --first").unwrap();
        assert_eq!((arguments.sip, arguments.tls_address()), (Some(here(5060)), Some(here(5061))));
        let arguments = parse("reload peer --sip 127.0.0.1:0 --sip-tls 127.0.0.1:7").unwrap();
        assert_eq!((arguments.sip, arguments.tls_address()), (Some(here(0)), Some(here(7))));
    }

    #[test]
    fn what_belongs_to_phones_needs_them() {
        for options in
            ["--sip-tls", "--media relay", "--sip-route 192.0.2.1:5060", "--sip-schemes sip"]
        {
            assert!(parse(&format!("reload peer {options}")).is_err(), "{options}");
            assert!(parse(&format!("reload peer --sip {options}")).is_ok(), "{options}");
        }
        assert!(parse("reload peer --sip --no-udp").is_err(), "peers connect over UDP");
        assert!(parse("reload peer --sip --sip-tls --sip-tls-cert a").is_err(), "no key");
        assert!(parse("reload peer --sip --sip-tls-cert a --sip-tls-key b").is_err(), "no TLS");
    }

    #[test]
    fn a_forward_leads_to_a_user() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("reload sip forward alice@a.org bob@b.org").is_ok());
        assert!(parse("reload sip forward alice@a.org --off").is_ok());
        for wrong in
            ["alice@a.org", "alice@a.org b.org", "alice bob@b.org", "a@a.org b@b.org --off"]
        {
            assert!(parse(&format!("reload sip forward {wrong}")).is_err(), "{wrong}");
        }
    }
}
