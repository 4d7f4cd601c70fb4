//! A phone for tests: sends what it is told over UDP, and waits for what shall come.

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::{OVERLAY, PATIENCE};

/// A phone of one user that sends everything to its proxy.
pub(super) struct Phone {
    socket: UdpSocket,
    proxy: SocketAddr,
    aor: String,
    next: Cell<u32>,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub text: String,
}

/// One side of a call.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    routes: Vec<String>,
}

impl Message {
    pub(super) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The code of a response; 0 of a request.
    pub(super) fn status(&self) -> u16 {
        let rest = self.first_line().strip_prefix("SIP/2.0 ");
        rest.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0)
    }

    /// The method of the request, or of that which this answers.
    pub(super) fn method(&self) -> String {
        self.one("CSeq").split_whitespace().nth(1).unwrap_or_default().to_owned()
    }

    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let of_name = fields.filter(|(field, _)| field.trim().eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.trim().to_owned()).collect()
    }

    pub(super) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// The URI of the Contact.
    fn contact(&self) -> String {
        let contact = self.all("Contact").into_iter().next().unwrap_or_default();
        match contact.split_once('<') {
            Some((_, rest)) => rest.split('>').next().unwrap_or_default().to_owned(),
            None => contact.split(';').next().unwrap_or_default().to_owned(),
        }
    }

    /// As the callee sees the call that this INVITE offers, with its own tag.
    pub(super) fn as_callee(&self, tag: &str) -> Dialog {
        Dialog {
            call_id: self.one("Call-ID"),
            local: format!("{};tag={tag}", self.one("To")),
            remote: self.one("From"),
            target: self.contact(),
            routes: self.all("Record-Route"),
        }
    }

    /// As the caller sees the call that this 200 has made.
    pub(super) fn as_caller(&self) -> Dialog {
        let mut routes = self.all("Record-Route");
        routes.reverse();
        Dialog {
            call_id: self.one("Call-ID"),
            local: self.one("From"),
            remote: self.one("To"),
            target: self.contact(),
            routes,
        }
    }

    pub(super) fn one(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }
}

impl Phone {
    pub(super) fn new(proxy: SocketAddr, aor: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { socket, proxy, aor: aor.to_owned(), next: Cell::new(1) }
    }

    fn number(&self) -> u32 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Unique among all phones of all tests: the port is in it.
    fn token(&self) -> String {
        format!("{}x{}", self.address().port(), self.number())
    }

    fn contact(&self) -> String {
        let user = self.aor.split('@').next().unwrap_or_default();
        format!("<sip:{user}@{}>", self.address())
    }

    fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.proxy).unwrap();
    }

    /// The final answer to a REGISTER.
    pub(super) fn register(&self, expires: u32) -> Message {
        self.register_as(&self.aor, expires)
    }

    /// The same under a name that may be another's.
    pub(super) fn register_as(&self, aor: &str, expires: u32) -> Message {
        let extra = format!("Contact: {}\r\nExpires: {expires}\r\n", self.contact());
        let identity = format!("<sip:{aor}>");
        self.begin("REGISTER", &format!("sip:{OVERLAY}"), &identity, &identity, &extra, "");
        self.final_answer("REGISTER")
    }

    /// The final answer to a REGISTER with this proof of a password.
    pub(super) fn register_with(&self, proof: &str) -> Message {
        let extra = format!("Contact: {}\r\nAuthorization: {proof}\r\n", self.contact());
        let identity = format!("<sip:{}>", self.aor);
        self.begin("REGISTER", &format!("sip:{OVERLAY}"), &identity, &identity, &extra, "");
        self.final_answer("REGISTER")
    }

    /// Begins a call; gives its Call-ID.
    pub(super) fn invite(&self, to: &str, body: &str) -> String {
        let from = format!("<sip:{}>", self.aor);
        self.request_as(&from, "INVITE", to, body)
    }

    /// A request out of any dialog, under this From.
    pub(super) fn request_as(&self, from: &str, method: &str, to: &str, body: &str) -> String {
        let extra = format!("Contact: {}\r\n", self.contact());
        self.begin(method, &format!("sip:{to}"), from, &format!("<sip:{to}>"), &extra, body)
    }

    fn begin(
        &self,
        method: &str,
        uri: &str,
        from: &str,
        to: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let (call_id, tag, number) = (self.token(), self.token(), self.number());
        self.write(method, uri, &format!("{from};tag={tag}"), to, &call_id, number, extra, body);
        call_id
    }

    #[allow(clippy::too_many_arguments, reason = "these are the fields of a request")]
    fn write(
        &self,
        method: &str,
        uri: &str,
        from: &str,
        to: &str,
        call_id: &str,
        number: u32,
        extra: &str,
        body: &str,
    ) {
        let (address, branch) = (self.address(), self.token());
        let kind = if body.is_empty() { "" } else { "Content-Type: text/plain\r\n" };
        self.send(&format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {number} {method}\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    /// A request within a call; an ACK has the number of its INVITE.
    pub(super) fn within(&self, dialog: &Dialog, method: &str, number: Option<u32>) {
        let routes: String =
            dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let number = number.unwrap_or_else(|| 1000 + self.number());
        let Dialog { call_id, local, remote, target, .. } = dialog;
        self.write(method, target, local, remote, call_id, number, &routes, "");
    }

    /// Answers a request; `tag` makes a dialog.
    pub(super) fn answer(&self, request: &Message, status: &str, tag: Option<&str>) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in request.all("Via") {
            text.push_str(&format!("Via: {via}\r\n"));
        }
        for route in request.all("Record-Route") {
            text.push_str(&format!("Record-Route: {route}\r\n"));
        }
        let to = request.one("To");
        let to = tag.map_or_else(|| to.clone(), |tag| format!("{to};tag={tag}"));
        text.push_str(&format!(
            "From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {}\r\nContent-Length: 0\r\n\r\n",
            request.one("From"),
            request.one("Call-ID"),
            request.one("CSeq"),
            self.contact()
        ));
        self.send(&text);
    }

    /// The next message that is as wanted; others, which may be repetitions, are passed over.
    #[track_caller]
    pub(super) fn expect(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come, but {seen:#?}");
            self.socket.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            let message = Message { text };
            if wanted(&message) {
                return message;
            }
            seen.push(message.first_line().to_owned());
        }
    }

    /// The next request of this method.
    #[track_caller]
    pub(super) fn request(&self, method: &str) -> Message {
        self.expect(method, |message| message.first_line().starts_with(&format!("{method} ")))
    }

    /// The next answer to this method with this status.
    #[track_caller]
    pub(super) fn status(&self, method: &str, status: u16) -> Message {
        self.expect(&format!("{status} to {method}"), |message| {
            message.status() == status && message.method() == method
        })
    }

    /// The next final answer to this method.
    #[track_caller]
    pub(super) fn final_answer(&self, method: &str) -> Message {
        self.expect(&format!("an answer to {method}"), |message| {
            message.status() >= 200 && message.method() == method
        })
    }

    /// Whether nothing of this method comes for a while.
    pub(super) fn is_silent(&self, method: &str, span: Duration) -> bool {
        let end = Instant::now() + span;
        let mut buffer = vec![0; 65_536];
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|it| !it.is_zero())
        {
            self.socket.set_read_timeout(Some(left)).unwrap();
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer)
                && buffer[..length].starts_with(format!("{method} ").as_bytes())
            {
                return false;
            }
        }
        true
    }
}
