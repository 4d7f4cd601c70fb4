//! Writes `configuration` and `kind` elements by hand (section 11.1): each element once, in the
//! order of the RFC, all values explicit. A signed document is never written again from values.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reload_wire::{DataModel, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::configuration::Settings;
use crate::extension::Extension;
use crate::kind::{AccessControl, KindBlock, KindDefinition};
use crate::{NS_BASE, NS_CHORD};

/// Characters of base64 on a line, as in PEM.
const BASE64_LINE: usize = 64;

/// Appends the text so that a reader gets it back, in an element or an attribute.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

/// Base64 in lines, with a line feed before and after.
pub(crate) fn base64_lines(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let mut out = String::from("\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(BASE64_LINE));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out
}

/// The time as RFC 3339 has it, in UTC; none after the year 9999.
pub(crate) fn date_time(time: UnixTime) -> Option<String> {
    let nanos = i128::from(time.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?.format(&Rfc3339).ok()
}

pub(crate) fn kind(definition: &KindDefinition) -> String {
    let mut out = Lines::new(8);
    match &definition.name {
        Some(name) => out.raw(&format!("<kind name=\"{}\">", escaped(name))),
        None => out.raw(&format!("<kind id=\"{}\">", definition.id.0)),
    }
    out.indent += 2;
    out.element("data-model", model_name(definition.model));
    out.element("access-control", escaped(definition.access.name()));
    if let AccessControl::NodeMultiple { max } = definition.access {
        out.element("max-node-multiple", max);
    }
    out.element("max-count", definition.max_count);
    out.element("max-size", definition.max_size);
    if let Some(restriction) = &definition.domain_restriction {
        out.raw(&restriction.to_xml());
    }
    out.extensions(&definition.extensions);
    out.indent -= 2;
    out.raw("</kind>");
    out.text.trim().to_owned()
}

fn model_name(model: DataModel) -> &'static str {
    match model {
        DataModel::Single => "SINGLE",
        DataModel::Array => "ARRAY",
        DataModel::Dictionary => "DICTIONARY",
    }
}

pub(crate) fn kind_block(block: &KindBlock) -> Vec<u8> {
    let mut out = b"<kind-block>\n        ".to_vec();
    out.extend_from_slice(&block.raw);
    if let Some(signature) = &block.signature {
        let signature = base64_lines(signature);
        let element = format!("\n        <kind-signature>{signature}        </kind-signature>");
        out.extend_from_slice(element.as_bytes());
    }
    out.extend_from_slice(b"\n      </kind-block>");
    out
}

/// The whole `configuration` element. It declares its own namespaces, so that what is signed does
/// not depend on the document around it.
pub(crate) fn configuration(settings: &Settings, expiration: Option<&str>) -> Vec<u8> {
    let mut out = Lines::new(4);
    out.text.push_str(&start_tag(settings, expiration));
    out.element("topology-plugin", escaped(&settings.topology_plugin));
    out.element("node-id-length", settings.node_id_length.get());
    for certificate in &settings.root_certs {
        out.raw(&format!("<root-cert>{}    </root-cert>", base64_lines(certificate)));
    }
    out.list("enrollment-server", &settings.enrollment_servers);
    if let Some(digest) = settings.self_signed {
        let digest = digest.name();
        out.raw(&format!(
            "<self-signed-permitted digest=\"{digest}\">true</self-signed-permitted>"
        ));
    }
    for node in &settings.bootstrap_nodes {
        let (address, port) = (node.ip(), node.port());
        out.raw(&format!("<bootstrap-node address=\"{address}\" port=\"{port}\"/>"));
    }
    write_numbers(&mut out, settings);
    out.list("overlay-link-protocol", &settings.overlay_link_protocols);
    out.list("configuration-signer", &settings.configuration_signers);
    out.list("kind-signer", &settings.kind_signers);
    out.list("bad-node", &settings.bad_nodes);
    out.extensions(&settings.extensions);
    out.list("mandatory-extension", &settings.mandatory_extensions);
    let mut bytes = out.text.into_bytes();
    write_kinds(&mut bytes, &settings.kinds);
    bytes.extend_from_slice(b"  </configuration>");
    bytes
}

fn start_tag(settings: &Settings, expiration: Option<&str>) -> String {
    let mut tag = format!(
        "<configuration xmlns=\"{NS_BASE}\"\n      xmlns:chord=\"{NS_CHORD}\"\n      \
         instance-name=\"{}\" sequence=\"{}\"",
        escaped(&settings.instance_name),
        settings.sequence
    );
    if let Some(time) = expiration {
        tag.push_str(&format!(" expiration=\"{time}\""));
    }
    for (index, attribute) in settings.attributes.iter().enumerate() {
        tag.push_str(&format!(
            "\n      xmlns:a{index}=\"{}\" a{index}:{}=\"{}\"",
            escaped(&attribute.namespace),
            attribute.name,
            escaped(&attribute.value)
        ));
    }
    tag.push_str(">\n");
    tag
}

fn write_numbers(out: &mut Lines, settings: &Settings) {
    out.element("turn-density", settings.turn_density);
    out.element("clients-permitted", settings.clients_permitted);
    out.element("no-ice", settings.no_ice);
    out.element("chord:chord-update-interval", settings.chord.update_interval);
    out.element("chord:chord-ping-interval", settings.chord.ping_interval);
    out.element("chord:chord-reactive", settings.chord.reactive);
    if let Some(secret) = &settings.shared_secret {
        out.element("shared-secret", escaped(secret.expose()));
    }
    out.element("max-message-size", settings.max_message_size);
    out.element("initial-ttl", settings.initial_ttl);
    out.element("overlay-reliability-timer", settings.overlay_reliability_timer.as_millis());
}

/// The signed bytes of each `kind` go in as they are.
fn write_kinds(out: &mut Vec<u8>, kinds: &[KindBlock]) {
    if kinds.is_empty() {
        return;
    }
    out.extend_from_slice(b"    <required-kinds>\n");
    for block in kinds {
        out.extend_from_slice(b"      ");
        out.extend_from_slice(&kind_block(block));
        out.push(b'\n');
    }
    out.extend_from_slice(b"    </required-kinds>\n");
}

/// Indented lines of XML.
struct Lines {
    text: String,
    indent: usize,
}

impl Lines {
    fn new(indent: usize) -> Self {
        Self { text: String::new(), indent }
    }

    fn raw(&mut self, line: &str) {
        self.text.extend(std::iter::repeat_n(' ', self.indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The value must be escaped if it may hold markup.
    fn element(&mut self, name: &str, value: impl Display) {
        self.raw(&format!("<{name}>{value}</{name}>"));
    }

    fn list<T: Display>(&mut self, name: &str, values: &[T]) {
        for value in values {
            self.element(name, escaped(&value.to_string()));
        }
    }

    fn extensions(&mut self, extensions: &[Extension]) {
        for extension in extensions {
            self.raw(&extension.xml);
        }
    }
}
