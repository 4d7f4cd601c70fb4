//! What signatures cover is the exact bytes of the document (section 11.1).

use reload_config::{KindBlock, OverlayDocument, ReadOptions};

use crate::sample;

/// The text from the first `start` after `from` up to and with the next `end`.
fn cut<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = rest.find(start) {
        let tail = &rest[begin..];
        let length = tail.find(end).unwrap() + end.len();
        found.push(&tail[..length]);
        rest = &tail[length..];
    }
    found
}

// R6940-11.1-41, R6940-11.1-44, R6940-11.1-45
#[test]
fn raw_is_from_the_first_to_the_last_bracket() {
    for name in ["full.xml", "rfc6940-sample.xml"] {
        let bytes = sample(name);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let document = OverlayDocument::parse_with(&bytes, &ReadOptions::lenient()).unwrap();
        let raws: Vec<&[u8]> = document.configurations().iter().map(|c| &c.raw[..]).collect();
        let expected = cut(&text, "<configuration ", "</configuration>");
        assert_eq!(raws, expected.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
        let kinds: Vec<&[u8]> =
            document.configurations()[0].kinds.iter().map(|block| &block.raw[..]).collect();
        let expected = cut(&text, "<kind ", "</kind>");
        assert_eq!(kinds, expected.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
    }
}

// R6940-11.1-44
#[test]
fn line_ends_and_a_byte_order_mark_stay_in_place() {
    let text = String::from_utf8(sample("full.xml")).unwrap().replace('\n', "\r\n");
    let bytes = format!("\u{feff}{text}").into_bytes();
    let document = OverlayDocument::parse(&bytes).unwrap();
    let found = &document.configurations()[0];
    assert!(found.raw.starts_with(b"<configuration") && found.raw.ends_with(b"</configuration>"));
    assert!(found.raw.windows(2).any(|pair| pair == b"\r\n"));
    assert_eq!(document.bytes(), &bytes);
}

// R6940-11.1-04, R6940-11.1-06, R6940-11.1-07, R6940-11.1-46
#[test]
fn each_signature_belongs_to_the_configuration_before_it() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let [first, second] = document.configurations() else { panic!("there are two") };
    assert_eq!(first.signature.as_deref(), Some(&b"first"[..]));
    assert!(first.further_signatures.is_empty());
    assert_eq!(second.signature.as_deref(), Some(&b"second"[..]));
    assert_eq!(second.further_signatures, [&b"third"[..]]);
    let kinds: Vec<_> = first.kinds.iter().map(|block| block.signature.as_deref()).collect();
    assert_eq!(kinds, [Some(&b"kind 1"[..]), Some(&b"kind 2"[..])]);
}

#[test]
fn signing_a_document_changes_nothing_but_its_signature() {
    for name in ["minimal.xml", "full.xml", "prefixed.xml", "mandatory-extension.xml"] {
        let before = OverlayDocument::parse(&sample(name)).unwrap();
        let signature = [7; 100];
        let signed = before.with_signature("overlay.example.org", &signature).unwrap();
        let after = OverlayDocument::parse(&signed).unwrap();
        assert_eq!(after.configurations()[0].raw, before.configurations()[0].raw, "{name}");
        assert_eq!(after.configurations()[0].signature.as_deref(), Some(&signature[..]));
        assert!(after.configurations()[0].further_signatures.is_empty());
        assert_eq!(after.configurations()[1..], before.configurations()[1..]);
        assert!(signed.len() < before.bytes().len() + 300);
        assert!(before.with_signature("none.example", &signature).is_err());
    }
}

#[test]
fn the_second_of_two_configurations_can_be_signed() {
    let before = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let signed = before.with_signature("other.example.net", b"new").unwrap();
    let after = OverlayDocument::parse(&signed).unwrap();
    assert_eq!(after.configurations()[0], before.configurations()[0]);
    assert_eq!(after.configurations()[1].signature.as_deref(), Some(&b"new"[..]));
    assert!(after.configurations()[1].further_signatures.is_empty());
}

// R6940-6.5.4.1-02
#[test]
fn a_kind_block_of_a_config_update_keeps_its_signed_bytes() {
    let document = OverlayDocument::parse(&sample("full.xml")).unwrap();
    let block = &document.configurations()[0].kinds[0];
    let read = KindBlock::parse(&block.to_xml(), &ReadOptions::default()).unwrap();
    assert_eq!(&read, block);
}
