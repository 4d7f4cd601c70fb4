//! The TURN server usage (section 9): a peer that others can reach relays for them and says so in the
//! overlay ([`TurnOffering`]); a node that needs a relay finds one and gets a login ([`TurnSeeking`]).
//! The relay itself is not here.

mod offering;
mod public;
mod record;
mod seeking;
mod server;
#[cfg(test)]
mod tests;

pub use offering::{TurnGrant, TurnOffering};
pub use public::public_address;
pub use record::RecordId;
pub use seeking::{SeekId, TurnSeeking};

use std::time::Duration;

use reload_config::Configuration;
use reload_wire::KindId;

/// The Application-ID under which a peer gives out logins to its TURN server; for private use (E104).
pub const TURN_CREDENTIALS: u16 = 61441;

/// How long a login holds (E104).
pub const LOGIN_LIFETIME: Duration = Duration::from_secs(3600);

/// The maximum iteration counter of the Kind TURN-SERVICE (section 9).
const MOST_RECORDS: u8 = 20;

/// How many times each TURN server is recorded in this overlay (E74): not at all without the Kind, or
/// where no ICE would use it.
fn density(configuration: &Configuration) -> u8 {
    let here = configuration.kind(KindId::TURN_SERVICE).is_some() && !configuration.no_ice;
    if here { configuration.turn_density.min(MOST_RECORDS) } else { 0 }
}
