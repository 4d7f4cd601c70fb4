//! Session descriptions (RFC 8866), line by line: what a relay has to know of one, and the few lines it
//! changes. Every other byte stays as it came, of lines that nobody here knows too. No offer/answer rules.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::attribute::RelayAttribute;

/// A session description whose lines are told apart.
#[derive(Clone, Debug)]
pub(super) struct Sdp<'a> {
    /// The lines above the first "m=".
    session: Vec<Line<'a>>,
    /// The lines from each "m=" on.
    media: Vec<Vec<Line<'a>>>,
}

/// What one media description says about its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MediaAddress {
    /// Whether a relay can carry it: it is not refused, goes over UDP to one address, by one port pair.
    pub(super) carried: bool,
    /// Where it is wanted.
    pub(super) connection: Connection,
    /// The address of RTP, if it is one.
    pub(super) rtp: Option<SocketAddr>,
    /// The address of RTCP, if it is one (RFC 3605).
    pub(super) rtcp: Option<SocketAddr>,
}

/// The address of a "c=" line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// An address.
    At(IpAddr),
    /// No address at all: on hold as of old (RFC 3264 section 8.4).
    Held,
    /// A group of hosts.
    Multicast,
    /// A name, or nothing that can be read.
    Name,
}

/// The ports, RTP and RTCP, that take the place of those of a media description.
pub(super) type Ports = (u16, u16);

/// What a phone is to see instead of the addresses of another: ports by the number of the "m=" line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) at: IpAddr,
    pub(super) ports: BTreeMap<usize, Ports>,
}

