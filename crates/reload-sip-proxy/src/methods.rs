//! Methods that the SIP stack has no name for: it would drop their messages, and a proxy has to pass them on
//! like any other (RFC 3261 section 16.3). They go through it as INFO, with a header field that says what
//! they are, and are put back when they leave. For datagrams only: streams are read by the stack itself.

use std::borrow::Cow;
use std::net::SocketAddr;

use async_trait::async_trait;
use rsipstack::platform::net::UdpSocket;
use rsipstack::sip::{Header, Headers, Method};

use crate::pipes::is_invented;

/// What they go through as: the stack does nothing special with it.
const STAND_IN: &str = "INFO";
/// The header field that names the method.
pub(crate) const HEADER: &str = "X-Reload-Method";
/// The longest name of a method.
const MAX_NAME: usize = 32;

/// A message as the stack understands it.
pub(crate) fn hide(message: &[u8]) -> Cow<'_, [u8]> {
    let Some(parts) = Parts::of(message) else { return Cow::Borrowed(message) };
    if !is_unknown(parts.method) {
        return Cow::Borrowed(message);
    }
    let name = parts.method;
    let line = parts.line(STAND_IN);
    let cseq = format!("CSeq: {} {STAND_IN}", parts.number);
    let text = format!("{line}\r\n{HEADER}: {name}\r\n{}{cseq}", parts.before);
    Cow::Owned([text.as_bytes(), parts.after].concat())
}

/// A message as it was before.
pub(crate) fn reveal(message: &[u8]) -> Cow<'_, [u8]> {
    let is_hidden = message.windows(HEADER.len()).any(|it| it == HEADER.as_bytes());
    let parts = is_hidden.then(|| Parts::of(message)).flatten();
    let Some(parts) = parts else { return Cow::Borrowed(message) };
    let head = parts.before.split_inclusive("\r\n").map(str::as_bytes);
    let (rest, body) = split_head(parts.after);
    let tail = rest.split_inclusive(|byte| *byte == b'\n');
    let Some(name) = head.clone().chain(tail.clone()).find_map(named) else {
        return Cow::Borrowed(message);
    };
    let mut out = format!("{}\r\n", parts.line(name)).into_bytes();
    out.extend(head.filter(|line| named(line).is_none()).flatten());
    out.extend(format!("CSeq: {} {name}", parts.number).as_bytes());
    out.extend(tail.filter(|line| named(line).is_none()).flatten());
    out.extend(body);
    Cow::Owned(out)
}

/// The header field of a message, for those that are made out of it.
pub(crate) fn header(headers: &Headers) -> Option<Header> {
    headers.iter().find(|header| header.name().eq_ignore_ascii_case(HEADER)).cloned()
}

/// The method that a line with the header field names, if the stack does not know it.
fn named(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    (name.trim().eq_ignore_ascii_case(HEADER) && is_unknown(value)).then_some(value)
}

fn is_unknown(method: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    (1..=MAX_NAME).contains(&method.len())
        && method.bytes().all(is_token)
        && method.parse::<Method>().is_err()
}

/// A message, cut at what names its method.
struct Parts<'a> {
    first: &'a str,
    method: &'a str,
    number: &'a str,
    /// The header fields before CSeq.
    before: &'a str,
    /// From the end of the line of CSeq on.
    after: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(message: &'a [u8]) -> Option<Self> {
        let (head, _) = split_head(message);
        let head = std::str::from_utf8(head).ok()?;
        let (first, _) = head.split_once("\r\n")?;
        let mut at = first.len() + 2;
        let start = at;
        for line in head[start..].split("\r\n") {
            if let Some((name, value)) = line.split_once(':')
                && name.trim().eq_ignore_ascii_case("CSeq")
            {
                let (number, method) = value.trim().split_once([' ', '\t'])?;
                let after = &message[at + line.len()..];
                let method = method.trim();
                let is_same = first.starts_with("SIP/") || first.split(' ').next() == Some(method);
                let before = &head[start..at];
                return is_same.then_some(Self { first, method, number, before, after });
            }
            at += line.len() + 2;
        }
        None
    }

    /// The first line with another method.
    fn line(&self, method: &str) -> String {
        match self.first.split_once(' ') {
            Some((_, rest)) if !self.first.starts_with("SIP/") => format!("{method} {rest}"),
            _ => self.first.to_owned(),
        }
    }
}

