//! The value of Authorization and Proxy-Authorization (RFC 7616 section 3.4), read as it came: the stack
//! counts in eight bits, and does not know SHA-256 by its name. Nothing is checked here.

/// The credentials of a request, with `qop=auth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) response: String,
    pub(super) algorithm: Algorithm,
    pub(super) client_nonce: String,
    /// How often the nonce has been used, with this time.
    pub(super) count: u32,
    pub(super) count_text: String,
}

/// How the digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// As it stands in header fields.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }
}

/// The longest value that is read.
const MAX_LENGTH: usize = 2048;

impl Credentials {
    /// Reads them; none if they are not those of a digest, or not whole.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.trim().split_once(char::is_whitespace)?;
        if value.len() > MAX_LENGTH || !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let parameters = read_parameters(rest)?;
        let find = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        if find("qop")? != "auth" {
            return None;
        }
        let count_text = find("nc").filter(|it| it.len() == 8)?;
        Some(Self {
            user: find("username")?,
            realm: find("realm")?,
            nonce: find("nonce")?,
            uri: find("uri")?,
            response: find("response")?,
            algorithm: read_algorithm(find("algorithm").as_deref())?,
            client_nonce: find("cnonce")?,
            count: u32::from_str_radix(&count_text, 16).ok()?,
            count_text,
        })
    }
}

fn read_algorithm(name: Option<&str>) -> Option<Algorithm> {
    let known = [Algorithm::Md5, Algorithm::Sha256];
    match name {
        None => Some(Algorithm::Md5),
        Some(name) => known.into_iter().find(|it| it.name().eq_ignore_ascii_case(name)),
    }
}

/// `name=value` and `name="value"`, with commas between; none if one of them is no such pair.
fn read_parameters(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        if rest.is_empty() {
            return Some(parameters);
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => read_quoted(quoted)?,
            None => {
                let value = after.split(',').next().unwrap_or_default();
                (value.trim().to_owned(), &after[value.len()..])
            }
        };
        parameters.push((name.trim().to_ascii_lowercase(), value));
        rest = after;
    }
}

/// A quoted string behind its first quote, without its escapes; and what follows it.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"Digest username="a\"b", realm="r.example", nonce="n=,1", uri="sip:r.example;x=Y",
        response="00ff", algorithm=SHA-256, cnonce="c", qop=auth, nc=0000000a, opaque="""#;

    #[test]
    fn all_parts_are_read_as_they_came() {
        let read = Credentials::parse(WHOLE).unwrap();
        assert_eq!((read.user.as_str(), read.nonce.as_str()), ("a\"b", "n=,1"));
        assert_eq!(read.uri, "sip:r.example;x=Y");
        assert_eq!((read.count, read.algorithm), (10, Algorithm::Sha256));
    }

    #[test]
    fn without_an_algorithm_it_is_md5() {
        let text = WHOLE.replace("algorithm=SHA-256, ", "");
        assert_eq!(Credentials::parse(&text).unwrap().algorithm, Algorithm::Md5);
    }

    #[test]
    fn what_is_not_whole_is_none() {
        for (from, to) in [
            ("qop=auth, ", ""),
            ("qop=auth", "qop=auth-int"),
            ("nc=0000000a", "nc=a"),
            ("nc=0000000a", "nc=0000000g"),
            ("SHA-256", "SHA-512-256"),
            ("cnonce=\"c\", ", ""),
            ("Digest", "Basic"),
            ("opaque=\"\"", "opaque=\""),
        ] {
            let text = WHOLE.replace(from, to);
            assert_ne!(text, WHOLE);
            assert_eq!(Credentials::parse(&text), None, "{text}");
        }
    }
}
