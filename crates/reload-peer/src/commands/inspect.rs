//! `inspect`: messages and frames field by field. The reading is done by `reload-inspect`; here are
//! the file, the digits and the Kinds.

use anyhow::{Context as _, bail};
use reload_config::iana_kind_by_id;
use reload_inspect::{Context, Input, Inspection, Kind};
use reload_wire::{Dialect, KindId};

use crate::cli::InspectArgs;
use crate::config::{choose, read, read_document, title};
use crate::print;

pub(super) fn inspect(arguments: &InspectArgs, json: bool) -> anyhow::Result<()> {
    let bytes = read(&arguments.file)?;
    let bytes = binary(bytes).with_context(|| title(&arguments.file))?;
    if bytes.is_empty() {
        bail!("{} is empty", title(&arguments.file));
    }
    let input = if arguments.frame { Input::Frames } else { Input::guess(&bytes) };
    let inspection = context(arguments)?.inspect(input, &bytes);
    if json {
        print::json(&inspection)?;
    } else {
        print::text(&inspection.to_string())?;
    }
    verdict(&inspection)
}

/// Broken bytes are shown, and are a failure all the same.
fn verdict(inspection: &Inspection) -> anyhow::Result<()> {
    match inspection.problems.as_slice() {
        [] => Ok(()),
        [only] => bail!("{only}"),
        [first, rest @ ..] => bail!("{first}; {} more", rest.len()),
    }
}

/// Hexadecimal digits as bytes: blanks, line ends, colons, `0x` and lines that begin with `#` do not
/// count. Anything else is taken as it is: no message and no frame begins with a digit.
fn binary(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let Some(digits) = std::str::from_utf8(&bytes).ok().and_then(digits) else {
        return Ok(bytes);
    };
    hex::decode(digits).context("the hexadecimal digits are incomplete")
}

fn digits(text: &str) -> Option<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split([' ', '\t', ':', '\r', '\u{c}']));
    let digits: String = words.map(|word| word.strip_prefix("0x").unwrap_or(word)).collect();
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)
}

/// The registered Kinds, and what the document says.
fn context(arguments: &InspectArgs) -> anyhow::Result<Context> {
    let registered = KindId::REGISTERED.into_iter().filter_map(iana_kind_by_id);
    let mut kinds: std::collections::BTreeMap<_, _> = registered
        .map(|kind| (kind.id, Kind { model: kind.model, name: Some(kind.name.to_owned()) }))
        .collect();
    let Some(file) = &arguments.config else {
        return Ok(Context { dialect: Dialect::default(), kinds });
    };
    let document = read_document(file)?;
    let configuration = choose(&document, arguments.overlay.as_deref())?;
    kinds.extend(configuration.kinds.iter().map(|block| {
        let kind = &block.definition;
        (kind.id, Kind { model: kind.model, name: kind.name.clone() })
    }));
    // the limit of the overlay does not matter for what is read from a file
    Ok(Context { dialect: Dialect::new(configuration.node_id_length), kinds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_with_blanks_prefixes_and_comments() {
        let text = b"# a frame\n0x81 00:00:00:02\r\n 0000\t0001\n".to_vec();
        assert_eq!(binary(text).unwrap(), [0x81, 0, 0, 0, 2, 0, 0, 0, 1]);
        assert_eq!(binary(vec![0x81, 0x20]).unwrap(), [0x81, 0x20], "bytes stay bytes");
        assert!(binary(b"81 0".to_vec()).is_err());
    }
}
