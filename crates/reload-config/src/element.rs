//! One element of a document: its text, its attributes, and the values of the XML Schema types that
//! the grammar uses (section 11.1.1). White space around a value never counts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reload_wire::{NodeId, NodeIdLength, UnixTime};
use roxmltree::Node;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::NS_BASE;
use crate::error::{ConfigError, Problem, shorten};
use crate::options::Leniency;

/// An element with its position, so that each refusal can name it.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) node: Node<'a, 'a>,
    pub(crate) leniency: Leniency,
    lines: &'a LineStarts,
}

/// Where the lines of a document begin. The parser would count from the start at each question,
/// which takes too long for a document with many faults.
pub(crate) struct LineStarts(Vec<usize>);

impl LineStarts {
    pub(crate) fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        Self(ends.map(|(at, _)| at + 1).collect())
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> u32 {
        let before = self.0.partition_point(|&start| start <= at);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}

impl<'a> Element<'a> {
    pub(crate) fn new(node: Node<'a, 'a>, leniency: Leniency, lines: &'a LineStarts) -> Self {
        Self { node, leniency, lines }
    }

    /// Another element of the same document.
    pub(crate) fn of(self, node: Node<'a, 'a>) -> Self {
        Self { node, ..self }
    }

    pub(crate) fn name(self) -> &'a str {
        self.node.tag_name().name()
    }

    /// The namespace; none for the empty one.
    pub(crate) fn namespace(self) -> Option<&'a str> {
        self.node.tag_name().namespace().filter(|namespace| !namespace.is_empty())
    }

    pub(crate) fn is_base(self) -> bool {
        self.namespace() == Some(NS_BASE)
    }

    /// Whether an element without a prefix beside this one is one of the base elements.
    pub(crate) fn parent_default_is_base(self) -> bool {
        let parent = self.node.parent_element().unwrap_or(self.node);
        parent.lookup_namespace_uri(None) == Some(NS_BASE)
    }

    /// The element children; text between them is refused.
    pub(crate) fn children(self) -> Result<Vec<Element<'a>>, ConfigError> {
        let mut children = Vec::new();
        for node in self.node.children() {
            if node.is_element() {
                children.push(self.of(node));
            } else if node.is_text() && !trim(node.text().unwrap_or_default()).is_empty() {
                let text = shorten(trim(node.text().unwrap_or_default()));
                return Err(self.refuse(Problem::StrayText { text }));
            }
        }
        Ok(children)
    }

    /// The error that names this element.
    pub(crate) fn refuse(self, problem: Problem) -> ConfigError {
        let line = self.lines.line(self.node.range().start);
        ConfigError::Element { element: self.path(), line, problem }
    }

    fn path(self) -> String {
        let mut names: Vec<&str> = self
            .node
            .ancestors()
            .filter(|node| node.is_element() && node.parent_element().is_some())
            .map(|node| node.tag_name().name())
            .take(8)
            .collect();
        if names.is_empty() {
            names.push(self.name());
        }
        names.reverse();
        shorten(&names.join("/"))
    }

    /// Refuses attributes that have no namespace and are not in the list; lenient: takes them.
    pub(crate) fn allow_attributes(self, names: &[&str]) -> Result<(), ConfigError> {
        if self.leniency.is_lenient() {
            return Ok(());
        }
        let unknown = self
            .node
            .attributes()
            .find(|known| known.namespace().is_none() && !names.contains(&known.name()));
        match unknown {
            Some(found) => {
                Err(self.refuse(Problem::UnknownAttribute { name: shorten(found.name()) }))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn attribute(self, name: &str) -> Option<&'a str> {
        self.node.attribute(name).map(trim)
    }

    pub(crate) fn required(self, name: &'static str) -> Result<&'a str, ConfigError> {
        self.attribute(name).ok_or_else(|| self.refuse(Problem::MissingAttribute { name }))
    }

    /// The text, without comments; an element in it is refused.
    pub(crate) fn text(self) -> Result<String, ConfigError> {
        let mut text = String::new();
        for node in self.node.children() {
            if node.is_element() {
                let name = shorten(node.tag_name().name());
                return Err(self.refuse(Problem::StrayElement { name }));
            }
            if node.is_text() {
                text.push_str(node.text().unwrap_or_default());
            }
        }
        Ok(trim(&text).to_owned())
    }

    pub(crate) fn boolean(self) -> Result<bool, ConfigError> {
        self.boolean_in(&self.text()?)
    }

    pub(crate) fn boolean_in(self, text: &str) -> Result<bool, ConfigError> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(self.refuse(Problem::NotBoolean { value: shorten(other) })),
        }
    }

    pub(crate) fn number(self, min: u32, max: u32) -> Result<u32, ConfigError> {
        self.number_in(&self.text()?, min, max)
    }

    /// A number of the type `u8`, from `min` on.
    pub(crate) fn byte(self, min: u8) -> Result<u8, ConfigError> {
        let value = self.number(u32::from(min), u32::from(u8::MAX))?;
        Ok(u8::try_from(value).unwrap_or(u8::MAX))
    }

    pub(crate) fn number_in(self, text: &str, min: u32, max: u32) -> Result<u32, ConfigError> {
        text.parse::<i64>()
            .ok()
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| (min..=max).contains(value))
            .ok_or_else(|| self.refuse(Problem::NotNumber { value: shorten(text), min, max }))
    }

    pub(crate) fn base64(self) -> Result<Bytes, ConfigError> {
        let mut text = self.text()?;
        text.retain(|c| !is_blank(c));
        STANDARD.decode(text).map(Bytes::from).map_err(|_| self.refuse(Problem::NotBase64))
    }

    pub(crate) fn node_id(self, length: NodeIdLength) -> Result<NodeId, ConfigError> {
        let text = self.text()?;
        decode_hex(&text)
            .filter(|bytes| bytes.len() == length.get())
            .and_then(|bytes| NodeId::new(&bytes).ok())
            .filter(|id| !id.is_wildcard() && !id.is_zero())
            .ok_or_else(|| {
                self.refuse(Problem::NotNodeId { value: shorten(&text), length: length.get() })
            })
    }

    /// An RFC 3339 time in UTC (11.1); lenient: in any zone.
    pub(crate) fn time_in(self, text: &str) -> Result<UnixTime, ConfigError> {
        match parse_time(text) {
            Err(Problem::NotUtc { .. }) if self.leniency.is_lenient() => read_time(text),
            other => other,
        }
        .map_err(|problem| self.refuse(problem))
    }
}

/// An RFC 3339 time in UTC (11.1).
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, Problem> {
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| Problem::NotTime { value: shorten(text) })?;
    if time.offset() == UtcOffset::UTC {
        return Ok(since_1970(time));
    }
    Err(Problem::NotUtc { value: shorten(text) })
}

/// In any zone.
fn read_time(text: &str) -> Result<UnixTime, Problem> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.map(since_1970).map_err(|_| Problem::NotTime { value: shorten(text) })
}

fn since_1970(time: OffsetDateTime) -> UnixTime {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
    UnixTime(u64::try_from(millis).unwrap_or(0))
}

/// White space as XML knows it.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}
