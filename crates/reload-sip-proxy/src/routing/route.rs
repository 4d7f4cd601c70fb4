//! Route and Record-Route (RFC 3261 sections 16.4 and 16.6, RFC 5658): what of a dialog comes back through
//! this proxy. Two addresses stand for it: one that faces phones, and its GRUU that faces the overlay.

use std::net::SocketAddr;

use rsipstack::sip::{Header, Request, Response, typed};

use super::header::address;
use crate::edge::NameAddr;

/// The addresses of this proxy in Route header fields.
#[derive(Debug)]
pub(super) struct Own {
    /// The user part of the address that faces phones: a loopback address would be that of many.
    pub(super) token: String,
    /// The GRUU as a URI without scheme.
    pub(super) gruu: String,
    /// Where phones reach this proxy.
    pub(super) listening: Vec<SocketAddr>,
}

impl Own {
    /// Whether a URI in Route is of this proxy. A phone may have put in the plain address.
    fn is(&self, uri: &str, from_phone: bool) -> bool {
        let Some((_, rest)) = uri.split_once(':') else { return false };
        if rest.starts_with(&self.gruu) {
            return true;
        }
        if rest.strip_prefix(&self.token).is_some_and(|rest| rest.starts_with('@')) {
            return true;
        }
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let host = host.split([';', '?']).next().unwrap_or_default();
        from_phone && self.listening.iter().any(|own| is_address(host, *own))
    }

    /// Takes our own entries off the front of Route.
    pub(super) fn strip(&self, request: &mut Request, from_phone: bool) {
        let mut routes = routes(request);
        let ours = routes
            .iter()
            .take_while(|route| address(route).is_some_and(|it| self.is(&it.uri, from_phone)));
        let count = ours.count();
        if count == 0 {
            return;
        }
        routes.drain(..count);
        request.headers.retain(|header| !matches!(header, Header::Route(_)));
        request.headers.extend(routes.into_iter().map(|it| Header::Route(it.into())).collect());
    }

    /// Puts both addresses on top of Record-Route, the one that faces where the request goes first.
    pub(super) fn record(&self, request: &mut Request, from: Face, to: Face) {
        for face in [from, to].into_iter().take(if from == to { 1 } else { 2 }) {
            request.headers.push_front(self.recorded(face));
        }
    }

    /// Has the answer to a phone lead its next requests here, if whoever has answered has left our address
    /// out: the phone would send them to an address of his choice. Twice our address does no harm.
    pub(super) fn keep(&self, response: &mut Response, to: Face) {
        let own = self.recorded(to);
        let is_recorded = |it: &&Header| matches!(it, Header::RecordRoute(_));
        let last = response.headers.iter().filter(is_recorded).last();
        let last = last.and_then(|it| NameAddr::parse_list(it.value())?.pop());
        if last.is_none() || last != address(own.value()) {
            response.headers.push(own);
        }
    }

    fn recorded(&self, face: Face) -> Header {
        let uri = match face {
            Face::Overlay => format!("<sip:{};lr>", self.gruu),
            Face::Phones(facing) => format!("<sip:{}@{facing};lr>", self.token),
        };
        Header::RecordRoute(uri.into())
    }
}

/// A side of this proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// The overlay.
    Overlay,
    /// Phones, and the ordinary SIP world, that reach it at this address by this transport.
    Phones(Facing),
}

/// An address as it stands in a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facing {
    pub(super) address: SocketAddr,
    pub(super) transport: rsipstack::sip::Transport,
}

impl std::fmt::Display for Facing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use rsipstack::sip::Transport;
        match self.transport {
            Transport::Tcp => write!(f, "{};transport=tcp", self.address),
            Transport::Tls => write!(f, "{};transport=tls", self.address),
            _ => write!(f, "{}", self.address),
        }
    }
}

/// The values of Route, also of those joined by commas.
fn routes(request: &Request) -> Vec<String> {
    let fields = request.headers.iter().filter_map(|header| match header {
        Header::Route(route) => Some(route.value()),
        _ => None,
    });
    let lists = fields.map(typed::Route::parse_header_list);
    lists.flat_map(Result::unwrap_or_default).map(|route| route.to_string()).collect()
}

fn is_address(host: &str, address: SocketAddr) -> bool {
    match host.parse::<SocketAddr>() {
        Ok(given) => {
            given.port() == address.port()
                && (given.ip() == address.ip() || address.ip().is_unspecified())
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use rsipstack::sip::Transport;

    use super::*;

    fn own() -> Own {
        Own {
            token: "t0k3n".to_owned(),
            gruu: "alice@dht.example;gr=AAAA".to_owned(),
            listening: vec!["127.0.0.1:5060".parse().unwrap()],
        }
    }

    fn request(routes: &str) -> Request {
        let text = format!(
            "BYE sip:b@x SIP/2.0\r\n{routes}From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\n\
             CSeq: 1 BYE\r\n\r\n"
        );
        Request::try_from(text.as_str()).unwrap()
    }

    fn left(routes_in: &str, from_phone: bool) -> Vec<String> {
        let mut request = request(routes_in);
        own().strip(&mut request, from_phone);
        routes(&request)
    }

    #[test]
    fn our_entries_in_front_are_taken_off_also_when_they_are_joined() {
        let ours = "<sip:t0k3n@127.0.0.1:5060;lr>, <sip:alice@dht.example;gr=AAAA;lr>";
        let text = format!("Route: {ours}, <sip:next.example;lr>\r\n");
        assert_eq!(left(&text, true), ["<sip:next.example;lr>"]);
        let text = format!("Route: <sip:next.example;lr>\r\nRoute: {ours}\r\n");
        assert_eq!(left(&text, true).len(), 3, "what is not in front stays");
    }

    #[test]
    fn only_a_phone_means_us_by_the_bare_address() {
        let text = "Route: <sip:127.0.0.1:5060;lr>\r\n";
        assert!(left(text, true).is_empty());
        assert_eq!(left(text, false).len(), 1, "each peer has that address");
        assert_eq!(left("Route: <sip:127.0.0.1:5061;lr>\r\n", true).len(), 1);
    }

    #[test]
    fn both_sides_are_recorded_the_next_one_on_top() {
        let address = "127.0.0.1:5060".parse().unwrap();
        let phones = Face::Phones(Facing { address, transport: Transport::Tcp });
        let mut request = request("");
        own().record(&mut request, phones, Face::Overlay);
        let recorded = request.headers.iter().filter(|it| matches!(it, Header::RecordRoute(_)));
        let recorded: Vec<_> = recorded.map(Header::value).collect();
        let expected =
            ["<sip:alice@dht.example;gr=AAAA;lr>", "<sip:t0k3n@127.0.0.1:5060;transport=tcp;lr>"];
        assert_eq!(recorded, expected);
    }
}
