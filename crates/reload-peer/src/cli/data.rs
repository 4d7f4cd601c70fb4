//! Arguments of the commands for data: `store`, `fetch`, `stat`, `find`, `remove`.

use clap::Args;

use super::HomeArgs;

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

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn a_value_goes_to_one_place() {
        let line = "reload store --kind 1 --index 1 --append name value";
        assert!(Cli::try_parse_from(line.split(' ')).is_err());
    }
}
