//! Why a configuration document is refused: one clear line each, with the element it is about.
//! Whether the signature is right is not asked here.

use std::fmt;

use reload_wire::{KindId, UnixTime};
use thiserror::Error;

/// Why a configuration document cannot be read, used or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The document is larger than a ConfigUpdate could ever carry (24-bit length, 6.5.4.1).
    #[error("the document has {size} bytes, more than the {limit} that a ConfigUpdate can carry")]
    TooLarge {
        /// Size of the document in bytes.
        size: usize,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The bytes are not UTF-8 (11.1).
    #[error("the document is not UTF-8: wrong byte at {at}")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// The XML declaration names another encoding (11.1).
    #[error("the document declares the encoding {encoding:?}, only UTF-8 is allowed")]
    Encoding {
        /// The declared encoding.
        encoding: String,
    },
    /// The document has a document type declaration.
    #[error("a document type declaration (DTD) is not allowed (byte {at})")]
    Dtd {
        /// Offset of the declaration.
        at: usize,
    },
    /// A tag has so many attributes that checking them would take too long.
    #[error("the tag at byte {at} has more than {limit} attributes")]
    TooManyAttributes {
        /// Offset of the tag.
        at: usize,
        /// The most attributes a tag may have.
        limit: usize,
    },
    /// The document declares so many namespaces that resolving them would take too long.
    #[error("the document declares more than {limit} namespaces (byte {at})")]
    TooManyNamespaces {
        /// Offset of the tag with the first declaration too many.
        at: usize,
        /// The most declarations a document may have.
        limit: usize,
    },
    /// The document is not well-formed XML.
    #[error("not well-formed XML: {0}")]
    Xml(XmlFault),
    /// The root element is not `overlay` of the base namespace.
    #[error("the root element is {found}, not overlay of the namespace {namespace}", namespace = crate::NS_BASE)]
    Root {
        /// The root element that was found.
        found: String,
    },
    /// The document holds no `configuration` element.
    #[error("overlay: there is no configuration element in it")]
    NoConfiguration,
    /// Something is wrong with one element of the document.
    #[error("{element} (line {line}): {problem}")]
    Element {
        /// The path of the element, without the root.
        element: String,
        /// The line its tag begins on, from 1.
        line: u32,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A setting cannot be written.
    #[error("{element}: {problem}")]
    Setting {
        /// The element that would hold it.
        element: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
    /// There is nothing of this name to change.
    #[error("there is no setting {name:?}; there are {known}")]
    NoSuchSetting {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The document has no configuration of the overlay asked for.
    #[error("the document has no configuration of the overlay {wanted}, only of {present}")]
    NoSuchOverlay {
        /// The overlay asked for.
        wanted: String,
        /// The overlays that are in the document.
        present: String,
    },
    /// The configuration is no longer valid.
    #[error("the configuration of {overlay} expired at {} ms since 1970, it is now {}", expiration.0, now.0)]
    Expired {
        /// The overlay.
        overlay: String,
        /// Its `expiration`.
        expiration: UnixTime,
        /// The time of the check.
        now: UnixTime,
    },
    /// A ConfigUpdate with this document would be larger than `max-message-size`.
    #[error(
        "the document has {size} bytes: a ConfigUpdate with it needs {needed}, max-message-size is {limit}"
    )]
    DoesNotFit {
        /// Size of the document in bytes.
        size: usize,
        /// Size of the message that carries it.
        needed: usize,
        /// `max-message-size` of the configuration.
        limit: u32,
    },
}

impl ConfigError {
    /// Whether the document may be right and only asks for what this implementation lacks.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Element {
                problem: Problem::UnknownKind { .. }
                    | Problem::UnsupportedModel { .. }
                    | Problem::UnsupportedExtension { .. }
                    | Problem::UnsupportedTopology { .. }
                    | Problem::UnsupportedLinkProtocols { .. }
                    | Problem::SharedSecret,
                ..
            }
        )
    }
}

