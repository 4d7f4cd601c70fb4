//! Puts the other side's handshake flights together before the engine sees them (RFC 6347 sections
//! 4.2.2 to 4.2.4): messages in order, each once, each whole, a flight at a time.
//!
//! The engine behind stops its resend timer whenever any handshake message arrives, even one it has
//! seen, and then waits for ever when both sides do so; and it keeps what it cannot use yet without
//! bound. Given whole flights only it does neither, and what a stranger can make us keep is bounded here.

use std::collections::BTreeMap;

use super::DtlsRole;
use super::piece::{HEADER, PIECE_COST, Piece, Pieces};
use super::record::{CHANGE_CIPHER_SPEC, HANDSHAKE, MAX_FINISHED, Record, plain_record};

/// The inbound half of a handshake that is not done.
pub(super) struct Assembler {
    role: DtlsRole,
    /// The message_seq of the first message that is missing.
    next: u16,
    /// Pieces of messages from `next` on.
    pieces: BTreeMap<u16, Pieces>,
    /// Messages of a flight whose end is missing.
    flight: Vec<Vec<u8>>,
    /// Records of epoch 1 that came before the ChangeCipherSpec.
    early: Vec<Vec<u8>>,
    stage: Stage,
    /// Whether a ChangeCipherSpec overtook the flight before it.
    changed: bool,
    /// Bytes in `pieces`, `flight` and `early`, with what each costs to keep.
    kept: usize,
    /// Number of the next record for the engine.
    sequence: u64,
    repeats: u8,
}

/// How far the other side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its keys are not known yet.
    Hello,
    /// The engine has the keys and awaits a ChangeCipherSpec.
    Keys,
    /// Records of epoch 1 can be read.
    Ciphered,
}

impl Assembler {
    pub(super) fn new(role: DtlsRole) -> Self {
        Self {
            role,
            next: 0,
            pieces: BTreeMap::new(),
            flight: Vec::new(),
            early: Vec::new(),
            stage: Stage::Hello,
            changed: false,
            kept: 0,
            sequence: 0,
            repeats: 0,
        }
    }

    /// Takes one record; what it completes for the engine is appended to `ready`, as records.
    /// False: the record is noise, or more than we keep.
    pub(super) fn take(&mut self, record: &Record<'_>, ready: &mut Vec<u8>) -> bool {
        match (record.epoch, record.kind) {
            (0, HANDSHAKE) => self.on_handshake(record.payload, ready),
            (0, CHANGE_CIPHER_SPEC) => self.on_change_cipher_spec(record.payload, ready),
            (1, CHANGE_CIPHER_SPEC) => false,
            (1, HANDSHAKE) if record.payload.len() > MAX_FINISHED => false,
            (1, _) => self.on_ciphered(record.whole, ready),
            _ => false,
        }
    }

    fn on_handshake(&mut self, mut payload: &[u8], ready: &mut Vec<u8>) -> bool {
        while !payload.is_empty() {
            let Some((piece, rest)) = Piece::split(payload) else { return false };
            if !self.on_piece(&piece, ready) {
                return false;
            }
            payload = rest;
        }
        true
    }

    fn on_piece(&mut self, piece: &Piece<'_>, ready: &mut Vec<u8>) -> bool {
        if piece.sequence < self.next {
            return self.on_repeat(piece, ready);
        }
        let cost = piece.data.len() + PIECE_COST;
        let ahead = piece.sequence - self.next;
        if ahead >= MESSAGES_AHEAD || self.kept + cost > MAX_KEPT {
            return false;
        }
        let pieces = self.pieces.entry(piece.sequence).or_insert_with(|| Pieces::of(piece));
        if !pieces.add(piece) {
            return false;
        }
        self.kept += cost;
        while let Some(message) = self.pop_message() {
            self.on_message(message, ready);
        }
        true
    }

