//! The first message of a handshake, seen from outside of an association: whether a datagram is one, and
//! an answer to it that keeps no state (RFC 6347 section 4.2.1). A stranger who cannot receive at
//! the address that he writes on his datagrams makes us compute one HMAC and send 60 bytes.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use ring::hmac;

use super::assembler::{CLIENT_HELLO, HELLO_VERIFY_REQUEST};
use super::engine::RtcEngine;
use super::piece::{Piece, message};
use super::provider::COOKIE;
use super::record::{HANDSHAKE, Record, Records, plain_record};
use super::{CertificateCheck, DtlsEngine, DtlsError, DtlsIdentity, DtlsRole, DtlsSettings};

/// Whether a datagram begins with the first message of a handshake. On an address pair that has a
/// live association this may be a peer that has lost its state: a second engine answers it, and
/// takes the place of the first when it has connected (RFC 6347 section 4.2.8). The first engine
/// may be given the datagram too, and ignores it.
#[must_use]
pub fn is_client_hello(datagram: &[u8]) -> bool {
    Records::of(datagram).next().is_some_and(|record| {
        record.kind == HANDSHAKE && record.epoch == 0 && record.payload[0] == CLIENT_HELLO
    })
}

/// Asks strangers for a cookie before there is an engine for them. Not needed where ICE has shown
/// that the address is real.
pub struct HelloGate {
    secret: hmac::Key,
    start: Instant,
}

impl HelloGate {
    /// `secret` is random and known to nobody else; it may live as long as the process.
    #[must_use]
    pub fn new(secret: &[u8; 32], start: Instant) -> Self {
        Self { secret: hmac::Key::new(hmac::HMAC_SHA256, secret), start }
    }

    /// What to do with a datagram from an address that has no association.
    #[must_use]
    pub fn judge(&self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Hello {
        let Some((record, hello)) = ClientHello::read(datagram) else { return Hello::Noise };
        let age = self.period(now);
        let given = [age, age.wrapping_sub(1)].map(|period| self.cookie(period, from, &hello));
        match given.iter().find(|cookie| hello.sequence == 1 && **cookie == *hello.cookie) {
            Some(cookie) => {
                let first = hello.without_cookie();
                Hello::Proven(Box::new(Proven {
                    cookie: *cookie,
                    first,
                    datagram: datagram.to_vec(),
                }))
            }
            None if hello.sequence == 0 => Hello::Challenge(challenge(&record, &given[0])),
            None => Hello::Noise,
        }
    }

    fn period(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / COOKIE_PERIOD
    }

    /// Over the address and what stays the same in both hellos.
    fn cookie(&self, period: u64, from: SocketAddr, hello: &ClientHello<'_>) -> [u8; COOKIE] {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(&period.to_be_bytes());
        context.update(from.to_string().as_bytes());
        context.update(hello.before_cookie);
        context.update(hello.after_cookie);
        let mut cookie = [0; COOKIE];
        cookie.copy_from_slice(&context.sign().as_ref()[..COOKIE]);
        cookie
    }
}

/// What a datagram from an unknown address is.
pub enum Hello {
    /// A first ClientHello: send this back, and forget it.
    Challenge(Bytes),
    /// A ClientHello with our cookie: the address is real, and an engine may be made.
    Proven(Box<Proven>),
    /// Nothing that begins a handshake.
    Noise,
}

/// A ClientHello that has come back with the right cookie.
pub struct Proven {
    cookie: [u8; COOKIE],
    first: Vec<u8>,
    datagram: Vec<u8>,
}

impl Proven {
    /// Makes the server's engine, which has taken this ClientHello.
    ///
    /// # Errors
    ///
    /// If the identity does not suit the engine.
    pub fn accept(
        &self,
        identity: &DtlsIdentity,
        check: CertificateCheck,
        settings: &DtlsSettings,
        now: Instant,
    ) -> Result<Box<dyn DtlsEngine>, DtlsError> {
        let (role, cookie) = (DtlsRole::Server, Some(self.cookie));
        let mut engine = RtcEngine::new(role, identity, check, settings, cookie, now)?;
        engine.resume(now, &self.first);
        engine.handle_datagram(now, &self.datagram);
        Ok(Box::new(engine))
    }
}

/// The parts of a ClientHello (RFC 6347 section 4.3.2), which must be in one piece (4.2.1).
struct ClientHello<'a> {
    sequence: u16,
    /// Version, random and session_id.
    before_cookie: &'a [u8],
    cookie: &'a [u8],
    after_cookie: &'a [u8],
}

impl<'a> ClientHello<'a> {
    fn read(datagram: &'a [u8]) -> Option<(Record<'a>, Self)> {
        let record = Records::of(datagram).next()?;
        if record.kind != HANDSHAKE || record.epoch != 0 {
            return None;
        }
        let (piece, _) = Piece::split(record.payload)?;
        if piece.kind != CLIENT_HELLO || !piece.whole() {
            return None;
        }
        let session = usize::from(*piece.data.get(VERSION_AND_RANDOM)?);
        let (before_cookie, rest) =
            piece.data.split_at_checked(VERSION_AND_RANDOM + 1 + session)?;
        let (length, rest) = rest.split_first()?;
        let (cookie, after_cookie) = rest.split_at_checked(usize::from(*length))?;
        Some((record, Self { sequence: piece.sequence, before_cookie, cookie, after_cookie }))
    }

    /// The message that a client sends first; its second differs in cookie and number alone.
    fn without_cookie(&self) -> Vec<u8> {
        message(CLIENT_HELLO, 0, &[self.before_cookie, &[0], self.after_cookie].concat())
    }
}

/// A HelloVerifyRequest with the number of the hello's record (RFC 6347 section 4.2.1).
fn challenge(record: &Record<'_>, cookie: &[u8; COOKIE]) -> Bytes {
    let length = u8::try_from(COOKIE).expect("a cookie is short");
    let body = [&[254, 255, length][..], cookie].concat(); // DTLS 1.0, as section 4.2.1 wants
    let mut sequence = [0; 8];
    sequence[2..].copy_from_slice(&record.whole[5..11]);
    let message = message(HELLO_VERIFY_REQUEST, 0, &body);
    plain_record(HANDSHAKE, u64::from_be_bytes(sequence), &message).into()
}

const VERSION_AND_RANDOM: usize = 34; // RFC 5246 section 7.4.1.2
/// Seconds a cookie is fresh for; the one before is taken too.
const COOKIE_PERIOD: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_message_of_a_handshake_is_a_client_hello() {
        let hello = plain_record(HANDSHAKE, 0, &message(CLIENT_HELLO, 0, &[0; 40]));
        assert!(is_client_hello(&hello));
        for (at, value) in [(0, 23), (1, 3), (4, 1), (13, 2)] {
            let mut other = hello.clone();
            other[at] = value;
            assert!(!is_client_hello(&other), "byte {at}");
        }
        assert!(!is_client_hello(&hello[..hello.len() - 1]));
        assert!(!is_client_hello(&[]));
    }
}
