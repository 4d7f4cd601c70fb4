//! Arguments of the commands that look: `ping`, `probe`, `route`, `locate`, `inspect`.

use std::path::PathBuf;

use clap::Args;

use super::HomeArgs;

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
