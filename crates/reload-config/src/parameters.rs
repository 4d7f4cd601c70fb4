//! The elements inside a `configuration`, one by one (section 11.1, `parameter` of 11.1.1).

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use reload_wire::KindId;

use crate::configuration::{SelfSignedDigest, Settings, SharedSecret};
use crate::element::Element;
use crate::error::{ConfigError, Problem, shorten};
use crate::extension::Extension;
use crate::read_kind::{MAX_INT, read_kind_block};
use crate::{DEFAULT_PORT, NS_BASE, NS_CHORD};

/// The base elements that may stand once.
const SINGLES: [&str; 11] = [
    "topology-plugin",
    "node-id-length",
    "self-signed-permitted",
    "turn-density",
    "clients-permitted",
    "no-ice",
    "shared-secret",
    "max-message-size",
    "initial-ttl",
    "overlay-reliability-timer",
    "required-kinds",
];
/// The base elements that may stand any number of times.
const LISTS: [&str; 8] = [
    "root-cert",
    "enrollment-server",
    "bootstrap-node",
    "overlay-link-protocol",
    "configuration-signer",
    "kind-signer",
    "bad-node",
    "mandatory-extension",
];
/// The elements of CHORD-RELOAD, each at most once.
const CHORD: [&str; 3] = ["chord-update-interval", "chord-ping-interval", "chord-reactive"];
/// The fixed part of a forwarding header: no message is smaller (6.3.2).
pub(crate) const MIN_MESSAGE: u32 = 38;
/// "at least 200 milliseconds" (11.1).
pub(crate) const MIN_RELIABILITY_TIMER: u32 = 200;

/// The settings while the elements are read.
pub(crate) struct Parameters<'r> {
    settings: Settings,
    raw: &'r dyn Fn(Range<usize>) -> Bytes,
    seen: BTreeSet<&'static str>,
    kind_ids: BTreeSet<KindId>,
    problems: Vec<ConfigError>,
}

impl<'r> Parameters<'r> {
    pub(crate) fn new(settings: Settings, raw: &'r dyn Fn(Range<usize>) -> Bytes) -> Self {
        let (seen, kind_ids) = (BTreeSet::new(), BTreeSet::new());
        Self { settings, raw, seen, kind_ids, problems: Vec::new() }
    }

    pub(crate) fn finish(self) -> (Settings, Vec<ConfigError>) {
        (self.settings, self.problems)
    }

    pub(crate) fn on_element(
        &mut self,
        parent: Element<'_>,
        child: Element<'_>,
    ) -> Result<(), ConfigError> {
        let namespace = child.namespace();
        let known = match namespace {
            Some(NS_BASE) => self.on_list(child)? || self.on_single(child)?,
            Some(NS_CHORD) => self.on_chord(child)?,
            _ => false,
        };
        if known {
            return Ok(());
        }
        let foreign = !matches!(namespace, None | Some(NS_BASE | NS_CHORD));
        if foreign || child.leniency.is_lenient() {
            self.settings.extensions.push(Extension::from_node(child.node));
            return Ok(());
        }
        let name = shorten(child.name());
        Err(parent.refuse(Problem::UnknownElement { name }))
    }

    /// Refuses the second element of a name.
    fn once(&mut self, child: Element<'_>, name: &'static str) -> Result<(), ConfigError> {
        if self.seen.insert(name) { Ok(()) } else { Err(child.refuse(Problem::Repeated)) }
    }

    fn on_single(&mut self, child: Element<'_>) -> Result<bool, ConfigError> {
        // 11.1 has topology-plug-in in the text and topology-plugin in the grammar.
        let found = match child.name() {
            "topology-plug-in" => Some("topology-plugin"),
            other => SINGLES.into_iter().find(|name| *name == other),
        };
        let Some(name) = found else { return Ok(false) };
        self.once(child, name)?;
        if name != "self-signed-permitted" {
            child.allow_attributes(&[])?;
        }
        let settings = &mut self.settings;
        match name {
            "topology-plugin" => settings.topology_plugin = non_empty(child)?,
            "self-signed-permitted" => settings.self_signed = read_self_signed(child)?,
            "turn-density" => settings.turn_density = child.byte(0)?,
            "clients-permitted" => settings.clients_permitted = child.boolean()?,
            "no-ice" => settings.no_ice = child.boolean()?,
            "shared-secret" => {
                settings.shared_secret = Some(SharedSecret::new(non_empty(child)?));
            }
            "max-message-size" => {
                settings.max_message_size = child.number(MIN_MESSAGE, u32::MAX)?
            }
            "initial-ttl" => settings.initial_ttl = child.byte(1)?,
            "overlay-reliability-timer" => {
                let millis = child.number(MIN_RELIABILITY_TIMER, MAX_INT)?;
                settings.overlay_reliability_timer = Duration::from_millis(millis.into());
            }
            "required-kinds" => self.on_required_kinds(child)?,
            _ => {} // node-id-length was read before all others
        }
        Ok(true)
    }

