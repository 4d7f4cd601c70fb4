//! One `configuration` element as values (section 11.1), with the bytes its signature covers.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use reload_wire::{Dialect, KindId, NodeId, NodeIdLength, UnixTime};

use crate::error::ConfigError;
use crate::extension::{Extension, ExtensionAttribute};
use crate::kind::{KindBlock, KindDefinition};
use crate::name::overlay_hash;

/// The topology plug-in of section 10, the default.
pub const TOPOLOGY_CHORD: &str = "CHORD-RELOAD";

/// A configuration that was read. Its settings are reached through `Deref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// What the elements say.
    pub settings: Settings,
    /// The bytes of the `configuration` element, from its first `<` to its last `>`: the signature
    /// is over exactly these (11.1). Prefixes declared outside of them are not signed; what our
    /// writer makes declares all of its own inside.
    pub raw: Bytes,
    /// The SecurityBlock of the first `signature` element that follows it, decoded from base64.
    pub signature: Option<Bytes>,
    /// The SecurityBlocks of further `signature` elements.
    pub further_signatures: Vec<Bytes>,
    pub(crate) problems: Vec<ConfigError>,
}

impl Configuration {
    /// The `overlay` field of messages: the lower 32 bits of the SHA-1 of the name (6.3.2).
    #[must_use]
    pub fn overlay_hash(&self) -> u32 {
        overlay_hash(&self.instance_name)
    }

    /// What decoding of messages depends on.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        let mut dialect = Dialect::new(self.node_id_length);
        dialect.limits.max_message_size =
            dialect.limits.max_message_size.min(self.max_message_size);
        dialect
    }

    /// The definition of a Kind that this overlay requires.
    #[must_use]
    pub fn kind(&self, id: KindId) -> Option<&KindDefinition> {
        self.kinds.iter().map(|block| &block.definition).find(|kind| kind.id == id)
    }

    /// All reasons why a node of ours could not run this overlay: an unsupported
    /// `mandatory-extension`, topology plug-in, link protocol or Kind, no trust anchor, a
    /// `kind-signature` that is missing in a signed configuration. Empty is good.
    #[must_use]
    pub fn problems(&self) -> &[ConfigError] {
        &self.problems
    }

    /// The first of [`Self::problems`] as an error.
    ///
    /// # Errors
    /// What the node lacks, or what the document lacks.
    pub fn check_usable(&self) -> Result<(), ConfigError> {
        self.problems.first().map_or(Ok(()), |problem| Err(problem.clone()))
    }

    /// Refuses a configuration whose `expiration` has come (11.1).
    ///
    /// # Errors
    /// [`ConfigError::Expired`].
    pub fn check_expiration(&self, now: UnixTime) -> Result<(), ConfigError> {
        match self.expiration {
            Some(expiration) if expiration <= now => {
                Err(ConfigError::Expired { overlay: self.instance_name.clone(), expiration, now })
            }
            _ => Ok(()),
        }
    }

    /// Whether a certificate with this Node-ID must not be considered valid (11.1).
    #[must_use]
    pub fn is_bad_node(&self, id: &NodeId) -> bool {
        self.bad_nodes.contains(id)
    }
}

