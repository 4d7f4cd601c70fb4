//! `reload config`: configuration documents (section 11.1) by hand.

mod check;
mod new;
mod show;
mod sign;

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use reload_config::{Configuration, OverlayDocument};

use crate::cli::ConfigCommand;
use crate::home::write_atomically;
use crate::print;

/// A document is never larger: it has to fit into a message (section 6.5.4).
const MAX_DOCUMENT: u64 = 16 << 20;

/// Runs one of the subcommands.
///
/// # Errors
/// One line.
pub(crate) fn run(command: ConfigCommand, json: bool) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Show(arguments) => show::show(&arguments, json),
        ConfigCommand::Check(arguments) => check::check(&arguments, json),
        ConfigCommand::Sign(arguments) => sign::sign(&arguments),
        ConfigCommand::New(arguments) => new::new(&arguments),
    }
}

pub(crate) fn read_document(file: &Path) -> anyhow::Result<OverlayDocument> {
    let bytes = read(file)?;
    OverlayDocument::parse(&bytes).with_context(|| format!("{} is damaged", title(file)))
}

/// The bytes of a file or of standard input.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_DOCUMENT).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MAX_DOCUMENT).read_to_end(&mut bytes))
    }
    .with_context(|| format!("cannot read {}", title(file)))?;
    Ok(bytes)
}

fn read_text(file: &Path) -> anyhow::Result<String> {
    String::from_utf8(read(file)?).with_context(|| format!("{} is no text", title(file)))
}

/// What a file is called in errors.
pub(crate) fn title(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// The configuration of the overlay asked for, or the only one.
pub(crate) fn choose<'a>(
    document: &'a OverlayDocument,
    overlay: Option<&str>,
) -> anyhow::Result<&'a Configuration> {
    let all = document.configurations();
    let names =
        || all.iter().map(|found| found.instance_name.as_str()).collect::<Vec<_>>().join(", ");
    match (overlay, all) {
        (Some(name), _) => all
            .iter()
            .find(|found| found.instance_name.eq_ignore_ascii_case(name))
            .with_context(|| format!("the document has no overlay {name}; it has {}", names())),
        (None, [only]) => Ok(only),
        (None, _) => {
            bail!("the document has several overlays: choose one with --overlay: {}", names())
        }
    }
}

/// To a file, atomically, or to standard output.
fn write(output: Option<&Path>, bytes: &[u8]) -> anyhow::Result<()> {
    match output {
        None => print::bytes(bytes),
        Some(path) => write_atomically(path, bytes, 0o644).with_context(|| {
            format!("cannot write {}; what was there before is unchanged", path.display())
        }),
    }
}
