//! The overlay configuration document (section 11.1): read by the letter and leniently; what is read
//! can be put together again from its signed bytes and be written anew.

use reload_config::{
    Configuration, ConfigurationBuilder, KindBlock, Leniency, OverlayDocument, ReadOptions,
    assemble, assemble_unsigned,
};

/// A document as it comes from a server or a peer.
pub fn configuration(data: &[u8]) {
    let lenient = ReadOptions::from(Leniency::Lenient);
    if let Ok(document) = OverlayDocument::parse_with(data, &lenient) {
        document.configurations().iter().for_each(|it| inside(data, it));
    }
    let Ok(document) = OverlayDocument::parse(data) else { return };
    assert_eq!(&document.bytes()[..], data);
    for configuration in document.configurations() {
        inside(data, configuration);
        let _ = document.find(&configuration.instance_name);
        rewritten(configuration);
    }
    let again = OverlayDocument::parse(document.bytes());
    assert_eq!(again.as_ref(), Ok(&document), "the same bytes read otherwise");
}

/// The signed ranges are parts of the document.
fn inside(data: &[u8], configuration: &Configuration) {
    let raw = &configuration.raw;
    assert!(holds(data, raw), "the signed bytes are not in the document");
    for kind in &configuration.kinds {
        assert!(holds(raw, &kind.raw), "the signed bytes of a kind are not in its configuration");
    }
}

fn holds(whole: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

/// A configuration written anew is read as it was.
fn rewritten(configuration: &Configuration) {
    let Ok(builder) = ConfigurationBuilder::from_configuration(configuration) else { return };
    let Ok(bytes) = builder.build() else { return };
    for document in [assemble_unsigned(&bytes), assemble(&bytes, b"signature")] {
        let read = OverlayDocument::parse(&document).expect("what was written can be read");
        let [read] = read.configurations() else { panic!("one configuration was written") };
        assert_eq!(read.raw, bytes);
        assert_eq!(**read, *builder.settings());
    }
    for kind in &builder.kinds {
        let block = KindBlock::parse(&kind.to_xml(), &ReadOptions::default());
        assert_eq!(block.as_ref(), Ok(kind), "a kind does not stand alone");
    }
}
