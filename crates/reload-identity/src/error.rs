//! What can go wrong when a certificate, a signature or a credential is checked or made. Every
//! error is one line that a person can act on. Which RFC error code a peer gets is decided above.

use crate::clock::Show;
use reload_config::ConfigError;
use reload_wire::{DecodeError, EncodeError, HashAlgorithm, KindId, NodeId};
use reload_wire::{SignatureAndHashAlgorithm, UnixTime};

/// Why a certificate or a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are no certificate.
    #[error("certificate is malformed: {0}")]
    MalformedCertificate(&'static str),
    /// X.509 version 1 or 2 has no extensions, so no Node-ID.
    #[error("certificate is not X.509 version 3")]
    NotVersion3,
    /// A certificate authority is no node.
    #[error("certificate is that of a certificate authority (CA:TRUE), not of a node")]
    IsAuthority,
    /// Chains to no root certificate of the overlay.
    #[error(
        "certificate is not issued by a root certificate of this overlay (its issuer: {issuer})"
    )]
    UnknownIssuer {
        /// Issuer name as in the certificate.
        issuer: String,
    },
    /// Self-signed, and the configuration has no `self-signed-permitted`.
    #[error("certificate is self-signed, which this overlay does not permit")]
    SelfSignedNotPermitted,
    /// The signature under the certificate is wrong.
    #[error("signature of the certificate is wrong")]
    BadCertificateSignature,
    /// The time of validity is over, of the certificate or of one in its chain.
    #[error("certificate expired at {} (now: {})", Show(*not_after), Show(*now))]
    Expired {
        /// End of validity.
        not_after: UnixTime,
        /// The time of the check.
        now: UnixTime,
    },
    /// The time of validity has not begun.
    #[error(
        "certificate is not valid before {} (now: {}); is the clock of this machine right?",
        Show(*not_before), Show(*now)
    )]
    NotYetValid {
        /// Start of validity.
        not_before: UnixTime,
        /// The time of the check.
        now: UnixTime,
    },
    /// An extension marked critical that we do not know.
    #[error("certificate has an unknown critical extension ({oid})")]
    UnknownCriticalExtension {
        /// Its object identifier, dotted.
        oid: String,
    },
    /// Another failure of the path to the root certificates.
    #[error("certificate chain is not valid: {0}")]
    Chain(webpki::Error),
    /// No Node-ID (section 11.3).
    #[error("certificate has no reload URI, so no Node-ID")]
    NoReloadUri,
    /// A reload URI that names no Node-ID of this overlay's length (section 14.15).
    #[error("certificate has a reload URI that names no Node-ID: {uri}")]
    BadReloadUri {
        /// The URI.
        uri: String,
    },
    /// The certificate is for another overlay (E17).
    #[error("certificate is for the overlay {found}, not for {expected}")]
    OtherOverlay {
        /// In the certificate.
        found: String,
        /// Ours.
        expected: String,
    },
    /// The same Node-ID twice.
    #[error("certificate names the Node-ID {0} twice")]
    DuplicateNodeId(NodeId),
    /// Section 11.3 wants a single user name.
    #[error("certificate has more than one user name")]
    SeveralUserNames,
    /// A self-signed certificate with a Node-ID not derived from its key (section 11.3.1).
    #[error("Node-ID {0} is not derived from the key of the self-signed certificate")]
    NodeIdNotOfKey(NodeId),
    /// The certificate is good, but of another node than wanted.
    #[error("certificate is of node {found}, not of {expected}")]
    NodeIdMismatch {
        /// First Node-ID of the certificate.
        found: NodeId,
        /// The wanted one.
        expected: NodeId,
    },
    /// Listed as bad-node in the configuration, which revokes the whole certificate (E24).
    #[error("certificate is revoked: node {0} is a bad-node of the configuration")]
    BadNode(NodeId),
    /// Not RSA of 2048 to 8192 bits, P-256 or P-384.
    #[error("certificate has a key of an unsupported kind ({0})")]
    UnsupportedKey(String),
    /// Verified under other root certificates or another overlay: check it again.
    #[error("certificate was checked against another configuration")]
    OtherTrust,

    /// No certificate for the signer identity, neither in the message nor known.
    #[error("the certificate of the signer is neither in the message nor known")]
    UnknownSigner,
    /// Identity `none` where a signature is required (section 7.4.1.1).
    #[error("not signed: the signer identity is none")]
    NotSigned,
    /// A signer identity of an unknown type.
    #[error("signer identity of unknown type {0}")]
    UnknownIdentityType(u8),
    /// cert_hash for several Node-IDs, or cert_hash_node_id for one (E09).
    #[error("signer identity does not fit a certificate with {node_ids} Node-IDs")]
    IdentityTypeMismatch {
        /// Number of Node-IDs in the certificate.
        node_ids: usize,
    },
    /// A hash in the signer identity that selects no certificate (E08).
    #[error("hash algorithm {} can't name a certificate", .0.0)]
    UnsupportedHash(HashAlgorithm),
    /// An algorithm pair we refuse, or one that does not fit the key (E07).
    #[error(
        "signature algorithm (hash {}, signature {}) is not accepted for this key",
        .0.hash.0, .0.signature.0
    )]
    UnsupportedAlgorithm(SignatureAndHashAlgorithm),
    /// The signature is not over these bytes by this key.
    #[error("signature is wrong")]
    BadSignature,
}

