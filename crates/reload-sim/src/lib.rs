//! A whole overlay on a virtual network in virtual time: real nodes, real Chord, real storage, and
//! signatures that cost next to nothing. Everything follows from a seed.

mod application;
mod check;
mod clock;
mod happening;
mod host;
mod link;
mod output;
mod overlay;
mod queue;
mod scenario;
mod values;
mod world;

pub use check::{Address, Book, fetched, holders, owner, ring, ring_faults, ring_faults_among};
pub use host::{Condition, Host, SimNode};
pub use overlay::{BEGINNING, NAME, Overlay};
pub use scenario::{Crashes, Report, Scenario};
pub use values::Assignment;
pub use world::{HostId, Weather, World};