impl<'a> Sdp<'a> {
    /// Nothing if it is no session description.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        if !body.starts_with(b"v=") {
            return None;
        }
        let mut session = Vec::new();
        let mut media: Vec<Vec<Line<'a>>> = Vec::new();
        for line in body.split_inclusive(|&byte| byte == b'\n').map(Line::new) {
            match media.last_mut() {
                _ if line.text.starts_with(b"m=") => media.push(vec![line]),
                Some(section) => section.push(line),
                None => session.push(line),
            }
        }
        Some(Self { session, media })
    }

    /// What each media description says.
    pub(super) fn media(&self) -> Vec<MediaAddress> {
        self.media.iter().map(|section| self.address(section)).collect()
    }

    /// Whether the phone that wrote it does ICE on its own (RFC 8839 section 5.1).
    pub(super) fn has_candidates(&self) -> bool {
        self.media.iter().flatten().any(|line| line.value(b"a=candidate:").is_some())
    }

    /// What the other proxy says about relaying.
    pub(super) fn relay(&self) -> Option<RelayAttribute> {
        self.session
            .iter()
            .find_map(|line| line.value(RelayAttribute::PREFIX))
            .and_then(RelayAttribute::parse)
    }

    /// As it goes to another proxy: with its attribute, or without any.
    pub(super) fn for_peer(&self, relay: Option<RelayAttribute>) -> Vec<u8> {
        let mut out = Vec::new();
        for line in self.session.iter().filter(|line| !line.is_relay_attribute()) {
            line.write(&mut out);
        }
        if let Some(relay) = relay.filter(|_| !self.media.is_empty()) {
            let text = relay.to_string();
            self.session[0].with_text(text.as_bytes()).write(&mut out);
        }
        for line in self.media.iter().flatten() {
            line.write(&mut out);
        }
        out
    }

    /// As it goes to a phone: with an address and ports of ours for the media descriptions that are
    /// carried. Lines of ICE go, which would lead around the relay, and so does bundling of ports.
    pub(super) fn for_phone(&self, places: &Places) -> Vec<u8> {
        let Places { at, ports: places } = places;
        if places.is_empty() {
            return self.for_peer(None);
        }
        let connection = connection_line(*at);
        let above = self.session.iter().find(|line| line.is_connection());
        let leans = |(index, section): (usize, &Vec<Line<'_>>)| {
            places.contains_key(&index) && !section.iter().any(Line::is_connection)
        };
        let moved = above.is_some_and(Line::can_move) && self.media.iter().enumerate().any(leans);

        let mut out = Vec::new();
        for line in &self.session {
            if line.is_relay_attribute() || line.is_of_ice() || line.is_bundle() {
                continue;
            }
            if line.is_connection() && moved {
                line.with_text(&connection).write(&mut out);
            } else {
                line.write(&mut out);
            }
        }
        for (index, section) in self.media.iter().enumerate() {
            let bare = !section.iter().any(Line::is_connection) && !section[0].is_refused();
            match places.get(&index) {
                Some(&ports) => {
                    let added = (bare && above.is_none()).then_some(connection.as_slice());
                    self.write_moved(section, &connection, ports, added, &mut out);
                }
                None => {
                    let kept = above.filter(|_| bare && moved).map(|line| line.text);
                    self.write_kept(section, kept, &mut out);
                }
            }
        }
        out
    }

    fn address(&self, section: &[Line<'_>]) -> MediaAddress {
        let connection = section
            .iter()
            .chain(&self.session)
            .find(|line| line.is_connection())
            .map_or(Connection::Name, Line::connection);
        let media = section[0].media();
        let usable = |port: u16| match connection {
            Connection::At(at) if port != 0 => Some(SocketAddr::new(at, port)),
            _ => None,
        };
        let rtp = media.and_then(|media| usable(media.port));
        let said = section.iter().find_map(|line| line.value(b"a=rtcp:"));
        let rtcp = match said {
            Some(said) => rtcp_address(said, usable),
            None => media.and_then(|media| media.port.checked_add(1)).and_then(usable),
        };
        MediaAddress {
            carried: media.is_some_and(|media| media.is_carried())
                && connection != Connection::Multicast,
            connection,
            rtp,
            rtcp: rtp.and(rtcp),
        }
    }

    /// A media description with the ports, and the address, of the relay.
    fn write_moved(
        &self,
        section: &[Line<'_>],
        connection: &[u8],
        ports: Ports,
        added: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let port = section[0].media().map(|media| media.port);
        let mut lines: Vec<(Vec<u8>, &[u8])> = Vec::with_capacity(section.len());
        for line in section.iter().filter(|line| !line.is_of_ice()) {
            let text = if line.text.starts_with(b"m=") {
                media_line(line.text, ports.0)
            } else if line.is_connection() && line.can_move() {
                connection.to_vec()
            } else if let Some(said) = line.value(b"a=rtcp:") {
                rtcp_line(said, port, connection, ports)
            } else {
                line.text.to_vec()
            };
            lines.push((text, line.end));
        }
        let moved: Vec<Line<'_>> = lines.iter().map(|(text, end)| Line { text, end }).collect();
        self.write_kept(&moved, added, out);
    }

    /// A media description, with a "c=" line where one belongs (RFC 8866 section 5: below "m=" and "i=").
    fn write_kept(&self, section: &[Line<'_>], connection: Option<&[u8]>, out: &mut Vec<u8>) {
        let title = usize::from(section.get(1).is_some_and(|line| line.text.starts_with(b"i=")));
        for (index, line) in section.iter().enumerate() {
            line.write(out);
            if index == title
                && let Some(connection) = connection
            {
                if line.end.is_empty() {
                    out.extend_from_slice(self.session[0].end);
                }
                line.with_text(connection).write(out);
            }
        }
    }
}

/// A line and the bytes that end it.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    text: &'a [u8],
    end: &'a [u8],
}

impl<'a> Line<'a> {
    fn new(whole: &'a [u8]) -> Self {
        let text = match whole.strip_suffix(b"\n") {
            Some(text) => text.strip_suffix(b"\r").unwrap_or(text),
            None => whole,
        };
        let (text, end) = whole.split_at(text.len());
        Self { text, end }
    }

    /// Another line with the same end.
    fn with_text<'b>(&self, text: &'b [u8]) -> Line<'b>
    where
        'a: 'b,
    {
        Line { text, end: self.end }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text);
        out.extend_from_slice(self.end);
    }

    fn value(&self, prefix: &[u8]) -> Option<&'a [u8]> {
        self.text.strip_prefix(prefix)
    }

    fn is_relay_attribute(&self) -> bool {
        self.value(RelayAttribute::PREFIX).is_some()
    }

    fn is_connection(&self) -> bool {
        self.text.starts_with(b"c=")
    }

    fn is_of_ice(&self) -> bool {
        const ICE: [&[u8]; 4] =
            [b"a=candidate:", b"a=remote-candidates:", b"a=ice-", b"a=end-of-candidates"];
        ICE.iter().any(|prefix| self.text.starts_with(prefix))
    }

    fn is_bundle(&self) -> bool {
        self.text.starts_with(b"a=group:BUNDLE")
    }

    fn is_refused(&self) -> bool {
        self.media().is_some_and(|media| media.port == 0)
    }

    /// Whether this "c=" line is to be replaced: a hold has to stay one.
    fn can_move(&self) -> bool {
        !matches!(self.connection(), Connection::Held | Connection::Multicast)
    }

    fn connection(&self) -> Connection {
        let address = self.words().nth(2).unwrap_or_default();
        let (address, is_range) = match address.split_once('/') {
            Some((address, _)) => (address, true),
            None => (address, false),
        };
        match address.parse::<IpAddr>() {
            Ok(at) if at.is_multicast() => Connection::Multicast,
            Ok(_) if is_range => Connection::Multicast,
            Ok(at) if at.is_unspecified() => Connection::Held,
            Ok(IpAddr::V4(at)) if at.is_broadcast() => Connection::Multicast,
            Ok(at) => Connection::At(at),
            Err(_) => Connection::Name,
        }
    }

    fn media(&self) -> Option<Media<'a>> {
        let mut words = self.words();
        words.next()?;
        let (port, is_range) = match words.next()? {
            word if word.contains('/') => (word.split('/').next()?, true),
            word => (word, false),
        };
        Some(Media { port: port.parse().ok()?, is_range, transport: words.next()? })
    }

    fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::str::from_utf8(self.text).unwrap_or_default().split(' ')
    }
}

