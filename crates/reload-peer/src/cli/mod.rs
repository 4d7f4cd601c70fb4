//! The command line: what may be typed, not what it does.

mod config;
mod data;
mod look;
mod peer;
mod sip;

pub(crate) use config::{ConfigCommand, DocumentArgs, NewArgs, SignArgs};
pub(crate) use data::{FetchArgs, FindArgs, RemoveArgs, StatArgs, StoreArgs, WhichArgs};
pub(crate) use look::{InspectArgs, LocateArgs, PingArgs, TargetArgs};
pub(crate) use peer::{CompressLists, PeerArgs};
pub(crate) use sip::{
    CallsArgs, ForwardArgs, LookupArgs, MediaWay, Schemes, SipArgs, SipCommand, SipQuestion,
    TraceArgs,
};

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// A RELOAD overlay (RFC 6940) from the command line.
#[derive(Debug, Parser)]
#[command(name = "reload", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Says more on standard error; twice for more still.
    #[arg(short, long, global = true, display_order = 100, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Prints JSON instead of text.
    #[arg(long, global = true, display_order = 101)]
    pub json: bool,
    #[command(subcommand)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show an overlay on this machine: enrollment server, peers, data, failures.
    Demo(DemoArgs),
    /// Get the configuration and a certificate, and write the home of a node.
    Enroll(EnrollArgs),
    /// Run a node in the foreground.
    Peer(PeerArgs),
    /// Store a value.
    Store(StoreArgs),
    /// Fetch values.
    Fetch(FetchArgs),
    /// Show what is stored without the values.
    Stat(StatArgs),
    /// Find the next resource that has values of a kind.
    Find(FindArgs),
    /// Remove a value.
    Remove(RemoveArgs),
    /// Ask a node, or the peer responsible for a name, whether it is there.
    Ping(PingArgs),
    /// Ask a peer for its share, its resources and its uptime.
    Probe(TargetArgs),
    /// Show the path to a name or a node, peer by peer.
    Route(TargetArgs),
    /// Show the Resource-ID of a name, its responsible peer and the replicas.
    Locate(LocateArgs),
    /// Walk the ring and list its peers.
    Ring(HomeArgs),
    /// Show this node: neighbours, fingers, links, stored values, counters.
    Status(HomeArgs),
    /// Show the links of this node: type, addresses, kinds of candidates, round trip, loss.
    Links(HomeArgs),
    /// Connect standard input and output with those of another node, through the overlay.
    Pipe(PipeArgs),
    /// Show and change how SIP calls reach the user of this node.
    Sip(SipQuestion),
    /// Show messages or frames field by field, with offsets; hex or binary.
    Inspect(InspectArgs),
    /// Look at, check, sign or make an overlay configuration document.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Whose node does the work.
#[derive(Clone, Debug, Args)]
pub(crate) struct HomeArgs {
    /// Directory of the node [default: $RELOAD_HOME, else ~/.reload]
    #[arg(long, value_name = "DIR")]
    pub home: Option<PathBuf>,
}

/// `reload demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How many peers.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(4..=64))]
    pub peers: u16,
    /// Form links with ICE over UDP instead of TLS over TCP.
    #[arg(long)]
    pub ice: bool,
    /// End when everything was shown, instead of running until Ctrl-C.
    #[arg(long)]
    pub once: bool,
}

/// `reload enroll`.
#[derive(Debug, Args)]
pub(crate) struct EnrollArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// Name of the overlay, e.g. dht.example.org.
    #[arg(long, value_name = "NAME")]
    pub overlay: String,
    /// Full user name, e.g. alice@dht.example.org.
    #[arg(long, value_name = "USER")]
    pub user: String,
    /// File whose first line is the password; asked for without it.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Where the configuration document is [default: asked of DNS, SRV _reload-config._tcp.NAME]
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub config_url: Option<String>,
    /// The name server to ask [default: that of the system]
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["config", "config_url"])]
    pub dns: Option<SocketAddr>,
    /// CA certificates (PEM) that the HTTPS servers are checked against.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Configuration document from elsewhere; no server: the certificate is self-signed.
    #[arg(long, value_name = "FILE", conflicts_with = "ca")]
    pub config: Option<PathBuf>,
    /// Label of this device at the enrollment server [default: random, kept in the home]
    #[arg(long, value_name = "LABEL")]
    pub device: Option<String>,
    /// Make an RSA key of 2048 bits instead of ECDSA P-256.
    #[arg(long)]
    pub rsa: bool,
}

/// `reload pipe`.
#[derive(Debug, Args)]
pub(crate) struct PipeArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// The other node: its Node-ID, or the user name in its certificate.
    #[arg(value_name = "NODE|NAME", required_unless_present = "listen")]
    pub node: Option<String>,
    /// Application-ID, the same on both sides: 61443 to 65534, which are for private use.
    #[arg(long = "app", value_name = "N", value_parser = clap::value_parser!(u16).range(61443..=65534))]
    pub application: u16,
    /// Wait for a node that connects to this one. With NODE or NAME, only that one is let in.
    #[arg(long)]
    pub listen: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pipe_needs_the_other_node_or_listens() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("reload pipe --app 61443").is_err());
        assert!(parse("reload pipe --app 61443 --listen").is_ok());
        assert!(parse("reload pipe --app 61443 bob@a.org").is_ok());
        assert!(parse("reload pipe --app 5060 bob@a.org").is_err(), "a stream is for private ids");
    }
}
