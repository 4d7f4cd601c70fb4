//! How strictly a document is read, and what this implementation supports.

use crate::configuration::TOPOLOGY_CHORD;
use crate::{NS_BASE, NS_CHORD, NS_SIP};

/// Whether known deviations of other implementations are read. It never changes what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leniency {
    /// By the letter of the RFC.
    #[default]
    Strict,
    /// Unknown elements, Kind-IDs outside the private range, Node-IDs of a wrong length and root
    /// certificates that are none are skipped or kept; times in other zones are converted.
    Lenient,
}

impl Leniency {
    /// True for [`Leniency::Lenient`].
    #[must_use]
    pub fn is_lenient(self) -> bool {
        self == Self::Lenient
    }
}

/// How a document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// How strictly.
    pub leniency: Leniency,
    /// The extension namespaces we support, for `mandatory-extension`. Case matters (11.1).
    pub extensions: Vec<String>,
    /// The topology plug-ins we support.
    pub topologies: Vec<String>,
    /// The overlay link protocols we support.
    pub link_protocols: Vec<String>,
}

impl ReadOptions {
    /// The base protocol and the SIP usage, lenient.
    #[must_use]
    pub fn lenient() -> Self {
        Self { leniency: Leniency::Lenient, ..Self::default() }
    }
}

impl Default for ReadOptions {
    /// The base protocol and the SIP usage, strict.
    fn default() -> Self {
        Self {
            leniency: Leniency::Strict,
            extensions: [NS_BASE, NS_CHORD, NS_SIP].map(str::to_owned).into(),
            topologies: vec![TOPOLOGY_CHORD.to_owned()],
            link_protocols: vec!["TLS".to_owned()],
        }
    }
}

impl From<Leniency> for ReadOptions {
    fn from(leniency: Leniency) -> Self {
        Self { leniency, ..Self::default() }
    }
}
