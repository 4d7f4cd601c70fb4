//! Networks for tests: network namespaces of the kernel with hosts, switches and routers that do NAT,
//! so that real programs meet what stands between homes. Needs root, `ip`, `nft` and `conntrack`;
//! nothing outside the namespaces is touched or contacted. Loss and delay are made by a [`Proxy`].

mod coturn;
mod host;
mod lab;
mod nat;
mod probe;
mod rough;
mod router;
mod tool;

pub use coturn::Coturn;
pub use host::Host;
pub(crate) use host::{inside, program_in};
pub use lab::{Lab, Switch};
pub use nat::Nat;
pub use probe::{Filtering, Found, Landmarks, Mapping};
pub use rough::{Fates, Proxy, Weather};
pub use router::Router;
