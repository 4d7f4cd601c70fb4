//! Reads a `configuration` element: its attributes, the order of what is read, and what makes a
//! node unable to run it. The single elements are read in `parameters`.

use std::ops::Range;

use bytes::Bytes;
use reload_wire::NodeIdLength;

use crate::configuration::{Configuration, Settings, TOPOLOGY_CHORD};
use crate::element::Element;
use crate::error::{ConfigError, Problem, shorten};
use crate::extension::ExtensionAttribute;
use crate::name::is_overlay_name;
use crate::options::ReadOptions;
use crate::parameters::Parameters;
use crate::sequence::MAX_SEQUENCE;
use crate::{NS_BASE, NS_CHORD};

/// A Chord ring of 128 bits as well (RFC 7363).
const TOPOLOGY_SELF_TUNING: &str = "CHORD-SELF-TUNING";

/// `raw` gives the bytes of a range of the document.
pub(crate) fn read_configuration(
    element: Element<'_>,
    raw: &dyn Fn(Range<usize>) -> Bytes,
    options: &ReadOptions,
) -> Result<Configuration, ConfigError> {
    let children = element.children()?;
    let mut settings = read_attributes(element)?;
    settings.node_id_length = read_node_id_length(&children)?;
    let mut reading = Parameters::new(settings, raw);
    for child in children {
        reading.on_element(element, child)?;
    }
    let (settings, mut problems) = reading.finish();
    check_chord_length(element, &settings)?;
    check_support(element, &settings, options, &mut problems);
    Ok(Configuration {
        settings,
        raw: raw(element.node.range()),
        signature: None,
        further_signatures: Vec::new(),
        problems,
    })
}

fn read_attributes(element: Element<'_>) -> Result<Settings, ConfigError> {
    element.allow_attributes(&["instance-name", "expiration", "sequence"])?;
    let name = element.required("instance-name")?;
    if !is_overlay_name(name) {
        return Err(element.refuse(Problem::NotOverlayName { value: shorten(name) }));
    }
    let mut settings = Settings::new(name);
    if let Some(text) = element.attribute("sequence") {
        let value = element.number_in(text, 0, u32::from(MAX_SEQUENCE))?;
        settings.sequence = u16::try_from(value).unwrap_or(MAX_SEQUENCE);
    }
    if let Some(text) = element.attribute("expiration") {
        settings.expiration = Some(element.time_in(text)?);
    }
    settings.attributes = foreign_attributes(element);
    Ok(settings)
}

fn foreign_attributes(element: Element<'_>) -> Vec<ExtensionAttribute> {
    let known = [NS_BASE, NS_CHORD, roxmltree::NS_XML_URI];
    let attributes = element.node.attributes().filter_map(|attribute| {
        let namespace = attribute.namespace().filter(|namespace| !known.contains(namespace))?;
        Some(ExtensionAttribute {
            namespace: namespace.to_owned(),
            name: attribute.name().to_owned(),
            value: attribute.value().to_owned(),
        })
    });
    attributes.collect()
}

/// The length is needed first: the Node-IDs may stand before it.
fn read_node_id_length(children: &[Element<'_>]) -> Result<NodeIdLength, ConfigError> {
    let Some(child) =
        children.iter().find(|child| child.is_base() && child.name() == "node-id-length")
    else {
        return Ok(NodeIdLength::DEFAULT);
    };
    let bytes = u8::try_from(child.number(16, 20)?).unwrap_or(16);
    Ok(NodeIdLength::new(bytes).unwrap_or(NodeIdLength::DEFAULT))
}

/// The ring of section 10 has 128 bits.
fn check_chord_length(element: Element<'_>, settings: &Settings) -> Result<(), ConfigError> {
    let topology = settings.topology_plugin.as_str();
    let length = settings.node_id_length.get();
    if [TOPOLOGY_CHORD, TOPOLOGY_SELF_TUNING].contains(&topology) && length != 16 {
        let topology = topology.to_owned();
        return Err(element.refuse(Problem::NodeIdLengthOfChord { topology, length }));
    }
    Ok(())
}

/// What the overlay asks for and we lack.
fn check_support(
    element: Element<'_>,
    settings: &Settings,
    options: &ReadOptions,
    problems: &mut Vec<ConfigError>,
) {
    for namespace in &settings.mandatory_extensions {
        if !options.extensions.contains(namespace) {
            let namespace = shorten(namespace);
            problems.push(element.refuse(Problem::UnsupportedExtension { namespace }));
        }
    }
    if !options.topologies.contains(&settings.topology_plugin) {
        let name = shorten(&settings.topology_plugin);
        problems.push(element.refuse(Problem::UnsupportedTopology { name }));
    }
    let protocols = &settings.overlay_link_protocols;
    if !protocols.iter().any(|name| options.link_protocols.contains(name)) {
        let names = shorten(&protocols.join(", "));
        problems.push(element.refuse(Problem::UnsupportedLinkProtocols { names }));
    }
    // 13.4: no link of ours could prove that it knows the secret.
    if settings.shared_secret.is_some() {
        problems.push(element.refuse(Problem::SharedSecret));
    }
    if settings.root_certs.is_empty() && settings.self_signed.is_none() {
        problems.push(element.refuse(Problem::NoTrust));
    }
}
