//! The command line: what may be typed, not what it does.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use reload_net::TurnLogin;
use reload_node::ListCompression;

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

/// `reload peer`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PeerArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// Where to accept links; port 0 is any free port. May be repeated. [default: 127.0.0.1:6084]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Vec<SocketAddr>,
    /// The address that others are told to dial.
    #[arg(long, value_name = "ADDR:PORT")]
    pub advertise: Option<SocketAddr>,
    /// Bootstrap peers to try before those of the configuration. May be repeated.
    #[arg(long, value_name = "ADDR:PORT")]
    pub bootstrap: Vec<SocketAddr>,
    /// STUN server to ask for the address that others see. May be repeated.
    #[arg(long, value_name = "ADDR:PORT")]
    pub stun: Vec<SocketAddr>,
    /// TURN server to be reached through where nothing else works. May be repeated.
    #[arg(long, value_name = "USER:PASSWORD@ADDR:PORT", value_parser = turn_login)]
    pub turn: Vec<TurnLogin>,
    /// Relay for others as a TURN server, here or at the address of this machine. Without it a peer
    /// does so where it finds itself on a public address; at port 3478, or any free one.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        conflicts_with_all = ["no_turn_server", "client", "no_udp"]
    )]
    pub turn_server: Option<Option<SocketAddr>>,
    /// Relay for nobody.
    #[arg(long)]
    pub no_turn_server: bool,
    /// Use no UDP: no DTLS, no ICE, no pipes.
    #[arg(long)]
    pub no_udp: bool,
    /// Found the overlay if no bootstrap peer answers.
    #[arg(long)]
    pub first: bool,
    /// Use the overlay without routing or storing for it.
    #[arg(long, conflicts_with = "first")]
    pub client: bool,
    /// Seconds between two questions for a new configuration; less often in a large overlay, 0 for
    /// none but before the configuration expires.
    #[arg(long, value_name = "S", default_value_t = 5)]
    pub config_interval: u32,
    /// Requests that one node may make here in a second; more are refused. 0 is no limit.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub requests_per_second: u32,
    /// Hide the way of the requests that this peer passes on, or shorten its description.
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "sealed"
    )]
    pub compress_lists: Option<CompressLists>,
    /// Write the TLS secrets to this file, for analysis. Whoever has it can read all traffic.
    #[arg(long, value_name = "FILE")]
    pub keylog: Option<PathBuf>,
}

/// The value of `--compress-lists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressLists {
    /// One encrypted entry instead of all: nobody behind this peer sees who stands before it.
    Sealed,
    /// Two bytes instead of the Node-ID of the node that the request came from.
    Compact,
}

impl CompressLists {
    /// As the node says it.
    pub(crate) const fn of(this: Option<Self>) -> ListCompression {
        match this {
            None => ListCompression::Off,
            Some(Self::Sealed) => ListCompression::Sealed,
            Some(Self::Compact) => ListCompression::Compact,
        }
    }
}

/// What a value is stored under.
#[derive(Debug, Args)]
pub(crate) struct ResourceArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// Kind by name or number, e.g. SIP-REGISTRATION or 0xF0000001.
    #[arg(long, value_name = "NAME|NUMBER")]
    pub kind: String,
    /// Text, node:HEX (hash of a Node-ID), node:HEX/i (NODE-MULTIPLE) or id:HEX (a Resource-ID).
    #[arg(value_name = "RESOURCE-NAME")]
    pub name: String,
}

/// `reload store`.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub resource: ResourceArgs,
    /// The value; `-` or nothing reads standard input.
    #[arg(value_name = "VALUE|-")]
    pub value: Option<String>,
    /// Index of an array.
    #[arg(long, value_name = "N", group = "place")]
    pub index: Option<u32>,
    /// Append to an array.
    #[arg(long, group = "place")]
    pub append: bool,
    /// Key of a dictionary: text, or 0x and hex.
    #[arg(long, value_name = "K", group = "place")]
    pub key: Option<String>,
    /// Seconds that the value shall live.
    #[arg(long, value_name = "S", default_value_t = 3600)]
    pub lifetime: u32,
    /// Only if the kind still has this generation counter.
    #[arg(long, value_name = "G", default_value_t = 0)]
    pub generation: u64,
}

/// `reload fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub resource: ResourceArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub which: WhichArgs,
    /// A line for each value with owner and remaining lifetime.
    #[arg(short = 'l', long)]
    pub long: bool,
}

/// `reload stat`.
#[derive(Debug, Args)]
pub(crate) struct StatArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub resource: ResourceArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub which: WhichArgs,
}

/// Which values of a kind.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// Index or range (FIRST-LAST, FIRST- for all from there) of an array. May be repeated.
    #[arg(long, value_name = "N|N-M", conflicts_with = "key")]
    pub index: Vec<String>,
    /// Key of a dictionary: text, or 0x and hex. May be repeated.
    #[arg(long, value_name = "K")]
    pub key: Vec<String>,
}

