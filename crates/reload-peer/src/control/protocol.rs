//! What goes over the control socket: one [`Question`], then progress lines, then one end.
//!
//! Names and kinds are sent as typed; the daemon, which has the configuration, reads them.

use serde::{Deserialize, Serialize};

use super::Reply;

/// The version of this protocol.
pub(crate) const VERSION: u32 = 1;

/// The line from a command to the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// [`VERSION`].
    pub version: u32,
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
}

/// What a command asks of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case")]
pub(crate) enum Question {
    /// The picture of the node.
    Status,
    /// Its links.
    Links,
    /// Every peer of the ring.
    Ring,
    /// Ping (section 6.5.3).
    Ping {
        /// `node:HEX` is the node itself; else a resource.
        target: String,
    },
    /// Probe (section 6.4.2.5).
    Probe {
        /// As for `Ping`.
        target: String,
    },
    /// The path to a resource or node, by RouteQuery.
    Route {
        /// As for `Ping`.
        target: String,
    },
    /// The responsible peer and the replicas of a name.
    Locate {
        /// The name.
        name: String,
    },
    /// Store one value.
    Store {
        /// The resource name.
        name: String,
        /// The kind, by name or number.
        kind: String,
        /// Where within the kind.
        place: Place,
        /// The value.
        value: Value,
        /// Seconds.
        lifetime: u32,
        /// The expected generation counter; 0 for any.
        generation: u64,
    },
    /// Fetch values.
    Fetch {
        /// The resource name.
        name: String,
        /// The kind.
        kind: String,
        /// Which values.
        which: Which,
    },
    /// Stat values.
    Stat {
        /// The resource name.
        name: String,
        /// The kind.
        kind: String,
        /// Which values.
        which: Which,
    },
    /// Find the next resource that has values of a kind.
    Find {
        /// The resource name.
        name: String,
        /// The kinds.
        kinds: Vec<String>,
    },
    /// A pipe with another node (section 6.5.2). After the end line the connection carries its bytes:
    /// as they are to the daemon, in chunks from it (`pipe.rs`).
    Pipe {
        /// The other node: a Node-ID or a user name.
        target: Option<String>,
        /// The Application-ID.
        application: u16,
        /// Wait for the other node instead of connecting.
        listen: bool,
    },
    /// Replace a value by one that does not exist (section 7.4.1.3).
    Remove {
        /// The resource name.
        name: String,
        /// The kind.
        kind: String,
        /// Where within the kind.
        place: Place,
    },
    /// The SIP registration of the user, and the phones.
    SipRegister,
    /// Who is registered under a SIP address (RFC 7904 section 4).
    SipLookup {
        /// The address.
        address: String,
    },
    /// Send the calls of the user on.
    SipForward {
        /// The user.
        aor: String,
        /// Where they go; none for no longer.
        to: Option<String>,
    },
    /// The calls that go on.
    SipCalls,
    /// The last SIP messages.
    SipTrace {
        /// Of this call only.
        call_id: Option<String>,
    },
}

/// Where a value stands within its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// Nothing was said: right for a single value only.
    #[default]
    Unsaid,
    /// An array index.
    Index(u32),
    /// The end of an array.
    Append,
    /// A dictionary key.
    Key(Value),
}

/// Which values of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// All of them.
    #[default]
    All,
    /// Ranges of an array, ends included.
    Indices(Vec<(u32, u32)>),
    /// Keys of a dictionary.
    Keys(Vec<Value>),
}

/// Bytes in JSON: base64, and beside it the text if it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value(pub Vec<u8>);

/// A line from the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Something is under way.
    Progress {
        /// What.
        text: String,
    },
    /// The end: it worked.
    Done {
        /// What came out.
        reply: Box<Reply>,
    },
    /// The end: it did not.
    Failed(Failure),
}

/// Why it did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// One line for people.
    pub message: String,
    /// The RELOAD error code, if a peer refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

impl Failure {
    /// A failure without a code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Value {
    /// The text, if the bytes are text without control characters other than line ends and tabs.
    #[must_use]
    pub(crate) fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(&self.0).ok()?;
        let plain = |character: char| !character.is_control() || "\n\r\t".contains(character);
        text.chars().all(plain).then_some(text)
    }
}

impl std::fmt::Display for Value {
    /// The text, or `0x` and hex.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.text() {
            Some(text) => formatter.write_str(text),
            None => write!(formatter, "0x{}", hex::encode(&self.0)),
        }
    }
}

/// The form of a [`Value`] in JSON.
#[derive(Serialize, Deserialize)]
struct ValueForm {
    base64: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        let base64 = base64::engine::general_purpose::STANDARD.encode(&self.0);
        ValueForm { base64, text: self.text().map(str::to_owned) }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine;
        let form = ValueForm::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(form.base64);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_survives_the_line() {
        let question = Question::Store {
            name: "alice".into(),
            kind: "3".into(),
            place: Place::Key(Value(vec![0, 255])),
            value: Value(b"hello".to_vec()),
            lifetime: 60,
            generation: 0,
        };
        let asked = Asked { version: VERSION, question: question.clone() };
        let line = serde_json::to_string(&asked).unwrap();
        assert!(!line.contains('\n'));
        let read: Asked = serde_json::from_str(&line).unwrap();
        assert_eq!((read.version, read.question), (VERSION, question));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_hex() {
        assert_eq!(Value(vec![0xff, 0]).to_string(), "0xff00");
        assert_eq!(Value(b"a\x1bb".to_vec()).text(), None);
        assert_eq!(Value("päx\n".into()).to_string(), "päx\n");
    }
}