    /// A first ClientHello that comes again asks for the HelloVerifyRequest again: the client alone has
    /// a timer for it (RFC 6347 section 4.2.4). Whatever else comes again, our own timer answers.
    fn on_repeat(&mut self, piece: &Piece<'_>, ready: &mut Vec<u8>) -> bool {
        let first_hello = self.role == DtlsRole::Server && self.next == 1 && piece.whole();
        if !first_hello || piece.kind != CLIENT_HELLO || self.repeats >= MAX_REPEATS {
            return false;
        }
        self.repeats += 1;
        let message = piece.message();
        self.hand_on(&message, ready);
        true
    }

    fn pop_message(&mut self) -> Option<Vec<u8>> {
        let pieces = self.pieces.get(&self.next)?;
        let message = pieces.message(self.next)?;
        let cost = pieces.cost();
        self.pieces.remove(&self.next);
        self.kept = self.kept.saturating_sub(cost);
        self.next = self.next.wrapping_add(1);
        Some(message)
    }

    fn on_message(&mut self, message: Vec<u8>, ready: &mut Vec<u8>) {
        let last = self.ends_flight(&message);
        self.kept += message.len();
        self.flight.push(message);
        if let Some(keys) = last {
            for message in std::mem::take(&mut self.flight) {
                self.kept = self.kept.saturating_sub(message.len());
                self.hand_on(&message, ready);
            }
            if keys && self.stage == Stage::Hello {
                self.stage = Stage::Keys;
                if self.changed {
                    self.read_ciphered(ready);
                }
            }
        }
    }

    /// Whether a flight ends with this message, and whether the keys are known with it
    /// (RFC 6347 section 4.2.4, figure 1).
    fn ends_flight(&self, message: &[u8]) -> Option<bool> {
        match (self.role, message[0]) {
            (DtlsRole::Client, HELLO_VERIFY_REQUEST) | (DtlsRole::Server, CLIENT_HELLO) => {
                Some(false)
            }
            (DtlsRole::Client, SERVER_HELLO_DONE) | (DtlsRole::Server, CERTIFICATE_VERIFY) => {
                Some(true)
            }
            (DtlsRole::Server, CLIENT_KEY_EXCHANGE) if !self.certificate_shown() => Some(true),
            _ => None,
        }
    }

    /// Whether a client's flight has a certificate, so that a CertificateVerify must follow.
    fn certificate_shown(&self) -> bool {
        let shown = |message: &Vec<u8>| message[0] == CERTIFICATE && message.len() > HEADER + 3;
        self.flight.iter().any(shown)
    }

    fn on_change_cipher_spec(&mut self, payload: &[u8], ready: &mut Vec<u8>) -> bool {
        match self.stage {
            _ if payload != [1] => return false,
            Stage::Hello => self.changed = true,
            Stage::Keys => self.read_ciphered(ready),
            Stage::Ciphered => return false,
        }
        true
    }

    fn read_ciphered(&mut self, ready: &mut Vec<u8>) {
        self.stage = Stage::Ciphered;
        self.push_record(CHANGE_CIPHER_SPEC, &[1], ready);
        for record in std::mem::take(&mut self.early) {
            self.kept = self.kept.saturating_sub(record.len() + PIECE_COST);
            ready.extend_from_slice(&record);
        }
    }

    fn on_ciphered(&mut self, whole: &[u8], ready: &mut Vec<u8>) -> bool {
        if self.stage == Stage::Ciphered {
            ready.extend_from_slice(whole);
            return true;
        }
        let cost = whole.len() + PIECE_COST;
        let early: usize = self.early.iter().map(Vec::len).sum();
        if early + cost > MAX_EARLY || self.kept + cost > MAX_KEPT {
            return false;
        }
        self.kept += cost;
        self.early.push(whole.to_vec());
        true
    }

    fn hand_on(&mut self, message: &[u8], ready: &mut Vec<u8>) {
        self.push_record(HANDSHAKE, message, ready);
    }

    fn push_record(&mut self, kind: u8, payload: &[u8], ready: &mut Vec<u8>) {
        ready.extend_from_slice(&plain_record(kind, self.sequence, payload));
        self.sequence += 1;
    }
}

