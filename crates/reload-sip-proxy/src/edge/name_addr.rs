//! The values of From, To and Contact (RFC 3261 section 20.10) as they are written: the SIP stack would
//! write their URIs in another way than they came.

/// A URI and the parameters of the header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameAddr {
    /// The URI, as it came.
    pub(crate) uri: String,
    /// Names in lower case, values as they came, with their quotes.
    pub(crate) parameters: Vec<(String, Option<String>)>,
}

/// The longest value that is read.
const MAX_LENGTH: usize = 8192;
/// Values of one header field.
const MAX_VALUES: usize = 64;

impl NameAddr {
    /// Reads one value; none if it is no address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (uri, rest) = match open_bracket(text) {
            Some(at) => text.get(at + 1..)?.split_once('>')?,
            // without brackets all parameters are those of the header field
            None => text.find(';').map_or((text, ""), |at| text.split_at(at)),
        };
        let uri = uri.trim();
        let rest = rest.trim();
        if uri.is_empty() || !(rest.is_empty() || rest.starts_with(';')) {
            return None;
        }
        let parameters = split(rest, ';').into_iter().filter(|part| !part.is_empty());
        Some(Self { uri: uri.to_owned(), parameters: parameters.map(read_parameter).collect() })
    }

    /// Reads the values of one header line; none if one of them is no address.
    pub(crate) fn parse_list(text: &str) -> Option<Vec<Self>> {
        let values = split(text, ',');
        if values.len() > MAX_VALUES {
            return None;
        }
        values.into_iter().map(Self::parse).collect()
    }

    /// A parameter without its quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(value.as_deref().unwrap_or_default().trim_matches('"'))
    }
}

fn read_parameter(part: &str) -> (String, Option<String>) {
    match part.split_once('=') {
        Some((name, value)) => (name.trim().to_ascii_lowercase(), Some(value.trim().to_owned())),
        None => (part.trim().to_ascii_lowercase(), None),
    }
}

/// Where the first `<` outside of quotes is.
fn open_bracket(text: &str) -> Option<usize> {
    let mut quotes = Quotes::default();
    text.char_indices().find(|(_, c)| !quotes.covers(*c) && *c == '<').map(|(at, _)| at)
}

/// The parts between separators outside of quotes and brackets, trimmed.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut quotes, mut in_brackets, mut start) = (Quotes::default(), false, 0);
    for (at, c) in text.char_indices() {
        if quotes.covers(c) {
            continue;
        }
        match c {
            '<' => in_brackets = true,
            '>' => in_brackets = false,
            c if c == separator && !in_brackets => {
                parts.push(text[start..at].trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// Follows quoted strings with their escapes (RFC 3261 section 25.1).
#[derive(Default)]
struct Quotes {
    is_inside: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Whether this next character belongs to a quoted string.
    fn covers(&mut self, c: char) -> bool {
        if self.is_escaped {
            self.is_escaped = false;
            return true;
        }
        match c {
            '\\' if self.is_inside => self.is_escaped = true,
            '"' => self.is_inside = !self.is_inside,
            _ => return self.is_inside,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_name_gives_its_uri_and_parameters() {
        let text = r#""A, <b> \"c\"" <sip:a@[::1]:5060;transport=TCP>;Expires=60;+sip.instance="<urn:x;y>";ob"#;
        let address = NameAddr::parse(text).unwrap();
        assert_eq!(address.uri, "sip:a@[::1]:5060;transport=TCP");
        assert_eq!(address.parameter("expires"), Some("60"));
        assert_eq!(address.parameter("+sip.instance"), Some("<urn:x;y>"));
        assert_eq!(address.parameter("ob"), Some(""));
        assert_eq!(address.parameter("transport"), None);
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header_field() {
        let address = NameAddr::parse("sip:a@b.example;expires=5").unwrap();
        assert_eq!(address.uri, "sip:a@b.example");
        assert_eq!(address.parameter("expires"), Some("5"));
    }

    #[test]
    fn values_are_split_at_commas_outside_of_quotes_and_brackets() {
        let list =
            NameAddr::parse_list(r#""x,y" <sip:a,b@c.example>;q=0.5, sip:d@e.example"#).unwrap();
        let uris: Vec<_> = list.iter().map(|it| it.uri.as_str()).collect();
        assert_eq!(uris, ["sip:a,b@c.example", "sip:d@e.example"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "<sip:a@b", "<>", "<sip:a@b> x", "\"open <sip:a@b>"] {
            assert_eq!(
                NameAddr::parse(text).filter(|it| it.uri.starts_with("sip:")),
                None,
                "{text}"
            );
        }
        assert_eq!(NameAddr::parse_list(&"sip:a@b,".repeat(70)), None);
    }
}