impl Deref for Configuration {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// The attributes and elements of a `configuration` (11.1), with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The overlay name.
    pub instance_name: String,
    /// The sequence number, 0 to 65534; 0 if it is absent.
    pub sequence: u16,
    /// When this configuration ends.
    pub expiration: Option<UnixTime>,
    /// Attributes of other namespaces.
    pub attributes: Vec<ExtensionAttribute>,
    /// `topology-plugin`, CHORD-RELOAD by default.
    pub topology_plugin: String,
    /// `node-id-length`, 16 bytes by default.
    pub node_id_length: NodeIdLength,
    /// `root-cert`: the trust anchors, DER.
    pub root_certs: Vec<Bytes>,
    /// `enrollment-server`: https URLs.
    pub enrollment_servers: Vec<String>,
    /// `self-signed-permitted`: the digest of Node-IDs if it is true.
    pub self_signed: Option<SelfSignedDigest>,
    /// `bootstrap-node`.
    pub bootstrap_nodes: Vec<SocketAddr>,
    /// `turn-density`: one node in so many is a TURN server; 0 means none, 1 is the default.
    pub turn_density: u8,
    /// `clients-permitted`, true by default.
    pub clients_permitted: bool,
    /// `no-ice`, false by default.
    pub no_ice: bool,
    /// `shared-secret`.
    pub shared_secret: Option<SharedSecret>,
    /// `max-message-size` in bytes, 5000 by default.
    pub max_message_size: u32,
    /// `initial-ttl` in hops, 1 to 255, 100 by default.
    pub initial_ttl: u8,
    /// `overlay-reliability-timer`: whole milliseconds, at least 200, 3 s by default.
    pub overlay_reliability_timer: Duration,
    /// `overlay-link-protocol`, TLS by default.
    pub overlay_link_protocols: Vec<String>,
    /// `configuration-signer`: who may sign the next configuration.
    pub configuration_signers: Vec<NodeId>,
    /// `kind-signer`: who may sign Kinds.
    pub kind_signers: Vec<NodeId>,
    /// `bad-node`: revoked Node-IDs.
    pub bad_nodes: Vec<NodeId>,
    /// `mandatory-extension`: namespaces a node must support.
    pub mandatory_extensions: Vec<String>,
    /// `required-kinds`; Kinds we do not support are not here but in [`Configuration::problems`].
    pub kinds: Vec<KindBlock>,
    /// The settings of CHORD-RELOAD.
    pub chord: ChordSettings,
    /// Elements of other namespaces.
    pub extensions: Vec<Extension>,
}

impl Settings {
    /// The defaults of section 11.1 for an overlay of this name.
    #[must_use]
    pub fn new(instance_name: impl Into<String>) -> Self {
        Self {
            instance_name: instance_name.into(),
            sequence: 0,
            expiration: None,
            attributes: Vec::new(),
            topology_plugin: TOPOLOGY_CHORD.to_owned(),
            node_id_length: NodeIdLength::DEFAULT,
            root_certs: Vec::new(),
            enrollment_servers: Vec::new(),
            self_signed: None,
            bootstrap_nodes: Vec::new(),
            turn_density: 1,
            clients_permitted: true,
            no_ice: false,
            shared_secret: None,
            max_message_size: 5000,
            initial_ttl: 100,
            overlay_reliability_timer: Duration::from_millis(3000),
            overlay_link_protocols: vec!["TLS".to_owned()],
            configuration_signers: Vec::new(),
            kind_signers: Vec::new(),
            bad_nodes: Vec::new(),
            mandatory_extensions: Vec::new(),
            kinds: Vec::new(),
            chord: ChordSettings::default(),
            extensions: Vec::new(),
        }
    }
}

/// The elements of the namespace of CHORD-RELOAD (11.1, 10.7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChordSettings {
    /// `chord-update-interval` in seconds, 600 by default.
    pub update_interval: u32,
    /// `chord-ping-interval` in seconds, 3600 by default.
    pub ping_interval: u32,
    /// `chord-reactive`, true by default.
    pub reactive: bool,
}

impl Default for ChordSettings {
    fn default() -> Self {
        Self { update_interval: 600, ping_interval: 3600, reactive: true }
    }
}

/// The digest that makes the Node-IDs of self-signed certificates (11.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SelfSignedDigest {
    /// `sha1`.
    Sha1,
    /// `sha256`.
    Sha256,
}

impl SelfSignedDigest {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256].into_iter().find(|digest| digest.name() == name)
    }
}

/// The shared secret of an overlay; its text is kept out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(String);

impl SharedSecret {
    /// A secret from its text.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The text of the secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}