/// Why the stored values of a Store request or Fetch answer are not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ValuesError {
    /// The body is not what its message code says.
    #[error("malformed body: {0}")]
    Malformed(#[from] DecodeError),
    /// A value does not decode in the data model of its Kind (answer: Error_Invalid_Message).
    #[error("value {index} of Kind {} is malformed: {source}", kind.0)]
    MalformedValue {
        /// The Kind.
        kind: KindId,
        /// Place of the value within its StoreKindData, from 0.
        index: usize,
        /// What does not decode.
        source: DecodeError,
    },
    /// A value is not signed as it must be (answer: Error_Forbidden, section 7.4.1.1).
    #[error("value {index} of Kind {}: {source}", kind.0)]
    Forbidden {
        /// The Kind.
        kind: KindId,
        /// Place of the value within its StoreKindData, from 0.
        index: usize,
        /// What is wrong with the signature.
        source: VerifyError,
    },
}

/// Why an overlay configuration or a Kind is not accepted (section 11.1).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The document has no configuration of that name, or it expired.
    #[error(transparent)]
    Document(#[from] ConfigError),
    /// Rightly signed, but a node of ours can't run it and must leave the overlay (section 11.1).
    #[error(transparent)]
    Unusable(ConfigError),
    /// There is no signature element.
    #[error("the configuration of {0} is not signed")]
    NotSigned(String),
    /// A Kind without kind-signature (E12; the lenient switch takes the outer one).
    #[error("Kind {} of the configuration is not signed", .0.0)]
    KindNotSigned(KindId),
    /// The signature element is no SecurityBlock.
    #[error("the signature element is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The signature or the certificate of the signer is wrong.
    #[error("the signature of the configuration is not valid: {0}")]
    Signature(#[from] VerifyError),
    /// The signature or the signer of a Kind is wrong.
    #[error("the signature of Kind {} is not valid: {source}", kind.0)]
    KindSignature {
        /// The Kind.
        kind: KindId,
        /// What is wrong.
        source: VerifyError,
    },
    /// Signed by a node that is no configuration-signer.
    #[error("the configuration is signed by {0}, which is no configuration-signer")]
    NotASigner(NodeId),
    /// Signed by a node that is no kind-signer.
    #[error("Kind {} is signed by {signer}, which is no kind-signer", kind.0)]
    NotAKindSigner {
        /// The Kind.
        kind: KindId,
        /// Who signed it.
        signer: NodeId,
    },
    /// Older than the one we have (E45).
    #[error("the configuration has sequence {found}, older than {current} that is in use")]
    Older {
        /// In the document.
        found: u16,
        /// In use.
        current: u16,
    },
    /// Its root certificates can't be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Why a configuration gives no set of root certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A root-cert element is no certificate.
    #[error("root certificate {index} of the configuration is malformed")]
    MalformedRoot {
        /// Place among the root-cert elements, from 0.
        index: usize,
    },
}

/// Why a key, a certificate or a pair of them can't be used or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The text has no PEM block of this kind.
    #[error("no {0} in the PEM text")]
    NoPem(&'static str),
    /// The key is neither PKCS#8 RSA of at least 2048 bits nor PKCS#8 P-256.
    #[error("the private key is not a PKCS#8 RSA (2048 bits or more) or P-256 key")]
    UnsupportedKey,
    /// Key and certificate do not belong together.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The chosen Node-ID is not in the certificate.
    #[error("the certificate does not name the Node-ID {0}")]
    NoSuchNodeId(NodeId),
    /// The certificate is not accepted in this overlay.
    #[error(transparent)]
    Certificate(#[from] VerifyError),
    /// The random source of the system or the signing engine failed.
    #[error("the system could not make a key or a signature")]
    Engine,
    /// What was to be signed can't be written.
    #[error("can't encode what was to be signed: {0}")]
    Encode(#[from] EncodeError),
}

/// Why a certificate or request can't be issued or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The bytes are no certificate signing request.
    #[error("the certificate signing request is malformed")]
    MalformedRequest,
    /// The request is not signed by its own key.
    #[error("the certificate signing request is not signed by its own key")]
    RequestSignature,
    /// A key we do not certify.
    #[error("the key is of an unsupported kind ({0}); RSA of 2048 bits or more and P-256 are")]
    UnsupportedKey(String),
    /// The user name is not of the form of a mailbox.
    #[error("the user name {0:?} is not of the form user@domain")]
    BadUserName(String),
    /// A certificate of a node needs at least one Node-ID, all different and of one length.
    #[error("the list of Node-IDs is empty or has one twice")]
    BadNodeIds,
    /// The overlay, host or issuer name can't stand in a certificate.
    #[error("the name {0:?} can't stand in a certificate")]
    BadName(String),
    /// The time of validity is empty or outside of what X.509 can say.
    #[error("the time of validity is empty or out of range")]
    BadValidity,
    /// The issuer's key or certificate.
    #[error("issuer: {0}")]
    Issuer(#[from] CredentialsError),
    /// The certificate of the issuer is no CA certificate.
    #[error("the certificate of the issuer is not that of a certificate authority")]
    NotAnAuthority,
    /// The certificate writer failed.
    #[error("the certificate could not be written")]
    Engine,
}
