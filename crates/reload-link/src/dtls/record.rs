//! DTLS records as they lie in a datagram (RFC 6347 section 4.1), and which of them an
//! established association looks at. Nothing here is authenticated yet.
//!
//! The engine behind takes a ChangeCipherSpec of any epoch unread and undecrypted, and then waits for
//! an epoch that never comes: fourteen forged bytes would silence a link. So what cannot be meant for
//! the association is dropped before the engine sees it.

use super::DtlsRole;

/// One whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    pub(super) epoch: u16,
    pub(super) payload: &'a [u8],
    /// With its header.
    pub(super) whole: &'a [u8],
}

/// The whole records of a datagram. What is no record ends it: behind a broken length nothing is sure.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    /// Whether bytes are left that are no record.
    pub(super) fn broken(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let [kind, major, minor, e1, e0, _, _, _, _, _, _, l1, l0, ..] = *self.rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([l1, l0]));
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind);
        let version = major == 254 && (minor == 253 || minor == 255); // DTLS 1.2, 1.0 in a first hello
        if !known || !version || length == 0 {
            return None;
        }
        let (whole, rest) = self.rest.split_at_checked(HEADER + length)?;
        self.rest = rest;
        let epoch = u16::from_be_bytes([e1, e0]);
        Some(Record { kind, epoch, payload: &whole[HEADER..], whole })
    }
}

impl Record<'_> {
    /// Whether an established association looks at it. Epoch 0 is over, there is no other than
    /// epoch 1, and of the handshake only a client's Finished may come again: our answer to it was lost.
    pub(super) fn suits_established(&self, role: DtlsRole) -> bool {
        self.epoch == 1
            && self.payload.len() <= MAX_PAYLOAD
            && match self.kind {
                HANDSHAKE => role == DtlsRole::Server && self.payload.len() <= MAX_FINISHED,
                ALERT | APPLICATION_DATA => true,
                _ => false,
            }
    }

    /// Level and description of an alert that is not encrypted.
    pub(super) fn plain_alert(&self) -> Option<(u8, u8)> {
        let [level, description] = *self.payload else { return None };
        (self.kind == ALERT).then_some((level, description))
    }
}

/// A record around `payload` in epoch 0.
pub(super) fn plain_record(kind: u8, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut record = vec![kind, 254, 253, 0, 0];
    record.extend_from_slice(&sequence.to_be_bytes()[2..]);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&payload[..usize::from(length)]);
    record
}

/// The name of an alert (RFC 5246 section 7.2).
pub(super) fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        90 => "user_canceled",
        100 => "no_renegotiation",
        _ => "an alert without a name",
    }
}

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20; // RFC 5246 section 6.2.1
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
pub(super) const FATAL: u8 = 2; // RFC 5246 section 7.2
pub(super) const CLOSE_NOTIFY: u8 = 0;
pub(super) const HEADER: usize = 13; // RFC 6347 section 4.1
const MAX_PAYLOAD: usize = 16_384 + 2048; // RFC 5246 section 6.2.3
/// A Finished is 24 bytes and up to 24 of nonce and tag; anything longer is no Finished.
pub(super) const MAX_FINISHED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, payload: &[u8]) -> Vec<u8> {
        let mut record = plain_record(kind, 7, payload);
        record[4] = epoch;
        record
    }

    #[test]
    fn whole_records_of_a_datagram_are_found_and_a_cut_one_is_not() {
        let mut datagram = record(HANDSHAKE, 0, b"one");
        datagram.extend(record(APPLICATION_DATA, 1, b"two"));
        datagram.extend(&record(ALERT, 1, b"three")[..15]);
        let mut records = Records::of(&datagram);
        let found: Vec<_> = records.by_ref().map(|r| (r.kind, r.epoch, r.payload)).collect();
        assert_eq!(found, [(HANDSHAKE, 0, &b"one"[..]), (APPLICATION_DATA, 1, &b"two"[..])]);
        assert!(records.broken());
    }

    #[test]
    fn other_types_versions_and_empty_records_are_no_records() {
        for (at, value) in [(0, 19), (0, 24), (1, 3), (2, 252), (12, 0)] {
            let mut datagram = record(APPLICATION_DATA, 1, b"x");
            datagram[at] = value;
            assert_eq!(Records::of(&datagram).next(), None, "byte {at}");
        }
    }

    #[test]
    fn an_established_association_looks_at_epoch_1_only_and_at_no_change_cipher_spec() {
        let look = |kind, epoch, payload: &[u8], role| {
            let bytes = record(kind, epoch, payload);
            Records::of(&bytes).next().expect("a record").suits_established(role)
        };
        for role in [DtlsRole::Client, DtlsRole::Server] {
            assert!(look(APPLICATION_DATA, 1, b"sealed", role));
            assert!(look(ALERT, 1, b"sealed", role));
            assert!(!look(CHANGE_CIPHER_SPEC, 1, &[1], role));
            for epoch in [0, 2] {
                for kind in CHANGE_CIPHER_SPEC..=APPLICATION_DATA {
                    assert!(!look(kind, epoch, &[2, 40], role), "type {kind} of epoch {epoch}");
                }
            }
        }
        assert!(look(HANDSHAKE, 1, &[0; 48], DtlsRole::Server));
        assert!(!look(HANDSHAKE, 1, &[0; 65], DtlsRole::Server));
        assert!(!look(HANDSHAKE, 1, &[0; 48], DtlsRole::Client));
    }
}
