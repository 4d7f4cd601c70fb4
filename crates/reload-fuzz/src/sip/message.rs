//! As much of SIP as it takes to answer what the proxy has sent, and to go on in a dialog; and what has to
//! hold for all that the proxy sends.

use reload_usages::sip::Aor;

use super::overlay::aor;

/// A message as text.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    line: String,
    headers: Vec<(String, String)>,
}

impl Message {
    /// Nothing for what has no head of text lines.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = text.split("\r\n");
        let line = lines.next()?.to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self { line, headers: lines.filter_map(header).collect() })
    }

    pub(crate) fn is_request(&self) -> bool {
        !self.line.starts_with("SIP/2.0 ")
    }

    /// Whether it may begin a call, or has a place in one.
    pub(crate) fn is_of_call(&self) -> bool {
        let invites = self.first("cseq").ends_with("INVITE");
        invites && (self.is_request() || self.first("to").contains("tag="))
    }

    fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let of_name = move |(known, _): &&(String, String)| known == name;
        self.headers.iter().filter(of_name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &'static str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    fn tagged_to(&self) -> String {
        let to = self.first("to");
        let tag = if to.contains("tag=") { "" } else { ";tag=callee" };
        format!("{to}{tag}")
    }

    /// The answer with this code; `rest` are its other header fields and its body.
    pub(crate) fn answer(&self, code: &str, rest: &str) -> String {
        let mut text = format!("SIP/2.0 {code} Said\r\n");
        for name in ["via", "record-route", "from", "call-id", "cseq"] {
            for value in self.all(name) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        text += &format!("to: {}\r\n", self.tagged_to());
        text + &ended(rest)
    }

    /// A request in the dialog that this message belongs to, by who has received it.
    pub(crate) fn follow(&self, method: &str, rest: &str) -> String {
        let (from, to) = match self.is_request() {
            true => (self.tagged_to(), self.first("from").to_owned()),
            false => (self.first("from").to_owned(), self.first("to").to_owned()),
        };
        let mut routes: Vec<&str> = self.all("record-route").collect();
        if !self.is_request() {
            routes.reverse();
        }
        let routes: String = routes.iter().map(|it| format!("Route: {it}\r\n")).collect();
        let number = self.first("cseq").split(' ').next().unwrap_or("1");
        let number: u32 = number.parse().unwrap_or(1);
        let number = if method == "ACK" { number } else { number.wrapping_add(1) };
        let (uri, call) = (address(self.first("contact")), self.first("call-id"));
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP there;branch=z9hG4bK{method}{number}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\n\
             CSeq: {number} {method}\r\n{routes}{}",
            ended(rest)
        )
    }

    /// What comes out of the proxy is SIP, and a request that begins something is in the name of the user
    /// here or of the one there.
    pub(crate) fn check(&self) {
        let request = self.line.ends_with(" SIP/2.0");
        assert!(request || self.line.starts_with("SIP/2.0 "), "not SIP: {}", self.line);
        if !request || self.first("to").contains("tag=") {
            return;
        }
        let from = Aor::parse(address(self.first("from")));
        let known = [aor("bob"), aor("carol")];
        assert!(from.as_ref().is_ok_and(|from| known.contains(from)), "a stranger calls: {self:?}");
    }
}

/// The URI in a header field.
fn address(value: &str) -> &str {
    let mut quoted = false;
    let start = value.char_indices().find(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '<' && !quoted
    });
    match start {
        Some((at, _)) => value[at + 1..].split('>').next().unwrap_or_default(),
        None => value.split(';').next().unwrap_or_default().trim(),
    }
}

/// Header fields and body that were given, or none.
fn ended(rest: &str) -> String {
    match rest.contains("\r\n\r\n") {
        true => rest.to_owned(),
        false => "Contact: <sip:there@127.0.0.1:5999>\r\nContent-Length: 0\r\n\r\n".to_owned(),
    }
}