    fn on_list(&mut self, child: Element<'_>) -> Result<bool, ConfigError> {
        if !LISTS.contains(&child.name()) {
            return Ok(false);
        }
        if child.name() != "bootstrap-node" {
            child.allow_attributes(&[])?;
        }
        let settings = &mut self.settings;
        let length = settings.node_id_length;
        match child.name() {
            "root-cert" => settings.root_certs.extend(read_certificate(child)?),
            "enrollment-server" => settings.enrollment_servers.push(read_url(child)?),
            "bootstrap-node" => settings.bootstrap_nodes.extend(read_bootstrap_node(child)?),
            "overlay-link-protocol" => {
                // The default holds only if there is none of these elements (11.1).
                if self.seen.insert("overlay-link-protocol") {
                    settings.overlay_link_protocols.clear();
                }
                settings.overlay_link_protocols.push(non_empty(child)?);
            }
            "mandatory-extension" => settings.mandatory_extensions.push(non_empty(child)?),
            "configuration-signer" => {
                settings.configuration_signers.extend(lenient(child, child.node_id(length))?);
            }
            "kind-signer" => settings.kind_signers.extend(lenient(child, child.node_id(length))?),
            _ => settings.bad_nodes.extend(lenient(child, child.node_id(length))?),
        }
        Ok(true)
    }

    fn on_chord(&mut self, child: Element<'_>) -> Result<bool, ConfigError> {
        let Some(name) = CHORD.into_iter().find(|name| *name == child.name()) else {
            return Ok(false);
        };
        self.once(child, name)?;
        child.allow_attributes(&[])?;
        let chord = &mut self.settings.chord;
        match name {
            "chord-update-interval" => chord.update_interval = child.number(1, MAX_INT)?,
            "chord-ping-interval" => chord.ping_interval = child.number(1, MAX_INT)?,
            _ => chord.reactive = child.boolean()?,
        }
        Ok(true)
    }

    fn on_required_kinds(&mut self, kinds: Element<'_>) -> Result<(), ConfigError> {
        for child in kinds.children()? {
            if !child.is_base() || child.name() != "kind-block" {
                if kinds.leniency.is_lenient() {
                    continue;
                }
                let name = shorten(child.name());
                return Err(kinds.refuse(Problem::UnknownElement { name }));
            }
            match read_kind_block(child, self.raw) {
                Ok(block) if !self.kind_ids.insert(block.definition.id) => {
                    return Err(child.refuse(Problem::RepeatedKind(block.definition.id)));
                }
                Ok(block) => self.settings.kinds.push(block),
                Err(error) if error.is_unsupported() => self.problems.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// In lenient mode a value that can match nothing is skipped.
fn lenient<T>(child: Element<'_>, value: Result<T, ConfigError>) -> Result<Option<T>, ConfigError> {
    match value {
        Err(_) if child.leniency.is_lenient() => Ok(None),
        other => other.map(Some),
    }
}

fn non_empty(child: Element<'_>) -> Result<String, ConfigError> {
    let text = child.text()?;
    if text.is_empty() { Err(child.refuse(Problem::Empty)) } else { Ok(text) }
}

fn read_self_signed(child: Element<'_>) -> Result<Option<SelfSignedDigest>, ConfigError> {
    child.allow_attributes(&["digest"])?;
    let permitted = child.boolean()?;
    let name = child.required("digest")?;
    match SelfSignedDigest::from_name(name) {
        Some(digest) => Ok(permitted.then_some(digest)),
        None if !permitted => Ok(None),
        None => Err(child.refuse(Problem::UnknownDigest { value: shorten(name) })),
    }
}

fn read_certificate(child: Element<'_>) -> Result<Option<Bytes>, ConfigError> {
    let der = child.base64()?;
    let certificate =
        if is_der_sequence(&der) { Ok(der) } else { Err(child.refuse(Problem::NotCertificate)) };
    lenient(child, certificate)
}

/// Whether the bytes are one DER SEQUENCE and nothing else; what is in it is not looked at.
pub(crate) fn is_der_sequence(der: &[u8]) -> bool {
    let Some((&0x30, rest)) = der.split_first() else {
        return false;
    };
    let Some((&first, rest)) = rest.split_first() else {
        return false;
    };
    if first < 0x80 {
        return rest.len() == usize::from(first);
    }
    let octets = usize::from(first & 0x7f);
    if !(1..=3).contains(&octets) || rest.len() < octets {
        return false;
    }
    let (length, content) = rest.split_at(octets);
    content.len() == length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte))
}

/// 11.1 has the URL in a `url` element, the grammar as the text of `enrollment-server`.
fn read_url(child: Element<'_>) -> Result<String, ConfigError> {
    let inner = child.node.children().find(|node| node.is_element());
    let text = match inner {
        Some(node) if node.tag_name().name() == "url" => child.of(node).text()?,
        _ => child.text()?,
    };
    if is_https(&text) {
        return Ok(text);
    }
    Err(child.refuse(Problem::NotHttps { value: shorten(&text) }))
}

/// "This URL MUST be of type https:" (11.1), with a host and no blanks.
pub(crate) fn is_https(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    scheme.eq_ignore_ascii_case("https")
        && !rest.starts_with(['/', '?', '#', ':'])
        && !rest.is_empty()
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn read_bootstrap_node(child: Element<'_>) -> Result<Option<SocketAddr>, ConfigError> {
    child.allow_attributes(&["address", "port"])?;
    if let Some(extra) = child.children()?.first() {
        return Err(child.refuse(Problem::UnknownElement { name: shorten(extra.name()) }));
    }
    let text = child.required("address")?;
    let Ok(address) = text.parse::<IpAddr>() else {
        return Err(child.refuse(Problem::NotAddress { value: shorten(text) }));
    };
    let port = match child.attribute("port") {
        Some(port) => child.number_in(port, 1, u32::from(u16::MAX))?,
        None => u32::from(DEFAULT_PORT),
    };
    Ok(u16::try_from(port).ok().map(|port| SocketAddr::new(address, port)))
}
