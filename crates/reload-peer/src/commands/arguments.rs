//! Arguments of the data commands as the daemon wants them.

use std::io::Read;

use anyhow::{Context, bail};

use crate::cli::{RemoveArgs, StoreArgs, WhichArgs};
use crate::control::{Place, Value, Which};

/// No overlay takes larger values: the length of a message has 24 bits on a link (section 6.6.2),
/// and the control line holds base64 of this.
const MAX_VALUE: u64 = 4 << 20;

/// The place that `store` names.
pub(super) fn store_place(arguments: &StoreArgs) -> anyhow::Result<Place> {
    if arguments.append {
        return Ok(Place::Append);
    }
    place(arguments.index, arguments.key.as_deref())
}

/// The place that `remove` names.
pub(super) fn remove_place(arguments: &RemoveArgs) -> anyhow::Result<Place> {
    place(arguments.index, arguments.key.as_deref())
}

fn place(index: Option<u32>, key: Option<&str>) -> anyhow::Result<Place> {
    Ok(match (index, key) {
        (Some(index), _) => Place::Index(index),
        (None, Some(key)) => Place::Key(bytes(key)?),
        (None, None) => Place::Unsaid,
    })
}

/// The values that `fetch` and `stat` name.
pub(super) fn which(arguments: &WhichArgs) -> anyhow::Result<Which> {
    if !arguments.key.is_empty() {
        let keys: anyhow::Result<_> = arguments.key.iter().map(|key| bytes(key)).collect();
        return Ok(Which::Keys(keys?));
    }
    if arguments.index.is_empty() {
        return Ok(Which::All);
    }
    let mut ranges =
        arguments.index.iter().map(|text| range(text)).collect::<anyhow::Result<Vec<_>>>()?;
    // Ranges in a Fetch stand in order (section 7.4.2.1).
    ranges.sort_unstable();
    if ranges.windows(2).any(|pair| pair[0].1 >= pair[1].0) {
        bail!("the ranges given with --index overlap");
    }
    Ok(Which::Indices(ranges))
}

/// `N`, `N-M` or `N-`.
fn range(text: &str) -> anyhow::Result<(u32, u32)> {
    let wrong = || format!("`{text}` is not an index N, a range N-M or N-");
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first = first.parse().with_context(wrong)?;
    let last = if last.is_empty() { u32::MAX } else { last.parse().with_context(wrong)? };
    if first > last {
        bail!("the range {text} ends before it begins");
    }
    Ok((first, last))
}

/// Text, or `0x` and hex.
fn bytes(text: &str) -> anyhow::Result<Value> {
    match text.strip_prefix("0x") {
        None => Ok(Value(text.as_bytes().to_vec())),
        Some(digits) => {
            let bytes = hex::decode(digits);
            Ok(Value(bytes.with_context(|| format!("`{text}` is not hex after 0x"))?))
        }
    }
}

/// The value of `store`: the argument, or standard input.
pub(super) fn value(argument: Option<&str>) -> anyhow::Result<Value> {
    if let Some(text) = argument.filter(|text| *text != "-") {
        return Ok(Value(text.as_bytes().to_vec()));
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(MAX_VALUE + 1);
    input.read_to_end(&mut bytes).context("cannot read the value from standard input")?;
    if input.limit() == 0 {
        bail!("the value on standard input is larger than {MAX_VALUE} bytes");
    }
    Ok(Value(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(texts: &[&str]) -> anyhow::Result<Which> {
        let index = texts.iter().map(|text| (*text).to_owned()).collect();
        which(&WhichArgs { index, key: Vec::new() })
    }

    #[test]
    fn ranges_are_put_in_order() {
        let read = indices(&["7-", "0", "2-4"]).unwrap();
        assert_eq!(read, Which::Indices(vec![(0, 0), (2, 4), (7, u32::MAX)]));
    }

    #[test]
    fn ranges_that_overlap_or_run_backwards_are_refused() {
        for wrong in [&["1-4", "4"][..], &["4-1"], &["x"], &["-1"]] {
            assert!(indices(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_may_be_hex() {
        assert_eq!(bytes("0x00ff").unwrap(), Value(vec![0, 255]));
        assert_eq!(bytes("00ff").unwrap(), Value(b"00ff".to_vec()));
        assert!(bytes("0xf").is_err());
    }
}
