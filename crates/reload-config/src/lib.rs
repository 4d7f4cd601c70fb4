//! The overlay configuration document (RFC 6940 section 11.1): parse, check and write it.
//!
//! Reading never changes a document: [`OverlayDocument`] keeps the bytes that arrived, and each
//! [`Configuration`] and [`KindBlock`] keeps the exact range its signature covers. This crate
//! verifies no signature and knows no clock; it says whether a document is well-formed, what is in
//! it, and whether this implementation can take part in the overlay it describes.
//!
//! There are two steps. [`OverlayDocument::parse`] checks the form. [`OverlayDocument::find`] picks
//! the configuration of one overlay and refuses it when a node could not run it: an unsupported
//! `mandatory-extension`, an unknown Kind, no root certificate.
//!
//! ```
//! use reload_config::{ConfigurationBuilder, OverlayDocument, assemble_unsigned};
//!
//! let mut builder = ConfigurationBuilder::new_overlay("overlay.example.org");
//! builder.sequence = 1;
//! let configuration = builder.build()?;
//! // Sign the bytes of `configuration`, then use `assemble`; here it stays unsigned.
//! let document = OverlayDocument::parse(&assemble_unsigned(&configuration))?;
//! let read = &document.configurations()[0];
//! assert_eq!(read.instance_name, "overlay.example.org");
//! assert_eq!(read.raw, configuration);
//! # Ok::<(), reload_config::ConfigError>(())
//! ```

mod assemble;
mod builder;
mod change;
mod change_kind;
mod configuration;
mod document;
mod domain;
mod element;
mod error;
mod expression;
mod extension;
mod fit;
mod iana;
mod kind;
mod name;
mod options;
mod parameters;
mod read;
mod read_kind;
mod scan;
mod sequence;
mod syntax;
mod user;
mod write;

pub use assemble::{DocumentBuilder, assemble, assemble_unsigned};
pub use builder::ConfigurationBuilder;
pub use change::parse_expiration;
pub use configuration::{
    ChordSettings, Configuration, SelfSignedDigest, Settings, SharedSecret, TOPOLOGY_CHORD,
};
pub use document::OverlayDocument;
pub use domain::{DomainPattern, DomainRestriction};
pub use error::{ConfigError, Problem, XmlFault};
pub use extension::{Extension, ExtensionAttribute};
pub use fit::{
    CONFIG_UPDATE_OVERHEAD, check_config_update_fits, config_update_fits, config_update_size,
};
pub use iana::{IanaKind, iana_kind, iana_kind_by_id};
pub use kind::{AccessControl, KindBlock, KindDefinition, is_private_kind, is_reserved_kind};
pub use name::is_overlay_name;
pub use options::{Leniency, ReadOptions};
pub use sequence::{MAX_SEQUENCE, sequence_newer};
pub use user::UserRefused;

/// The namespace of the base elements (section 11.1).
pub const NS_BASE: &str = "urn:ietf:params:xml:ns:p2p:config-base";
/// The namespace of the elements of CHORD-RELOAD (section 11.1).
pub const NS_CHORD: &str = "urn:ietf:params:xml:ns:p2p:config-chord";
/// The namespace of the elements of the SIP usage (RFC 7904 section 3.4).
pub const NS_SIP: &str = "urn:ietf:params:xml:ns:p2p:config-base:sip";
/// The default port of a bootstrap node (section 14.2).
pub const DEFAULT_PORT: u16 = 6084;
/// The media type of a configuration document (section 14.16).
pub const MEDIA_TYPE: &str = "application/p2p-overlay+xml";
