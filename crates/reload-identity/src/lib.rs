//! Certificates, Node-IDs and signatures (RFC 6940 sections 6.3.4, 7.1 and 11).
//!
//! The only crate that decides whom to believe. [`Trust`] checks certificates against the overlay
//! configuration; [`VerifyJob`] checks a message and the stored values in it. What passed is a
//! [`Verified`] value, a [`VerifiedValue`] or a [`VerifiedCertificate`]: nothing outside this crate
//! can make one. Checked are the bytes as they arrived, never a re-encoding.
//!
//! There is no clock and no I/O in here; keys and signatures draw randomness from the system.
//!
//! ```
//! use reload_identity::{Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity};
//! use reload_identity::{certificates_to_pem, random_node_id};
//! use reload_config::Leniency;
//! use reload_wire::{NodeIdLength, UnixTime};
//! use std::time::Duration;
//!
//! let now = UnixTime::from_secs(1_800_000_000);
//! let year = Validity::starting(now, Duration::from_secs(365 * 86_400));
//! let ca = Issuer::create(KeyPair::generate(Algorithm::EcdsaP256)?, "Example CA", year)?;
//!
//! let key = KeyPair::generate(Algorithm::EcdsaP256)?;
//! let node_id = random_node_id(NodeIdLength::DEFAULT)?;
//! let user = Some("alice@example.org");
//! let der = ca.node_certificate(key.spki(), "example.org", &[node_id], user, year)?;
//!
//! let trust = Trust::from_settings(&TrustSettings {
//!     overlay: "example.org",
//!     node_id_length: NodeIdLength::DEFAULT,
//!     root_certs: &[ca.certificate_der().clone()],
//!     self_signed: None,
//!     bad_nodes: &[],
//!     leniency: Leniency::Strict,
//! })?;
//! let alice = Credentials::load(&key.to_pem(), &certificates_to_pem([&der]), &trust, now)?;
//! assert_eq!(alice.node_id(), node_id);
//! assert_eq!(alice.user(), user);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
mod cache;
mod certificate;
mod clock;
mod configuration;
mod credentials;
mod csr;
mod data;
mod digest;
mod error;
mod fetch_answer;
mod issue;
mod job;
mod key;
mod kind_models;
mod message;
mod self_signed;
mod signer;
#[cfg(feature = "simulation")]
mod simulation;
mod store_request;
mod trust;
mod uri;
mod verified;

pub use cache::CertificateCache;
pub use certificate::VerifiedCertificate;
pub use configuration::{
    OverlayConfig, Signers, sign_configuration, sign_kind, verify_configuration, verify_kind,
};
pub use credentials::Credentials;
pub use csr::SigningRequest;
pub use data::{VerifiedValue, sign_value, synthetic_signature, verify_value, verify_value_of};
pub use error::{
    ConfigurationError, CredentialsError, IssueError, TrustError, ValuesError, VerifyError,
};
pub use fetch_answer::{FetchedKind, FetchedValues, verify_fetch_answer};
pub use issue::{
    Issuer, Validity, certificates_from_pem, certificates_to_pem, is_mailbox, random_node_id,
};
pub use job::{Checked, SealJob, VerifyJob};
pub use key::{Algorithm, KeyPair};
pub use kind_models::KindModels;
pub use message::{Message, seal, seal_raw, verify_message};
pub use self_signed::derived_node_ids;
pub use signer::Signer;
pub use store_request::{StoreReq, VerifiedKindData, verify_store};
pub use trust::{Trust, TrustSettings};
pub use uri::node_uri;
pub use verified::Verified;
