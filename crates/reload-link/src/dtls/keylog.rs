//! Lines of an NSS key log for DTLS 1.2: `CLIENT_RANDOM <random> <master secret>`. The engine has no such
//! thing, but can write its state down; [`SerializedState`] mirrors what it writes, which is why its version
//! is pinned. A test compares the line with the one that `openssl` writes for the same association.

use std::fmt::Write;

use rkyv::rancor;
use rtc_dtls::state::State;

/// The line for a connected association, or nothing if the engine's state is not what we know.
pub(super) fn line(state: &State) -> Option<String> {
    let bytes = state.marshal_binary().ok()?;
    let mut aligned: rkyv::util::AlignedVec = rkyv::util::AlignedVec::new();
    aligned.extend_from_slice(&bytes);
    let state = rkyv::access::<ArchivedSerializedState, rancor::Error>(&aligned).ok()?;
    let random = if state.is_client { &state.local_random } else { &state.remote_random };
    (state.master_secret.len() == 48) // RFC 5246 section 8.1
        .then(|| format!("CLIENT_RANDOM {} {}", hex(random), hex(&state.master_secret)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As `SerializedState` in `rtc_dtls::state`, field by field.
#[derive(rkyv::Archive)]
#[expect(dead_code, reason = "only its archived form is read")]
struct SerializedState {
    local_epoch: u16,
    remote_epoch: u16,
    local_random: [u8; 32],
    remote_random: [u8; 32],
    cipher_suite_id: u16,
    master_secret: Vec<u8>,
    sequence_number: u64,
    srtp_protection_profile: u16,
    peer_certificates: Vec<Vec<u8>>,
    identity_hint: Vec<u8>,
    is_client: bool,
}