/// The header fields, with the line end of the last one, and what follows.
fn split_head(message: &[u8]) -> (&[u8], &[u8]) {
    let end = message.windows(4).position(|it| it == b"\r\n\r\n");
    message.split_at(end.map_or(message.len(), |at| at + 2))
}

/// A socket for all methods.
pub(crate) struct AnyMethod<S>(pub(crate) S);

#[async_trait]
impl<S: UdpSocket> UdpSocket for AnyMethod<S> {
    async fn recv_from(&self, buf: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        let (length, from) = loop {
            let (length, from) = self.0.recv_from(buf).await?;
            // who writes the address of a pipe into its datagrams is no peer
            if !is_invented(from) {
                break (length, from);
            }
        };
        let changed = match hide(&buf[..length]) {
            Cow::Owned(changed) if changed.len() <= buf.len() => changed,
            _ => return Ok((length, from)),
        };
        buf[..changed.len()].copy_from_slice(&changed);
        Ok((changed.len(), from))
    }

    async fn send_to(&self, buf: &[u8], addr: SocketAddr) -> rsipstack::Result<usize> {
        self.0.send_to(&reveal(buf), addr).await?;
        Ok(buf.len())
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        self.0.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &[u8] =
        b"PING sip:bob@dht.example SIP/2.0\r\nVia: x\r\nCSeq: 7 PING\r\nX-A: b\r\n\r\nbody PING";

    #[test]
    fn an_unknown_method_goes_through_as_a_known_one_and_comes_back() {
        let hidden = hide(REQUEST);
        let expected = b"INFO sip:bob@dht.example SIP/2.0\r\nX-Reload-Method: PING\r\nVia: x\r\n\
                         CSeq: 7 INFO\r\nX-A: b\r\n\r\nbody PING";
        assert_eq!(std::str::from_utf8(&hidden), std::str::from_utf8(expected));
        assert_eq!(&*reveal(&hidden), REQUEST);
    }

    #[test]
    fn so_does_the_answer_to_it() {
        let answer = b"SIP/2.0 200 OK\r\nCSeq: 7 PING\r\n\r\n";
        let hidden = hide(answer);
        assert!(hidden.starts_with(b"SIP/2.0 200 OK\r\nX-Reload-Method: PING\r\nCSeq: 7 INFO\r\n"));
        assert_eq!(&*reveal(&hidden), answer);
    }

    #[test]
    fn a_known_method_cannot_be_put_in_place_of_another() {
        let forged = b"INFO sip:a@b SIP/2.0\r\nX-Reload-Method: BYE\r\nCSeq: 1 INFO\r\n\r\n";
        assert_eq!(&*reveal(forged), forged);
        let known = b"BYE sip:a@b SIP/2.0\r\nCSeq: 1 BYE\r\n\r\n";
        assert_eq!(&*hide(known), known);
    }

    struct From(&'static str, std::sync::atomic::AtomicBool);

    #[async_trait]
    impl UdpSocket for From {
        async fn recv_from(&self, _: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
            let is_first = !self.1.swap(true, std::sync::atomic::Ordering::Relaxed);
            Ok((0, if is_first { self.0 } else { "192.0.2.7:5060" }.parse().unwrap()))
        }

        async fn send_to(&self, buf: &[u8], _: SocketAddr) -> rsipstack::Result<usize> {
            Ok(buf.len())
        }

        fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
            Ok(self.0.parse().unwrap())
        }
    }

    #[tokio::test]
    async fn nobody_sends_from_the_address_of_a_pipe() {
        for (from, seen) in [
            ("240.0.0.1:5060", "192.0.2.7:5060"),
            ("255.1.2.3:1", "192.0.2.7:5060"),
            ("239.0.0.1:5060", "239.0.0.1:5060"),
            ("127.0.0.1:5060", "127.0.0.1:5060"),
        ] {
            let socket = AnyMethod(From(from, false.into()));
            let (_, came) = socket.recv_from(&mut []).await.unwrap();
            assert_eq!(came, seen.parse().unwrap(), "{from}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..=REQUEST.len()) {
            hide(&bytes);
            reveal(&bytes);
            let cut = &REQUEST[..cut];
            let mixed = [cut, &bytes].concat();
            let hidden = hide(&mixed).into_owned();
            reveal(&hidden);
        }
    }
}
