//! Arguments of `reload peer`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use reload_net::TurnLogin;
use reload_node::ListCompression;

use super::{HomeArgs, SipArgs};

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
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it")]
    pub sip: SipArgs,
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

/// `USER:PASSWORD@ADDR:PORT`; the password may hold an @ or a colon, the user name no colon.
fn turn_login(text: &str) -> Result<TurnLogin, String> {
    let wrong = || "USER:PASSWORD@ADDR:PORT is expected".to_owned();
    let (login, server) = text.rsplit_once('@').ok_or_else(wrong)?;
    let (username, password) = login.split_once(':').ok_or_else(wrong)?;
    let server = server.parse().map_err(|_| wrong())?;
    Ok(TurnLogin { server, username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_server_is_named_with_its_login() {
        let login = turn_login("bob:se:cr@t@192.0.2.1:3478").unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("bob", "se:cr@t"));
        assert_eq!(login.server, SocketAddr::from(([192, 0, 2, 1], 3478)));
        for wrong in ["192.0.2.1:3478", "bob@192.0.2.1:3478", "bob:secret@here"] {
            assert!(turn_login(wrong).is_err(), "{wrong}");
        }
    }
}
