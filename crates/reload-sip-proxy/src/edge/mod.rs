//! The edge: where phones reach the proxy, and who of them is registered (RFC 3261 section 10). Calls are
//! routed elsewhere.

mod bindings;
mod credentials;
mod digest;
mod kept;
mod listeners;
mod name_addr;
mod nonces;
mod registrar;

pub(crate) use bindings::Binding;
pub(crate) use digest::{Asks, Authenticator, Verdict};
pub(crate) use kept::PhoneFile;
pub(crate) use listeners::{ListenError, Listeners, TlsIdentity};
pub(crate) use name_addr::NameAddr;
pub(crate) use registrar::Registrar;
