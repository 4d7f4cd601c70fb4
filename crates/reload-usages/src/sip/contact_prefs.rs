//! Contact preferences (RFC 7904 section 3.2): a feature set predicate of RFC 3840 in the syntax of
//! RFC 2533, such as `(&(sip.schemes=SIPS)(sip.audio=TRUE))`. Only what the usage asks of them is
//! evaluated: the scheme that is wanted, and the quality.

use std::fmt;

use super::features::predicate;
use super::uri::Scheme;

/// The longest predicate that is read.
const MAX_LENGTH: usize = 4096;
/// Filters within filters.
const MAX_DEPTH: usize = 8;
/// The tag of the scheme, in lower case.
const SCHEMES: &str = "sip.schemes";
/// The quality of a predicate that names none, in thousandths.
const BEST: u16 = 1000;

/// The preferences of a callee.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContactPrefs {
    text: String,
    scheme: Option<Scheme>,
    schemes: [bool; 2],
    quality: u16,
}

/// A text that is no predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the contact preferences are no feature set predicate of RFC 2533, or too long a one")]
pub struct ContactPrefsError;

impl ContactPrefs {
    /// No preferences: an empty text.
    #[must_use]
    pub const fn none() -> Self {
        Self { text: String::new(), scheme: None, schemes: [true; 2], quality: BEST }
    }

    /// That of a callee that wants to be reached by this scheme alone.
    #[must_use]
    pub fn only(scheme: Scheme) -> Self {
        let text = format!("(sip.schemes={})", scheme.name().to_ascii_uppercase());
        let schemes = [scheme == Scheme::Sip, scheme == Scheme::Sips];
        Self { text, scheme: Some(scheme), schemes, quality: BEST }
    }

    /// Reads a predicate; an empty text is none.
    ///
    /// # Errors
    /// [`ContactPrefsError`].
    pub fn parse(text: &[u8]) -> Result<Self, ContactPrefsError> {
        let text = std::str::from_utf8(text).map_err(|_| ContactPrefsError)?;
        if text.is_empty() {
            return Ok(Self::none());
        }
        if text.len() > MAX_LENGTH {
            return Err(ContactPrefsError);
        }
        let mut reader = Reader { rest: text };
        let (filter, quality) = reader.whole().ok_or(ContactPrefsError)?;
        let schemes = [Scheme::Sip, Scheme::Sips].map(|scheme| filter.may_hold(scheme).0);
        let scheme = match schemes {
            [true, false] => Some(Scheme::Sip),
            [false, true] => Some(Scheme::Sips),
            _ => None,
        };
        Ok(Self { text: text.to_owned(), scheme, schemes, quality })
    }

    /// Those of a Contact header field, from its parameters without their quotation marks (RFC 3840
    /// sections 5 and 9). Parameters that are no features are left out.
    ///
    /// # Errors
    /// [`ContactPrefsError`] if a feature is not written as RFC 3840 has it.
    pub fn of_contact<'a>(
        parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, ContactPrefsError> {
        let predicate = predicate(parameters).ok_or(ContactPrefsError)?;
        Self::parse(predicate.as_bytes())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme that the callee wants, if it is one of them.
    #[must_use]
    pub const fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// Whether calls by this scheme fit the preferences.
    #[must_use]
    pub const fn takes(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Sip => self.schemes[0],
            Scheme::Sips => self.schemes[1],
        }
    }

    /// The quality in thousandths: what has more is tried first.
    #[must_use]
    pub const fn quality(&self) -> u16 {
        self.quality
    }
}

impl fmt::Display for ContactPrefs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A filter, as far as the scheme goes.
#[derive(Debug)]
enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// The scheme is one of these.
    Schemes(Vec<String>),
    /// About something else.
    Other,
}