pub(super) const CLIENT_HELLO: u8 = 1; // RFC 5246 section 7.4, RFC 6347 section 4.3.2
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
const CERTIFICATE: u8 = 11;
const SERVER_HELLO_DONE: u8 = 14;
const CERTIFICATE_VERIFY: u8 = 15;
const CLIENT_KEY_EXCHANGE: u8 = 16;
/// What one half-open handshake keeps at most: two such messages.
pub(super) const MAX_KEPT: usize = 64 * 1024;
/// Of this, records for which the keys are missing: a Finished and the first messages behind it.
const MAX_EARLY: usize = 32 * 1024;
/// A flight has five messages.
const MESSAGES_AHEAD: u16 = 8;
/// First hellos answered again; the engine keeps each.
const MAX_REPEATS: u8 = 16;

#[cfg(test)]
mod tests {
    use super::super::piece::message;
    use super::super::record::{APPLICATION_DATA, Records};
    use super::*;

    fn feed(assembler: &mut Assembler, record: &[u8]) -> (bool, Vec<u8>) {
        let mut ready = Vec::new();
        let record = Records::of(record).next().expect("a record");
        let taken = assembler.take(&record, &mut ready);
        (taken, ready)
    }

    /// A part of a message in a record of its own.
    fn part(kind: u8, sequence: u16, body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let mut payload = message(kind, sequence, body);
        payload.truncate(HEADER);
        payload[8] = u8::try_from(from).expect("short");
        payload[11] = u8::try_from(to - from).expect("short");
        payload.extend_from_slice(&body[from..to]);
        plain_record(HANDSHAKE, 0, &payload)
    }

    fn whole(kind: u8, sequence: u16, body: &[u8]) -> Vec<u8> {
        part(kind, sequence, body, 0, body.len())
    }

    fn messages(ready: &[u8]) -> Vec<(u8, u8)> {
        Records::of(ready).map(|record| (record.payload[0], record.payload[5])).collect()
    }

    #[test]
    fn a_flight_is_handed_on_when_it_is_whole_and_in_its_order() {
        let mut assembler = Assembler::new(DtlsRole::Client);
        for (kind, sequence) in [(12, 2), (14, 4), (2, 0), (13, 3)] {
            let (taken, ready) = feed(&mut assembler, &whole(kind, sequence, b"body"));
            assert!(taken && ready.is_empty());
        }
        let (_, ready) = feed(&mut assembler, &whole(11, 1, b"certificate"));
        assert_eq!(messages(&ready), [(2, 0), (11, 1), (12, 2), (13, 3), (14, 4)]);
        assert_eq!(assembler.kept, 0);
    }

    #[test]
    fn fragments_are_joined_whatever_their_order_and_overlap() {
        let mut assembler = Assembler::new(DtlsRole::Server);
        for (from, to) in [(6, 10), (0, 2), (3, 8)] {
            assert!(feed(&mut assembler, &part(CLIENT_HELLO, 0, b"0123456789", from, to)).0);
        }
        let (_, ready) = feed(&mut assembler, &part(CLIENT_HELLO, 0, b"0123456789", 1, 4));
        assert_eq!(ready, plain_record(HANDSHAKE, 0, &message(CLIENT_HELLO, 0, b"0123456789")));
    }

    #[test]
    fn a_message_that_was_handed_on_is_not_handed_on_again() {
        let mut assembler = Assembler::new(DtlsRole::Client);
        let verify = whole(HELLO_VERIFY_REQUEST, 0, b"cookie");
        assert!(!feed(&mut assembler, &verify).1.is_empty());
        assert_eq!(feed(&mut assembler, &verify), (false, Vec::new()));
    }

    #[test]
    fn a_first_hello_that_comes_again_is_answered_again_but_not_for_ever() {
        let mut assembler = Assembler::new(DtlsRole::Server);
        let hello = whole(CLIENT_HELLO, 0, b"hello");
        let answered = (0..100).filter(|_| !feed(&mut assembler, &hello).1.is_empty()).count();
        assert_eq!(answered, 1 + usize::from(MAX_REPEATS));
    }

    /// A Finished as it lies on the wire: nothing of it can be read.
    fn finished() -> Vec<u8> {
        let mut finished = plain_record(HANDSHAKE, 0, &[0; 48]);
        finished[4] = 1;
        finished
    }

