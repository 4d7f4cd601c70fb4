//! A phone that does what the test says, in plain text: what it sees are the bytes of the proxy, read by
//! nothing but the few lines below.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;

/// How long a phone waits for something that has to come.
const PATIENCE: Duration = Duration::from_secs(10);

static LAST: AtomicUsize = AtomicUsize::new(0);

/// A number that nothing else has.
pub(crate) fn unique() -> usize {
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A SIP message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a message has an empty line");
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            (name.trim().to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { line, headers: headers.collect(), body: body.to_owned() }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        let fields = self.headers.iter().filter(|(known, _)| *known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        let all = self.all(name);
        all.first().unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub(crate) fn code(&self) -> u16 {
        let code = self.line.strip_prefix("SIP/2.0 ").unwrap_or_else(|| panic!("{self:?}"));
        code[..3].parse().unwrap()
    }

    pub(crate) fn reason(&self) -> &str {
        &self.line["SIP/2.0 200 ".len()..]
    }

    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap()
    }

    pub(crate) fn uri(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    pub(crate) fn is_request(&self) -> bool {
        !self.line.starts_with("SIP/2.0 ")
    }

    /// The URI in an address.
    pub(crate) fn address(&self, name: &str) -> &str {
        let value = self.get(name);
        let start = value.find('<').map_or(0, |at| at + 1);
        let end = value.find('>').unwrap_or(value.len());
        &value[start..end]
    }
}

/// A phone.
pub(crate) struct Phone {
    pub(crate) socket: UdpSocket,
    pub(crate) proxy: SocketAddr,
    pub(crate) aor: String,
    pub(crate) tag: String,
    /// Answers that came while something else was waited for.
    seen: tokio::sync::Mutex<Vec<Message>>,
}

impl Phone {
    pub(crate) async fn new(aor: &str, proxy: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self {
            socket,
            proxy,
            aor: aor.to_owned(),
            tag: format!("tag{}", unique()),
            seen: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn contact(&self) -> String {
        format!("sip:phone@{}", self.at())
    }

    pub(crate) async fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.proxy).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn recv(&self) -> Message {
        let mut buffer = vec![0; 65_535];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut buffer));
        let (length, _) = received.await.expect("nothing came").unwrap();
        Message::parse(std::str::from_utf8(&buffer[..length]).unwrap())
    }

    /// The next message that fits; repetitions of others are passed over.
    pub(crate) async fn until(&self, fits: impl Fn(&Message) -> bool) -> Message {
        let mut seen = self.seen.lock().await;
        if let Some(at) = seen.iter().position(&fits) {
            return seen.remove(at);
        }
        loop {
            let message = self.recv().await;
            if fits(&message) {
                return message;
            }
            seen.push(message);
        }
    }

    /// The next request with this method.
    pub(crate) async fn request(&self, method: &str) -> Message {
        self.until(|it| it.is_request() && it.method() == method).await
    }

    /// The next answer with this code.
    pub(crate) async fn answer(&self, code: u16) -> Message {
        self.until(|it| !it.is_request() && it.code() == code).await
    }

    /// The next last answer.
    pub(crate) async fn last_answer(&self) -> Message {
        self.until(|it| !it.is_request() && it.code() >= 200).await
    }

    /// Nothing that fits comes within a while of quiet.
    pub(crate) async fn quiet(&self, fits: impl Fn(&Message) -> bool, wait: Duration) {
        let end = tokio::time::Instant::now() + wait;
        let mut buffer = vec![0; 65_535];
        loop {
            let received = tokio::time::timeout_at(end, self.socket.recv_from(&mut buffer)).await;
            let Ok(received) = received else { return };
            let message =
                Message::parse(std::str::from_utf8(&buffer[..received.unwrap().0]).unwrap());
            assert!(!fits(&message), "{message:?}");
        }
    }

    /// A request outside of dialogs.
    pub(crate) fn outside(
        &self,
        method: &str,
        to: &str,
        call: &str,
        more: &str,
        body: &str,
    ) -> String {
        self.text(method, to, call, 1, &format!("<{to}>"), more, body)
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn text(
        &self,
        method: &str,
        uri: &str,
        call: &str,
        sequence: u32,
        to: &str,
        more: &str,
        body: &str,
    ) -> String {
        let at = self.at();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {at};branch=z9hG4bKt{}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{}>;tag={}\r\n\
             To: {to}\r\n\
             Call-ID: {call}\r\n\
             CSeq: {sequence} {method}\r\n\
             Contact: <{}>\r\n\
             {more}Content-Length: {}\r\n\r\n{body}",
            unique(),
            self.aor,
            self.tag,
            self.contact(),
            body.len(),
        )
    }

    /// Registers it.
    pub(crate) async fn register(&self) {
        let registrar = format!("sip:{}", self.aor.split('@').nth(1).unwrap());
        let call = format!("register{}", unique());
        let to = format!("<sip:{}>", self.aor);
        let text = self.text("REGISTER", &registrar, &call, 1, &to, "Expires: 600\r\n", "");
        self.send(&text).await;
        let answer = self.last_answer().await;
        assert_eq!(answer.code(), 200, "{answer:?}");
    }

    /// Calls somebody; gives the INVITE.
    pub(crate) async fn invite(&self, to: &str) -> Message {
        let call = format!("call{}", unique());
        let text = self.outside("INVITE", to, &call, "Content-Type: text/plain\r\n", "hello");
        self.send(&text).await;
        Message::parse(&text)
    }

    /// Answers a request.
    pub(crate) async fn respond(
        &self,
        request: &Message,
        status: &str,
        more: &str,
        body: &str,
    ) -> Message {
        let text = self.response(request, status, more, body, ";tag=");
        self.send(&text).await;
        Message::parse(&text)
    }

    pub(crate) fn response(
        &self,
        request: &Message,
        status: &str,
        more: &str,
        body: &str,
        tag: &str,
    ) -> String {
        let copied = ["via", "record-route", "from", "call-id", "cseq"];
        let copied = request.headers.iter().filter(|(name, _)| copied.contains(&name.as_str()));
        let copied: String = copied.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let to = request.get("to");
        let to = match to.contains(";tag=") {
            true => to.to_owned(),
            false => format!("{to}{tag}{}", self.tag),
        };
        format!(
            "SIP/2.0 {status}\r\n{copied}to: {to}\r\nContact: <{}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.contact(),
            body.len(),
        )
    }

    /// The ACK of a 2xx to our INVITE.
    pub(crate) async fn ack(&self, invite: &Message, answer: &Message) {
        let text = self.inside("ACK", invite, answer, sequence(invite), "", "");
        self.send(&text).await;
    }

    /// A request in the dialog that an answer to our INVITE has made.
    pub(crate) fn inside(
        &self,
        method: &str,
        invite: &Message,
        answer: &Message,
        sequence: u32,
        more: &str,
        body: &str,
    ) -> String {
        let mut routes: Vec<_> = routes(answer);
        routes.reverse();
        let routes: String = routes.iter().map(|it| format!("Route: {it}\r\n")).collect();
        let more = format!("{routes}{more}");
        let uri = answer.address("contact");
        self.text(method, uri, invite.get("call-id"), sequence, answer.get("to"), &more, body)
    }

    /// A request in the dialog of an INVITE that we have answered.
    pub(crate) fn back(
        &self,
        method: &str,
        invite: &Message,
        sequence: u32,
        more: &str,
        body: &str,
    ) -> String {
        let routes: String = routes(invite).iter().map(|it| format!("Route: {it}\r\n")).collect();
        let more = format!("{routes}{more}");
        let uri = invite.address("contact");
        let text = self.text(
            method,
            uri,
            invite.get("call-id"),
            sequence,
            invite.get("from"),
            &more,
            body,
        );
        // our side of the dialog is To of the INVITE
        let to = invite.get("to");
        let mine = format!("From: <sip:{}>;tag={}", self.aor, self.tag);
        text.replace(&mine, &format!("From: {to};tag={}", self.tag))
    }
}

pub(crate) fn sequence(message: &Message) -> u32 {
    message.get("cseq").split(' ').next().unwrap().parse().unwrap()
}

/// The Record-Route values, topmost first.
pub(crate) fn routes(message: &Message) -> Vec<String> {
    let values = message.all("record-route");
    values.iter().flat_map(|it| it.split(',')).map(|it| it.trim().to_owned()).collect()
}
