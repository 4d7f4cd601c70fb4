//! The SIP usage (RFC 7904): a user is registered under the AOR ([`SipRegistering`]), and others find the
//! devices of a user ([`SipLookup`]). SIP itself is not here, nor the connections that carry it.

mod aor;
mod contact;
mod contact_prefs;
mod features;
mod gruu;
mod lookup;
mod record;
mod register_output;
mod registering;
mod target;
#[cfg(test)]
mod tests;
mod uri;
mod way;

pub use aor::{Aor, AorError};
pub use contact::SipContact;
pub use contact_prefs::{ContactPrefs, ContactPrefsError};
pub use gruu::{Gruu, GruuError};
pub use lookup::{LookupLimits, LookupOutput, LookupRequestId, NameHash, Resolution, SipLookup};
pub use record::{RegistrationState, SavedRecord};
pub use register_output::{RegisterError, RegisterId, RegisterOutput, RegisterRequestId};
pub use registering::SipRegistering;
pub use target::SipTarget;
pub use uri::{Scheme, SipUri, UriError};
pub use way::{Way, WayError, serves_domain};
