//! Stored data (RFC 6940 section 7): data models, access control, generations, lifetimes, replicas.
//!
//! [`Storage`] keeps what nodes store at this peer and answers Store, Fetch, Stat and Find about it.
//! It has no clock, no link and no key: the node gives it both clocks, requests that
//! `reload-identity` has verified, and through [`Place`] what the topology says. Where the values
//! lie is behind [`Store`]; [`MemoryStore`] is the one in memory.
//!
//! A value can be put into a store only from a `VerifiedValue`: nothing unsigned gets in.
//!
//! ```
//! use std::time::Instant;
//!
//! use reload_config::ConfigurationBuilder;
//! use reload_storage::{MemoryStore, Storage};
//! use reload_wire::{Decode, FetchAns, KindId, Now, ResourceId, UnixTime};
//!
//! let configuration = ConfigurationBuilder::new_overlay("example.org").to_configuration()?;
//! let storage = Storage::new(MemoryStore::new(), &configuration);
//! let now = Now { mono: Instant::now(), wall: UnixTime::from_secs(1_800_000_000) };
//!
//! // Nothing is stored yet: the answer has a synthetic value (section 7.4.2.2).
//! let request = storage.fetch_all_request(&ResourceId::from_u128(7), &[KindId(0xf000_0001)])?;
//! let answer = storage.fetch(now, &request, Some(5000))?;
//! let answer = FetchAns::decode_exact(&configuration.dialect(), &answer.body)?;
//! assert_eq!(answer.kind_responses[0].values[0].lifetime, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod books;
mod check;
mod configure;
mod copy;
mod draft;
mod emptied;
mod expire;
mod fetch;
mod find;
mod keeping;
mod kinds;
mod limits;
mod memory;
mod merge;
mod place;
mod policy;
mod refusal;
mod select;
mod stat;
mod storage;
mod store;
mod values;
mod view;
mod write;

pub use configure::Reconfigured;
pub use copy::{CopyBatch, CopyCursor};
pub use fetch::Answer;
pub use keeping::Keeping;
pub use limits::{Limits, Usage};
pub use memory::MemoryStore;
pub use place::Place;
pub use refusal::Refusal;
pub use storage::{Counters, Storage};
pub use store::{Batch, Change, Store, StoreFault};
pub use values::{Address, Slot, StoredValue, ValueKey};
pub use view::ValueView;
pub use write::{Stored, StoredKind};