impl Filter {
    /// Whether it can be true, and whether it can be false, for a call by this scheme.
    fn may_hold(&self, scheme: Scheme) -> (bool, bool) {
        match self {
            Self::All(filters) => {
                let all = filters.iter().map(|filter| filter.may_hold(scheme));
                all.fold((true, false), |(yes, no), it| (yes && it.0, no || it.1))
            }
            Self::Any(filters) => {
                let all = filters.iter().map(|filter| filter.may_hold(scheme));
                all.fold((false, true), |(yes, no), it| (yes || it.0, no && it.1))
            }
            Self::Not(filter) => {
                let (yes, no) = filter.may_hold(scheme);
                (no, yes)
            }
            Self::Schemes(names) => {
                let named = names.iter().any(|name| name.eq_ignore_ascii_case(scheme.name()));
                (named, !named)
            }
            Self::Other => (true, true),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// A filter and its parameters up to the end.
    fn whole(&mut self) -> Option<(Filter, u16)> {
        let filter = self.filter(0)?;
        let mut quality = BEST;
        while self.take(';') {
            let name = self.word(|c| c.is_ascii_alphanumeric() || c == '-')?;
            let value = if self.take('=') { self.value()? } else { Value::text("") };
            if name.eq_ignore_ascii_case("q") {
                quality = read_quality(&value.text)?;
            }
        }
        self.rest.is_empty().then_some((filter, quality))
    }

    fn filter(&mut self, depth: usize) -> Option<Filter> {
        if depth > MAX_DEPTH || !self.take('(') {
            return None;
        }
        let filter = if self.take('&') {
            Filter::All(self.filters(depth)?)
        } else if self.take('|') {
            Filter::Any(self.filters(depth)?)
        } else if self.take('!') {
            Filter::Not(Box::new(self.filter(depth + 1)?))
        } else {
            self.item()?
        };
        self.take(')').then_some(filter)
    }

    /// At least one.
    fn filters(&mut self, depth: usize) -> Option<Vec<Filter>> {
        let mut filters = vec![self.filter(depth + 1)?];
        while self.rest.starts_with('(') {
            filters.push(self.filter(depth + 1)?);
        }
        Some(filters)
    }

    /// `tag=value`, `tag>=value`, `tag<=value`, `tag=low..high`, or `tag=[value,low..high]`.
    fn item(&mut self) -> Option<Filter> {
        let tag = self.tag()?;
        let is_order = self.take('>') || self.take('<');
        if !self.take('=') {
            return None;
        }
        let values = if !is_order && self.take('[') { self.set()? } else { self.range()? };
        if is_order && !values.iter().all(|value| value.is_number) {
            return None;
        }
        if tag.eq_ignore_ascii_case(SCHEMES) && !is_order {
            return Some(Filter::Schemes(values.into_iter().map(|value| value.text).collect()));
        }
        Some(Filter::Other)
    }

    fn set(&mut self) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        loop {
            values.extend(self.range()?);
            if self.take(']') {
                return Some(values);
            }
            if !self.take(',') {
                return None;
            }
        }
    }

    /// A value, or `low..high`.
    fn range(&mut self) -> Option<Vec<Value>> {
        let mut values = vec![self.value()?];
        if let Some(rest) = self.rest.strip_prefix("..") {
            self.rest = rest;
            values.push(self.value()?);
        }
        Some(values)
    }

    /// `ftag` of RFC 2506: in a registration tree, global by a URI, or unregistered.
    fn tag(&mut self) -> Option<String> {
        let tag = self.word(|c| c.is_ascii_alphanumeric() || "-._+:/".contains(c))?;
        tag.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(tag)
    }

    fn value(&mut self) -> Option<Value> {
        if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, rest) = rest.split_once('"')?;
            self.rest = rest;
            self.skip_blanks();
            return (!text.chars().any(char::is_control)).then(|| Value::text(text));
        }
        if let Some(number) = self.number() {
            return Some(Value { text: number, is_number: true });
        }
        self.word(is_word).map(|text| Value { text, is_number: false })
    }

    /// An integer, a fraction `1/3`, or a decimal `0.5`; none if it is the start of a word.
    fn number(&mut self) -> Option<String> {
        let unsigned = self.rest.strip_prefix(['+', '-']).unwrap_or(self.rest);
        let sign = self.rest.len() - unsigned.len();
        let mut length = digits(unsigned)?;
        if let Some(rest) = unsigned[length..].strip_prefix(['.', '/'])
            && let Some(more) = digits(rest)
        {
            length += 1 + more;
        }
        let after = &unsigned[length..];
        let ends = after.starts_with("..") || !after.starts_with(is_word);
        let (number, rest) = self.rest.split_at(sign + length);
        self.rest = ends.then_some(rest)?;
        self.skip_blanks();
        Some(number.to_owned())
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> Option<String> {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.skip_blanks();
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        self.skip_blanks();
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }
}

struct Value {
    text: String,
    is_number: bool,
}

impl Value {
    fn text(text: &str) -> Self {
        Self { text: text.to_owned(), is_number: false }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_+.!%*'~/".contains(c)
}

/// How many digits the text begins with, if any.
fn digits(text: &str) -> Option<usize> {
    let length = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (length > 0).then_some(length)
}

/// 0 to 1 with up to three decimals, in thousandths.
fn read_quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let well_formed = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| well_formed)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(BEST),
        _ => None,
    }
}
