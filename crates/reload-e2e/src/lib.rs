//! The rig of the end-to-end test: an enrollment server, peers and commands as real processes on
//! loopback, any free ports, a deadline on every wait. What an overlay must survive is told in
//! `tests/it`; run it with `cargo xtask e2e`.
//!
//! ```no_run
//! let mut overlay = reload_e2e::Overlay::new("overlay.example.org", None)?;
//! let alice = overlay.add_peer("alice")?;
//! println!("{}", overlay.peer(alice).node_id());
//! # anyhow::Ok(())
//! ```

mod capture;
mod command;
mod installed;
#[cfg(target_os = "linux")]
pub mod netns;
mod overlay;
mod peer;
#[cfg(target_os = "linux")]
pub mod phones;
mod process;
mod programs;
mod site;
mod stranger;
mod talk;
mod until;
mod values;

pub use capture::{Capture, Capturing, Watched};
pub use installed::installed;
pub use overlay::Overlay;
pub use peer::{Peer, Start};
pub use process::{Process, Signal};
pub use programs::Programs;
pub use site::Site;
pub use stranger::dial_without_certificate;
pub use talk::Talk;
pub use until::until;
pub use values::{Item, Reading, items, read_all};