/// `reload find`.
#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// Kind by name or number. May be repeated.
    #[arg(long, value_name = "NAME|NUMBER", required = true)]
    pub kind: Vec<String>,
    /// Text, node:HEX, node:HEX/i or id:HEX.
    #[arg(value_name = "RESOURCE-NAME")]
    pub name: String,
}

/// `reload remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub resource: ResourceArgs,
    /// Index of an array.
    #[arg(long, value_name = "N", conflicts_with = "key")]
    pub index: Option<u32>,
    /// Key of a dictionary: text, or 0x and hex.
    #[arg(long, value_name = "K")]
    pub key: Option<String>,
}

/// A node or a resource.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// node:HEX is that node; text or id:HEX the peer responsible for that resource.
    #[arg(value_name = "TARGET")]
    pub target: String,
}

/// `reload ping`.
#[derive(Debug, Args)]
pub(crate) struct PingArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub target: TargetArgs,
    /// How many times.
    #[arg(long, short = 'c', value_name = "N", default_value_t = 1)]
    pub count: u32,
}

/// `reload locate`.
#[derive(Debug, Args)]
pub(crate) struct LocateArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub home: HomeArgs,
    /// Text, node:HEX, node:HEX/i or id:HEX.
    #[arg(value_name = "RESOURCE-NAME")]
    pub name: String,
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

/// `USER:PASSWORD@ADDR:PORT`; the password may hold an @ or a colon, the user name no colon.
fn turn_login(text: &str) -> Result<TurnLogin, String> {
    let wrong = || "USER:PASSWORD@ADDR:PORT is expected".to_owned();
    let (login, server) = text.rsplit_once('@').ok_or_else(wrong)?;
    let (username, password) = login.split_once(':').ok_or_else(wrong)?;
    let server = server.parse().map_err(|_| wrong())?;
    Ok(TurnLogin { server, username: username.to_owned(), password: password.to_owned() })
}

/// `reload inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Messages or frames one after the other, hex or binary; `-` is standard input.
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Take the bytes as frames of a link whatever they look like.
    #[arg(long)]
    pub frame: bool,
    /// Configuration document of the overlay: its Kinds and its Node-ID length.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The overlay, where the document has several.
    #[arg(long, value_name = "NAME", requires = "config")]
    pub overlay: Option<String>,
}

/// `reload config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show what a configuration document says.
    Show(DocumentArgs),
    /// Check a configuration document: form, signature, expiration, size.
    Check(DocumentArgs),
    /// Sign a configuration document.
    Sign(SignArgs),
    /// Make an unsigned configuration document.
    New(NewArgs),
}

/// A document.
#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// The document; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The overlay, where the document has several.
    #[arg(long, value_name = "NAME")]
    pub overlay: Option<String>,
}

/// `reload config sign`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The document; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Private key of the signer, PEM.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Certificate of the signer, PEM.
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// Where the signed document goes [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `reload config new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Name of the overlay.
    #[arg(long, value_name = "NAME")]
    pub overlay: String,
    /// Sequence number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub sequence: u16,
    /// Days until it expires.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    pub days: u32,
    /// Root certificates, PEM. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub root: Vec<PathBuf>,
    /// Address of a bootstrap peer. May be repeated.
    #[arg(long, value_name = "ADDR:PORT")]
    pub bootstrap: Vec<SocketAddr>,
    /// URL of an enrollment server. May be repeated.
    #[arg(long, value_name = "URL")]
    pub enrollment: Vec<String>,
    /// Permit self-signed certificates.
    #[arg(long)]
    pub self_signed: bool,
    /// Node-ID of a configuration signer. May be repeated.
    #[arg(long, value_name = "HEX")]
    pub signer: Vec<String>,
    /// Make a self-signed signer in this directory (signer.key, signer.pem) and name it as signer.
    #[arg(long, value_name = "DIR", requires = "self_signed")]
    pub make_signer: Option<PathBuf>,
    /// Where it goes [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
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
    fn a_turn_server_is_named_with_its_login() {
        let login = turn_login("bob:se:cr@t@192.0.2.1:3478").unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("bob", "se:cr@t"));
        assert_eq!(login.server, SocketAddr::from(([192, 0, 2, 1], 3478)));
        for wrong in ["192.0.2.1:3478", "bob@192.0.2.1:3478", "bob:secret@here"] {
            assert!(turn_login(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pipe_needs_the_other_node_or_listens() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("reload pipe --app 61443").is_err());
        assert!(parse("reload pipe --app 61443 --listen").is_ok());
        assert!(parse("reload pipe --app 61443 bob@a.org").is_ok());
        assert!(parse("reload pipe --app 5060 bob@a.org").is_err(), "a stream is for private ids");
    }

    #[test]
    fn a_value_goes_to_one_place() {
        let line = "reload store --kind 1 --index 1 --append name value";
        assert!(Cli::try_parse_from(line.split(' ')).is_err());
    }
}
