//! Usages of RELOAD: what applications store in the overlay, and how. No I/O: a usage gives out
//! requests for the node of its daemon and takes their answers.
//!
//! There are the certificate store (section 8): [`CertificateStore`], the TURN server usage
//! (section 9): [`TurnOffering`] for a peer that relays, [`TurnSeeking`] for a node that needs one, and
//! the SIP usage (RFC 7904) in [`sip`].
//!
//! ```no_run
//! use reload_node::Reply;
//! use reload_usages::CertificateStore;
//! use reload_wire::{Now, ResourceId};
//! # fn example(
//! #     now: Now,
//! #     configuration: &reload_config::Configuration,
//! #     certificate: &reload_identity::VerifiedCertificate,
//! #     hash: impl Fn(&[u8]) -> ResourceId,
//! #     ask: impl Fn(reload_node::Request) -> Option<Reply>,
//! # ) {
//! let mut usage = CertificateStore::new(now, configuration, certificate, hash);
//! while let Some((entry, request)) = usage.poll_request(now) {
//!     usage.handle_finished(now, entry, ask(request));
//! }
//! assert!(usage.wakeup().is_some());
//! # }
//! ```

mod certificate_store;
pub mod sip;
mod turn;

pub use certificate_store::{CertificateStore, EntryId, EntryStatus, StoreState};
pub use turn::{
    LOGIN_LIFETIME, RecordId, SeekId, TURN_CREDENTIALS, TurnGrant, TurnOffering, TurnSeeking,
    public_address,
};
