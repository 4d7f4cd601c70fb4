//! What is checked before the XML parser sees a document: size, UTF-8 and the declared encoding
//! (section 11.1), no DTD, and bounds on what would make the parser slow: it compares each
//! attribute with all others of its tag, and copies all namespaces in scope at each declaration.

use crate::element::is_blank;
use crate::error::{ConfigError, shorten};

/// The most bytes of a document: a ConfigUpdate has a 24-bit length (6.5.4.1).
pub(crate) const MAX_DOCUMENT: usize = 0xff_ffff;
/// The most nodes of a document: ten for each of 50,000 elements.
pub(crate) const MAX_NODES: u32 = 500_000;
/// The most attributes of a tag; the base elements have at most three.
const MAX_ATTRIBUTES: usize = 64;
/// The most namespace declarations of a document.
const MAX_NAMESPACES: usize = 256;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The document as text, or why it is not read at all.
pub(crate) fn scan(bytes: &[u8]) -> Result<&str, ConfigError> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(ConfigError::TooLarge { size: bytes.len(), limit: MAX_DOCUMENT });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ConfigError::NotUtf8 { at: error.valid_up_to() })?;
    check_encoding(text)?;
    check_tags(text)?;
    Ok(text)
}

/// The encoding named by `<?xml ... encoding="..."?>` must be UTF-8.
fn check_encoding(text: &str) -> Result<(), ConfigError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let Some((declaration, _)) = text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"))
    else {
        return Ok(());
    };
    // `<?xml-stylesheet ... ?>` is no declaration.
    let declaration = declaration.strip_prefix(is_blank).unwrap_or_default();
    let Some((_, rest)) = declaration.split_once("encoding") else {
        return Ok(());
    };
    let value = rest.trim_start().strip_prefix('=').unwrap_or(rest).trim_start();
    let encoding = value.get(1..).and_then(|rest| rest.split(['"', '\'']).next()).unwrap_or(value);
    if encoding.eq_ignore_ascii_case("utf-8") {
        return Ok(());
    }
    Err(ConfigError::Encoding { encoding: shorten(encoding) })
}

/// Walks over the markup and bounds attributes and namespace declarations.
fn check_tags(text: &str) -> Result<(), ConfigError> {
    let mut namespaces = 0;
    let mut at = 0;
    while let Some(step) = text[at..].find('<') {
        at += step;
        let rest = &text[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .iter()
            .find(|(start, _)| rest.starts_with(start));
        at += match skipped {
            Some((start, end)) => match rest[start.len()..].find(end) {
                Some(length) => start.len() + length + end.len(),
                None => return Ok(()), // the parser says that it does not end
            },
            None if rest.starts_with("<!") => return Err(ConfigError::Dtd { at }),
            None => check_tag(rest, at, &mut namespaces)?,
        };
    }
    Ok(())
}

/// Counts the attributes of the tag that `rest` begins with; gives the length of the tag.
fn check_tag(rest: &str, at: usize, namespaces: &mut usize) -> Result<usize, ConfigError> {
    let bytes = rest.as_bytes();
    let mut attributes = 0;
    let mut index = 1;
    while let Some(&byte) = bytes.get(index) {
        index += match byte {
            b'>' => return Ok(index + 1),
            b'"' | b'\'' => {
                attributes += 1;
                1 + quoted_length(bytes.get(index + 1..).unwrap_or_default(), byte)
            }
            b'x' if bytes[index..].starts_with(b"xmlns") => {
                *namespaces += 1;
                5
            }
            _ => 1,
        };
        if attributes > MAX_ATTRIBUTES {
            return Err(ConfigError::TooManyAttributes { at, limit: MAX_ATTRIBUTES });
        }
        if *namespaces > MAX_NAMESPACES {
            return Err(ConfigError::TooManyNamespaces { at, limit: MAX_NAMESPACES });
        }
    }
    Ok(bytes.len())
}

/// The bytes up to and with the closing quote.
fn quoted_length(bytes: &[u8], quote: u8) -> usize {
    bytes.iter().position(|&byte| byte == quote).map_or(bytes.len(), |length| length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-11.1-03
    #[test]
    fn utf8_is_taken_in_any_case_and_without_a_declaration() {
        for prolog in [
            "",
            "<?xml version='1.0'?>",
            "<?xml-stylesheet encoding='latin1'?>",
            "<?xml version=\"1.0\" encoding = \"Utf-8\" ?>",
        ] {
            let text = format!("{prolog}<a/>");
            assert_eq!(scan(text.as_bytes()), Ok(text.as_str()));
            let marked = format!("\u{feff}{text}");
            assert_eq!(scan(marked.as_bytes()), Ok(marked.as_str()));
        }
    }

    // R6940-11.1-03, R6940-14.16-01
    #[test]
    fn another_encoding_is_refused() {
        let found = scan(b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>");
        assert_eq!(found, Err(ConfigError::Encoding { encoding: "ISO-8859-1".to_owned() }));
        assert_eq!(scan(b"<a>\xff</a>"), Err(ConfigError::NotUtf8 { at: 3 }));
        assert_eq!(scan(b"\xff\xfe<\0a\0"), Err(ConfigError::NotUtf8 { at: 0 }));
    }

    #[test]
    fn a_dtd_is_refused_but_not_its_text_in_a_comment() {
        assert_eq!(scan(b"<!DOCTYPE a><a/>"), Err(ConfigError::Dtd { at: 0 }));
        assert!(scan(b"<!-- <!DOCTYPE a> --><a><![CDATA[<!DOCTYPE]]></a>").is_ok());
    }

    #[test]
    fn tags_with_too_many_attributes_and_too_many_namespaces_are_refused() {
        let attributes: String = (0..65).map(|n| format!(" a{n}='>'")).collect();
        let text = format!("<a/><b{attributes}/>");
        assert!(matches!(scan(text.as_bytes()), Err(ConfigError::TooManyAttributes { at: 4, .. })));
        let nested: String = (0..257).map(|n| format!("<a xmlns:p{n}='u{n}'>")).collect();
        let found = scan(nested.as_bytes());
        assert!(matches!(found, Err(ConfigError::TooManyNamespaces { .. })));
    }

    #[test]
    fn a_document_larger_than_a_config_update_is_refused() {
        let bytes = vec![b' '; MAX_DOCUMENT + 1];
        assert!(matches!(scan(&bytes), Err(ConfigError::TooLarge { .. })));
    }
}