impl ConfigError {
    /// Whether it is about a Kind that we do not support.
    pub(crate) fn is_unsupported_kind(&self) -> bool {
        let Self::Element { problem, .. } = self else {
            return false;
        };
        matches!(problem, Problem::UnknownKind { .. } | Problem::UnsupportedModel { .. })
    }
}

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum Problem {
    #[error("unknown element {name}")]
    UnknownElement { name: String },
    #[error("unknown attribute {name}")]
    UnknownAttribute { name: String },
    #[error("given more than once")]
    Repeated,
    #[error("text {text:?} where only elements may stand")]
    StrayText { text: String },
    #[error("an element {name} where only text may stand")]
    StrayElement { name: String },
    #[error("the element {name} is missing")]
    MissingElement { name: &'static str },
    #[error("the attribute {name} is missing")]
    MissingAttribute { name: &'static str },
    #[error("{value:?} is not true, false, 1 or 0")]
    NotBoolean { value: String },
    #[error("{value:?} is not a number from {min} to {max}")]
    NotNumber { value: String, min: u32, max: u32 },
    #[error("{value:?} is not a time in the form 2030-01-01T00:00:00Z")]
    NotTime { value: String },
    #[error("the time {value:?} is not in UTC")]
    NotUtc { value: String },
    #[error("{value:?} is not a POSIX extended regular expression, or too large a one")]
    NotPattern { value: String },
    #[error("the content is not base64")]
    NotBase64,
    #[error("the content is not a DER certificate")]
    NotCertificate,
    #[error("{value:?} is not a Node-ID of {length} bytes in hexadecimal")]
    NotNodeId { value: String, length: usize },
    #[error("{value:?} is not a name that DNS allows")]
    NotOverlayName { value: String },
    #[error("{value:?} has upper-case letters; new overlay names are lower-case")]
    UpperCaseName { value: String },
    #[error("another configuration of the overlay {name} stands before it")]
    RepeatedOverlay { name: String },
    #[error("{value:?} is not an https: URL")]
    NotHttps { value: String },
    #[error("{value:?} is not an IP address")]
    NotAddress { value: String },
    #[error("{value:?} is no IP address and port, as 192.0.2.1:6084 or [2001:db8::1]:6084")]
    NotAddressAndPort { value: String },
    #[error("unknown digest {value:?}, only sha1 and sha256 are known")]
    UnknownDigest { value: String },
    #[error("{topology} runs only with a node-id-length of 16, not {length}")]
    NodeIdLengthOfChord { topology: String, length: usize },
    #[error("it belongs to no configuration element before it")]
    StraySignature,
    #[error("the Kind needs either an id or a name attribute, not both")]
    KindIdentity,
    #[error("the Kind-ID {0} is reserved")]
    ReservedKind(KindId),
    #[error("the Kind-ID {0} is not in the private range 0xf0000001 to 0xfffffffd")]
    NotPrivateKind(KindId),
    #[error("the Kind {0} is given more than once")]
    RepeatedKind(KindId),
    #[error("the element max-node-multiple is missing, NODE-MULTIPLE needs it")]
    MissingNodeMultiple,
    #[error("the Kind has no kind-signature")]
    MissingKindSignature,
    #[error("no Kind is registered with the name {name:?}")]
    UnknownKind { name: String },
    #[error("the data model {model:?} is not supported")]
    UnsupportedModel { model: String },
    #[error("the overlay requires the extension {namespace:?}, which is not supported")]
    UnsupportedExtension { namespace: String },
    #[error("the topology plug-in {name:?} is not supported")]
    UnsupportedTopology { name: String },
    #[error("none of the overlay link protocols {names:?} is supported")]
    UnsupportedLinkProtocols { names: String },
    #[error("admission by a shared secret is not supported, so no node of ours could join")]
    SharedSecret,
    #[error("there is neither a root-cert nor self-signed-permitted, so nobody could join")]
    NoTrust,
    #[error("the value has blanks at an end, which a reader would remove")]
    Blanks,
    #[error("the value is empty")]
    Empty,
    #[error("the sequence number {0} is above 65534")]
    Sequence(u16),
    #[error("the time {0} ms since 1970 cannot be written")]
    UnwritableTime(u64),
    #[error("a reader would not get the same values back")]
    NotTheSame,
    #[error("one value is needed")]
    NotOneValue,
    #[error("a running overlay cannot change it: make a new overlay")]
    Fixed,
    #[error("it is changed only by a whole document")]
    OnlyInDocument,
    #[error("the configuration has no Kind {0}")]
    NoSuchKind(KindId),
    #[error(
        "the registry says what model and policy the Kind {0} has; max-count and max-size can be set"
    )]
    Registered(KindId),
    #[error(
        "{text:?}: a Kind and its fields are needed: none, or model=SINGLE|ARRAY|DICTIONARY, \
         access=POLICY, max-node-multiple=N, max-count=N, max-size=N, domains=any|own, \
         domain-pattern=EXPRESSION"
    )]
    NotKindField { text: String },
    #[error("domains are a matter of SIP-REGISTRATION, and not of the Kind {0}")]
    NoDomains(KindId),
    #[error("it is not one {name} element")]
    NotOneElement { name: &'static str },
}

/// The fault the XML parser found, with its line and column.
#[derive(Clone, PartialEq, Eq)]
pub struct XmlFault(pub(crate) roxmltree::Error);

impl fmt::Display for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for XmlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// At most the first 60 characters of a value, so that a message stays one line.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
