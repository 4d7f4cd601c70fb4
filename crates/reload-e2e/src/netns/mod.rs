//! Networks for tests: network namespaces of the kernel with hosts, switches and routers that do NAT,
//! so that real programs meet what stands between homes. Needs root, `ip`, `nft` and `conntrack`;
//! nothing outside the namespaces is touched or contacted. There is no loss or delay here.

mod host;
mod lab;
mod nat;
mod probe;
mod router;
mod tool;

pub use host::Host;
pub(crate) use host::program_in;
pub use lab::{Lab, Switch};
pub use nat::Nat;
pub use probe::{Filtering, Found, Landmarks, Mapping};
pub use router::Router;
