//! Puts whole documents together from the bytes of configurations and their signatures. The bytes
//! of a configuration are never touched (section 11.1).

use crate::document::Place;
use crate::write::base64_lines;
use crate::{NS_BASE, NS_CHORD};

/// Makes a document of several configurations.
#[derive(Clone, Debug)]
pub struct DocumentBuilder {
    bytes: Vec<u8>,
}

impl DocumentBuilder {
    /// A document without configurations; it needs one to be valid.
    #[must_use]
    pub fn new() -> Self {
        let start = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <overlay xmlns=\"{NS_BASE}\"\n    xmlns:chord=\"{NS_CHORD}\">\n"
        );
        Self { bytes: start.into_bytes() }
    }

    /// Adds the bytes of a `configuration` element and the SecurityBlock that signs them.
    #[must_use]
    pub fn configuration(mut self, configuration: &[u8], signature: Option<&[u8]>) -> Self {
        self.bytes.extend_from_slice(b"  ");
        self.bytes.extend_from_slice(configuration);
        self.bytes.push(b'\n');
        if let Some(signature) = signature {
            self.bytes.extend_from_slice(b"  ");
            self.bytes.extend_from_slice(signature_element(signature).as_bytes());
            self.bytes.push(b'\n');
        }
        self
    }

    /// The whole document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.bytes.as_slice(), b"</overlay>\n"].concat()
    }
}

impl Default for DocumentBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A document of one configuration and the SecurityBlock that signs it.
///
/// The configuration must declare the prefixes it uses, as those of
/// [`crate::ConfigurationBuilder`] do. For one that was cut out of another document use
/// [`crate::OverlayDocument::with_signature`].
#[must_use]
pub fn assemble(configuration: &[u8], signature: &[u8]) -> Vec<u8> {
    DocumentBuilder::new().configuration(configuration, Some(signature)).to_bytes()
}

/// A document of one configuration without a signature.
#[must_use]
pub fn assemble_unsigned(configuration: &[u8]) -> Vec<u8> {
    DocumentBuilder::new().configuration(configuration, None).to_bytes()
}

fn signature_element(signature: &[u8]) -> String {
    format!("<signature>{}  </signature>", base64_lines(signature))
}

/// The document with one signature element after the configuration and the old ones cut out.
pub(crate) fn insert_signature(document: &[u8], place: &Place, signature: &[u8]) -> Vec<u8> {
    let mut out = document[..place.end].to_vec();
    out.extend_from_slice(b"\n  ");
    let mut element = signature_element(signature);
    if !place.default_is_base {
        element = element.replacen('>', &format!(" xmlns=\"{NS_BASE}\">"), 1);
    }
    out.extend_from_slice(element.as_bytes());
    let mut at = place.end;
    for old in &place.signatures {
        let between = &document[at..old.start];
        out.extend_from_slice(between.trim_ascii_end());
        at = old.end;
    }
    out.extend_from_slice(&document[at..]);
    out
}
