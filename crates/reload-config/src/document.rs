//! A whole document: the `overlay` element, its configurations and their signatures (section 11.1).

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use roxmltree::{Document, ParsingOptions};

use crate::NS_BASE;
use crate::assemble::insert_signature;
use crate::configuration::Configuration;
use crate::element::{Element, LineStarts};
use crate::error::{ConfigError, Problem, XmlFault, shorten};
use crate::fit::check_config_update_fits;
use crate::options::{Leniency, ReadOptions};
use crate::read::read_configuration;
use crate::scan::{MAX_NODES, scan};

/// A configuration document, with the bytes that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayDocument {
    bytes: Bytes,
    configurations: Vec<Configuration>,
    places: Vec<Place>,
}

/// Where a configuration and its signatures stand in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The end of the configuration element.
    pub(crate) end: usize,
    /// Whether an element without a prefix beside it is one of the base elements.
    pub(crate) default_is_base: bool,
    /// The signature elements that belong to it.
    pub(crate) signatures: Vec<Range<usize>>,
}

impl OverlayDocument {
    /// Reads a document by the letter of the RFC.
    ///
    /// # Errors
    /// The first thing that is wrong, with the element and its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Self::parse_with(bytes, &ReadOptions::default())
    }

    /// Reads a document with other options.
    ///
    /// # Errors
    /// The first thing that is wrong, with the element and its line.
    pub fn parse_with(bytes: &[u8], options: &ReadOptions) -> Result<Self, ConfigError> {
        let text = scan(bytes)?;
        let bytes = Bytes::copy_from_slice(bytes);
        let document = parse_xml(text)?;
        let lines = LineStarts::of(text);
        let root = Element::new(document.root_element(), options.leniency, &lines);
        if !root.is_base() || root.name() != "overlay" {
            return Err(ConfigError::Root { found: shorten(root.name()) });
        }
        let mut read = Self { bytes, configurations: Vec::new(), places: Vec::new() };
        let mut names = BTreeSet::new();
        for child in root.children()? {
            match child.name() {
                "configuration" if child.is_base() => {
                    read.on_configuration(child, options, &mut names)?
                }
                "signature" if child.is_base() => read.on_signature(child)?,
                _ if options.leniency.is_lenient() || is_foreign(child) => {}
                name => return Err(root.refuse(Problem::UnknownElement { name: shorten(name) })),
            }
        }
        if read.configurations.is_empty() {
            return Err(ConfigError::NoConfiguration);
        }
        for configuration in &mut read.configurations {
            require_kind_signatures(configuration, options.leniency);
        }
        Ok(read)
    }

    fn on_configuration(
        &mut self,
        child: Element<'_>,
        options: &ReadOptions,
        names: &mut BTreeSet<String>,
    ) -> Result<(), ConfigError> {
        let bytes = self.bytes.clone();
        let found = read_configuration(child, &|range| bytes.slice(range), options)?;
        if !names.insert(found.instance_name.to_ascii_lowercase()) {
            let name = shorten(&found.instance_name);
            return Err(child.refuse(Problem::RepeatedOverlay { name }));
        }
        self.configurations.push(found);
        self.places.push(Place {
            end: child.node.range().end,
            default_is_base: child.parent_default_is_base(),
            signatures: Vec::new(),
        });
        Ok(())
    }

    /// A signature belongs to the configuration before it (11.1).
    fn on_signature(&mut self, child: Element<'_>) -> Result<(), ConfigError> {
        let signature = child.base64()?;
        let (Some(owner), Some(place)) = (self.configurations.last_mut(), self.places.last_mut())
        else {
            return Err(child.refuse(Problem::StraySignature));
        };
        place.signatures.push(child.node.range());
        if owner.signature.is_none() {
            owner.signature = Some(signature);
        } else {
            owner.further_signatures.push(signature);
        }
        Ok(())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.configurations.iter().position(|found| found.instance_name.eq_ignore_ascii_case(name))
    }

    /// The bytes as they arrived.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// All configurations, also those that [`Self::find`] would refuse.
    #[must_use]
    pub fn configurations(&self) -> &[Configuration] {
        &self.configurations
    }

    /// The configuration of an overlay, if we can run it. Names are compared as DNS does.
    ///
    /// # Errors
    /// [`ConfigError::NoSuchOverlay`], or the first of [`Configuration::problems`].
    pub fn find(&self, instance_name: &str) -> Result<&Configuration, ConfigError> {
        let found = &self.configurations[self.required_position(instance_name)?];
        found.check_usable()?;
        Ok(found)
    }

    fn required_position(&self, name: &str) -> Result<usize, ConfigError> {
        self.position(name).ok_or_else(|| {
            let names: Vec<&str> =
                self.configurations.iter().map(|found| found.instance_name.as_str()).collect();
            let present = shorten(&names.join(", "));
            ConfigError::NoSuchOverlay { wanted: shorten(name), present }
        })
    }

    /// The document with this SecurityBlock as the one signature of an overlay. All bytes but those
    /// of its signature elements stay as they are.
    ///
    /// # Errors
    /// [`ConfigError::NoSuchOverlay`].
    pub fn with_signature(&self, name: &str, signature: &[u8]) -> Result<Vec<u8>, ConfigError> {
        let own = &self.places[self.required_position(name)?];
        Ok(insert_signature(&self.bytes, own, signature))
    }

    /// Refuses a document whose ConfigUpdate would not fit into `max-message-size` of one of its
    /// overlays: such a document could never be spread by its nodes.
    ///
    /// # Errors
    /// [`ConfigError::DoesNotFit`].
    pub fn check_config_update_fits(&self) -> Result<(), ConfigError> {
        self.configurations.iter().try_for_each(|found| {
            check_config_update_fits(self.bytes.len(), found.max_message_size)
        })
    }
}

fn is_foreign(child: Element<'_>) -> bool {
    child.namespace().is_some() && !child.is_base()
}

/// A signed configuration has a signature in each `kind-block`; lenient: its own is enough.
fn require_kind_signatures(configuration: &mut Configuration, leniency: Leniency) {
    let unsigned = configuration.kinds.iter().any(|block| block.signature.is_none());
    if configuration.signature.is_some() && unsigned && !leniency.is_lenient() {
        let problem = Problem::MissingKindSignature;
        configuration.problems.push(ConfigError::Setting { element: "kind-block", problem });
    }
}

pub(crate) fn parse_xml(text: &str) -> Result<Document<'_>, ConfigError> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| ConfigError::Xml(XmlFault(error)))
}

/// Reads one element that assumes the base namespace, as in a ConfigUpdate. The function gets what
/// turns a range of the wrapped text into bytes, and the element.
pub(crate) fn with_context<T>(
    bytes: &[u8],
    leniency: Leniency,
    read: impl FnOnce(&dyn Fn(Range<usize>) -> Bytes, Element<'_>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let inner = scan(bytes)?;
    let wrapped = format!("<overlay xmlns=\"{NS_BASE}\">{inner}</overlay>");
    let document = parse_xml(&wrapped)?;
    let lines = LineStarts::of(&wrapped);
    let root = Element::new(document.root_element(), leniency, &lines);
    let kept = Bytes::copy_from_slice(wrapped.as_bytes());
    match root.children()?.as_slice() {
        [only] => read(&|range| kept.slice(range), *only),
        _ => Err(root.refuse(Problem::NotOneElement { name: "kind-block" })),
    }
}