/// An "m=" line (RFC 8866 section 5.14).
#[derive(Clone, Copy, Debug)]
struct Media<'a> {
    port: u16,
    is_range: bool,
    transport: &'a str,
}

impl Media<'_> {
    fn is_carried(&self) -> bool {
        self.port != 0
            && !self.is_range
            && TRANSPORTS.iter().any(|known| known.eq_ignore_ascii_case(self.transport))
    }
}

/// The transports over UDP (IANA "SDP Parameters", proto). Others are left to the phones.
const TRANSPORTS: [&str; 11] = [
    "RTP/AVP",
    "RTP/AVPF",
    "RTP/SAVP",
    "RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
    "UDP/DTLS/SCTP",
    "UDP/BFCP",
    "UDP/TLS/BFCP",
    "udptl",
    "udp",
];

fn connection_line(at: IpAddr) -> Vec<u8> {
    format!("c={}", address_text(at)).into_bytes()
}

fn address_text(at: IpAddr) -> String {
    match at {
        IpAddr::V4(at) => format!("IN IP4 {at}"),
        IpAddr::V6(at) => format!("IN IP6 {at}"),
    }
}

/// "port [nettype addrtype address]" (RFC 3605 section 2.1).
fn rtcp_address(said: &[u8], usable: impl Fn(u16) -> Option<SocketAddr>) -> Option<SocketAddr> {
    let mut words = std::str::from_utf8(said).ok()?.split(' ');
    let port = words.next()?.parse().ok().filter(|&port| port != 0)?;
    match words.nth(2) {
        Some(address) => {
            let at: IpAddr = address.parse().ok()?;
            (!at.is_unspecified() && !at.is_multicast()).then_some(SocketAddr::new(at, port))
        }
        None => usable(port),
    }
}

fn media_line(text: &[u8], port: u16) -> Vec<u8> {
    let mut words = text.splitn(3, |&byte| byte == b' ');
    let (kind, _, rest) = (words.next(), words.next(), words.next());
    let port = port.to_string();
    [kind.unwrap_or_default(), port.as_bytes(), rest.unwrap_or_default()].join(&b' ')
}

/// RTCP on the port of RTP stays there (RFC 5761).
fn rtcp_line(said: &[u8], rtp: Option<u16>, connection: &[u8], (own_rtp, own): Ports) -> Vec<u8> {
    let mut words = said.splitn(2, |&byte| byte == b' ');
    let port = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    let own = if port.is_some() && port == rtp { own_rtp } else { own };
    let mut text = format!("a=rtcp:{own}").into_bytes();
    if words.next().is_some() {
        text.push(b' ');
        text.extend_from_slice(connection.strip_prefix(b"c=").unwrap_or(connection));
    }
    text
}

#[cfg(test)]
#[path = "sdp/tests.rs"]
mod tests;
