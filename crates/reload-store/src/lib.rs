//! Stored data on disk (RFC 6940 section 7 says what is stored, not where): the values that a peer
//! keeps for the overlay, their certificates and the generation counters, in one file of redb.
//!
//! Memory first: [`PersistentStore`] answers from a `MemoryStore`, and a thread of its own writes what
//! has changed, every few hundred milliseconds and at the end, each time in one durable transaction.
//! So the file always holds the state behind some batch, never half of one. A Store is acknowledged
//! when memory and the replicas have the value, not the disk: a peer that is killed loses the last
//! moment of its file, and the overlay has it.
//!
//! What is read back is believed no more than what comes from the network: every value is verified
//! again, with its certificate, its Kind and its access control. What does not hold or has expired is
//! dropped and counted.
//!
//! ```
//! use reload_config::{ConfigurationBuilder, Leniency};
//! use reload_identity::Trust;
//! use reload_store::{PersistentStore, ReadBack, Settings};
//! use reload_wire::ResourceId;
//!
//! let configuration = ConfigurationBuilder::new_overlay("example.org").to_configuration()?;
//! let trust = Trust::new(&configuration, Leniency::Strict)?;
//! let hash = |name: &[u8]| ResourceId::from_u128(u128::try_from(name.len()).unwrap_or(0));
//! let read_back = ReadBack { configuration: &configuration, trust: &trust, resource_id: &hash };
//! let home = tempfile::tempdir()?;
//! let (store, report) =
//!     PersistentStore::open(&home.path().join("store"), &read_back, Settings::default())?;
//! assert_eq!(report.values, 0);
//! store.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aside;
mod clock;
mod disk;
mod error;
mod pending;
mod read_back;
mod record;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{DiskError, OpenError};
pub use read_back::{ReadBack, Report};
pub use store::{PersistentStore, Settings};
pub use writer::WriterStatus;