    fn client_flight(assembler: &mut Assembler) -> Vec<u8> {
        for (kind, sequence) in [(CLIENT_HELLO, 0), (CERTIFICATE, 1), (CLIENT_KEY_EXCHANGE, 2)] {
            feed(assembler, &whole(kind, sequence, b"shown"));
        }
        feed(assembler, &whole(CERTIFICATE_VERIFY, 3, b"proof")).1
    }

    #[test]
    fn epoch_1_waits_for_the_change_cipher_spec() {
        let mut assembler = Assembler::new(DtlsRole::Server);
        assert_eq!(feed(&mut assembler, &finished()), (true, Vec::new()));
        assert_eq!(Records::of(&client_flight(&mut assembler)).count(), 3);
        let change = plain_record(CHANGE_CIPHER_SPEC, 0, &[1]);
        let (_, ready) = feed(&mut assembler, &change);
        let kinds: Vec<_> = Records::of(&ready).map(|record| (record.kind, record.epoch)).collect();
        assert_eq!(kinds, [(CHANGE_CIPHER_SPEC, 0), (HANDSHAKE, 1)]);
        assert!(!feed(&mut assembler, &change).0, "only once");
        assert_eq!(feed(&mut assembler, &finished()), (true, finished()));
    }

    #[test]
    fn a_change_cipher_spec_that_overtakes_its_flight_follows_it_and_a_strange_one_is_noise() {
        let mut assembler = Assembler::new(DtlsRole::Server);
        for strange in [&[2][..], &[1, 1]] {
            assert!(!feed(&mut assembler, &plain_record(CHANGE_CIPHER_SPEC, 0, strange)).0);
        }
        assert_eq!(
            feed(&mut assembler, &plain_record(CHANGE_CIPHER_SPEC, 0, &[1])),
            (true, vec![])
        );
        let ready = client_flight(&mut assembler);
        let kinds: Vec<_> = Records::of(&ready).map(|record| record.kind).collect();
        assert_eq!(kinds, [HANDSHAKE, HANDSHAKE, HANDSHAKE, CHANGE_CIPHER_SPEC]);
    }

    #[test]
    fn a_client_without_a_certificate_is_handed_on_to_be_refused() {
        let mut assembler = Assembler::new(DtlsRole::Server);
        feed(&mut assembler, &whole(CLIENT_HELLO, 0, b"hello"));
        feed(&mut assembler, &whole(CERTIFICATE, 1, &[0; 3]));
        let (_, ready) = feed(&mut assembler, &whole(CLIENT_KEY_EXCHANGE, 2, b"key"));
        assert_eq!(messages(&ready), [(CERTIFICATE, 1), (CLIENT_KEY_EXCHANGE, 2)]);
    }

    #[test]
    fn what_a_stranger_can_make_us_keep_is_bounded() {
        for kind in [HANDSHAKE, APPLICATION_DATA] {
            let mut assembler = Assembler::new(DtlsRole::Client);
            let taken = (0..20_000u32)
                .filter(|i| {
                    let mut record = part(11, 1, &[0; 200], 0, 1);
                    let [_, _, high, low] = i.to_be_bytes();
                    record[13 + 5] = high % 8; // message_seq
                    record[13 + 8] = low % 200; // fragment_offset
                    record[0] = kind;
                    record[4] = u8::from(kind == APPLICATION_DATA);
                    feed(&mut assembler, &record).0
                })
                .count();
            assert!(taken > 100 && assembler.kept <= MAX_KEPT, "{taken}, {}", assembler.kept);
            assert!(taken < 2000);
        }
    }

    #[test]
    fn fragments_that_lie_about_their_length_are_noise() {
        let good = part(CLIENT_HELLO, 0, b"0123456789", 2, 6);
        for (at, value) in [(13 + 3, 5), (13 + 8, 7), (13 + 11, 5), (13 + 1, 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(!feed(&mut Assembler::new(DtlsRole::Server), &bad).0, "byte {at}");
        }
        assert!(!feed(&mut Assembler::new(DtlsRole::Server), &part(1, 0, b"x", 0, 0)).0);
    }
}
