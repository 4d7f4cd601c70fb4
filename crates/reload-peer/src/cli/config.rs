//! Arguments of `reload config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

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
