//! Damaged SIP messages for property tests: what a hostile phone or peer could send.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What the tests begin with.
const MESSAGES: [&str; 5] = [
    "INVITE sip:bob@o.example;gr=ARABI0VniavN7wEjRWeJq83v SIP/2.0\r\n\
     Via: SIP/2.0/UDP a.o.example;branch=z9hG4bKa;rport, SIP/2.0/TCP [::1]:5060;branch=z9hG4bKb\r\n\
     Record-Route: <sip:t@127.0.0.1:5060;lr>, <sip:alice@o.example;gr;lr>\r\nMax-Forwards: 70\r\n\
     From: \"A \\\" <x>\" <sip:alice@o.example>;tag=f\r\nTo: <sip:bob@o.example>\r\nCall-ID: c1\r\n\
     CSeq: 1 INVITE\r\nContact: <sip:alice@o.example;gr=x>\r\nContent-Type: application/sdp\r\n\
     Content-Length: 10\r\n\r\nv=0\r\ns=-\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a.o.example;branch=z9hG4bKa;received=240.0.0.7;rport=5060\r\n\
     From: <sip:alice@o.example>;tag=f\r\nTo: <sip:bob@o.example>;tag=t\r\nCall-ID: c1\r\n\
     CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    "CANCEL sip:bob@o.example SIP/2.0\r\nVia: SIP/2.0/UDP a.o.example;branch=z9hG4bKa\r\n\
     From: <sip:alice@o.example>;tag=f\r\nTo: <sip:bob@o.example>\r\nCall-ID: c1\r\n\
     CSeq: 1 CANCEL\r\n\r\n",
    "ACK sip:bob@o.example SIP/2.0\r\nv: SIP/2.0/UDP a.o.example;branch=z9hG4bKc\r\n\
     f: <sip:alice@o.example>;tag=f\r\nt: <sip:bob@o.example>;tag=t\r\ni: c1\r\nCSeq: 1 ACK\r\n\r\n",
    REGISTER,
];

/// A REGISTER with all that a registrar reads.
const REGISTER: &str = "REGISTER sip:o.example SIP/2.0\r\n\
     Via: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKr;rport\r\nFrom: <sip:alice@o.example>;tag=f\r\n\
     To: <sip:alice@o.example>\r\nCall-ID: r1\r\nCSeq: 7 REGISTER\r\nExpires: 600\r\n\
     Contact: \"A\" <sip:a%20b@127.0.0.1:6000;transport=UDP>;q=0.5;expires=120;\
     +sip.instance=\"<urn:uuid:1>\";reg-id=1, <sip:b@[::1]:6001>\r\nUser-Agent: phone/1\r\n\
     Authorization: Digest username=\"alice\", realm=\"o.example\", nonce=\"00\", uri=\"sip:o.example\", \
     response=\"00\", algorithm=SHA-256, cnonce=\"c\", qop=auth, nc=00000001\r\n\
     Require: x\r\nContent-Length: 0\r\n\r\n";

/// What means something in a message.
const TOKENS: [&str; 30] = [
    "\r\n",
    "\r\n\r\n",
    "\r\n ",
    ":",
    ";",
    ",",
    "<",
    ">",
    "\"",
    "\\",
    "@",
    "%",
    "%4",
    "=",
    "*",
    "[",
    "]",
    "sip:",
    "sips:",
    "tel:",
    "18446744073709551615",
    "-1",
    "4294967296",
    "0",
    "\0",
    "é",
    "\u{2028}",
    ";tag=",
    "SIP/2.0",
    "z9hG4bK",
];

/// Any of the messages with some damage.
pub(crate) fn message() -> impl Strategy<Value = Vec<u8>> {
    (select(&MESSAGES[..]), vec(damage(), 0..6)).prop_map(damaged)
}

/// A REGISTER with some damage.
pub(crate) fn register() -> impl Strategy<Value = Vec<u8>> {
    vec(damage(), 0..4).prop_map(|damages| damaged((REGISTER, damages)))
}

#[derive(Clone, Debug)]
enum Damage {
    Put(Index, Vec<u8>),
    Replace(Index, Index, Vec<u8>),
    Repeat(Index, Index, usize),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || {
        prop_oneof![
            4 => select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..12),
        ]
    };
    prop_oneof![
        4 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Damage::Put(at, bytes)),
        4 => (any::<Index>(), any::<Index>(), bytes())
            .prop_map(|(from, to, bytes)| Damage::Replace(from, to, bytes)),
        2 => (any::<Index>(), any::<Index>(), 1..200_usize)
            .prop_map(|(from, to, times)| Damage::Repeat(from, to, times)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

fn damaged((text, damages): (&str, Vec<Damage>)) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        match damage {
            Damage::Put(at, new) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, new);
            }
            Damage::Replace(from, to, new) => {
                let (from, to) = range(&bytes, from, to);
                bytes.splice(from..to, new);
            }
            Damage::Repeat(from, to, times) => {
                let (from, to) = range(&bytes, from, to);
                let again = bytes[from..to].repeat(times);
                bytes.splice(to..to, again);
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes.truncate(65_535);
    bytes
}

/// A short stretch.
fn range(bytes: &[u8], from: Index, length: Index) -> (usize, usize) {
    let from = from.index(bytes.len());
    (from, (from + length.index(40)).min(bytes.len()))
}
