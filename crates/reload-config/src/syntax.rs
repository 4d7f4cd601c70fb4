//! Reads POSIX extended regular expressions (IEEE 1003.1 section 9.4) into terms, depth-bounded.

use crate::expression::{Set, bit};

/// Groups within groups.
const MAX_DEPTH: usize = 16;
/// RE_DUP_MAX, the most repetitions.
const MAX_REPEAT: u16 = 255;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    /// One character; letters of the set are lower-case.
    One(Set),
    /// `^`
    Start,
    /// `$`
    End,
    Sequence(Vec<Term>),
    Choice(Vec<Term>),
    Repeat {
        term: Box<Term>,
        least: u16,
        most: Option<u16>,
    },
}

/// The term of a whole expression; none if it is not one.
pub(crate) fn parse(text: &[u8]) -> Option<Term> {
    let mut reader = Reader { rest: text };
    let term = reader.choice(0)?;
    (reader.rest.is_empty() && text.is_ascii()).then_some(term)
}

/// A name in brackets, and what belongs to it.
type Class = (&'static [u8], fn(&u8) -> bool);

/// The character classes of the POSIX locale.
const CLASSES: [Class; 12] = [
    (b"[:alnum:]", u8::is_ascii_alphanumeric),
    (b"[:alpha:]", u8::is_ascii_alphabetic),
    (b"[:blank:]", |byte| matches!(byte, b' ' | b'\t')),
    (b"[:cntrl:]", u8::is_ascii_control),
    (b"[:digit:]", u8::is_ascii_digit),
    (b"[:graph:]", u8::is_ascii_graphic),
    (b"[:lower:]", u8::is_ascii_lowercase),
    (b"[:print:]", |byte| matches!(byte, b' '..=b'~')),
    (b"[:punct:]", u8::is_ascii_punctuation),
    (b"[:space:]", |byte| byte.is_ascii_whitespace() || *byte == 0x0b),
    (b"[:upper:]", u8::is_ascii_uppercase),
    (b"[:xdigit:]", u8::is_ascii_hexdigit),
];

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn choice(&mut self, depth: usize) -> Option<Term> {
        let mut terms = vec![self.sequence(depth)?];
        while self.take(b"|") {
            terms.push(self.sequence(depth)?);
        }
        Some(if terms.len() == 1 { terms.remove(0) } else { Term::Choice(terms) })
    }

    /// At least one piece: an empty alternative is undefined.
    fn sequence(&mut self, depth: usize) -> Option<Term> {
        let mut terms = Vec::new();
        while !matches!(self.rest.first(), None | Some(b'|' | b')')) {
            let term = self.atom(depth)?;
            terms.push(self.repeated(term)?);
        }
        (!terms.is_empty()).then_some(Term::Sequence(terms))
    }

    fn atom(&mut self, depth: usize) -> Option<Term> {
        match self.next()? {
            b'(' if depth < MAX_DEPTH => {
                let inner = self.choice(depth + 1)?;
                self.take(b")").then_some(inner)
            }
            b'[' => self.bracket().map(Term::One),
            b'.' => Some(Term::One(Set::MAX)),
            b'^' => Some(Term::Start),
            b'$' => Some(Term::End),
            b'\\' => {
                let escaped = self.next().filter(u8::is_ascii_punctuation)?;
                Some(Term::One(bit(escaped)))
            }
            b'(' | b'*' | b'+' | b'?' | b'{' => None,
            ordinary => Some(Term::One(bit(ordinary.to_ascii_lowercase()))),
        }
    }

    /// At most one repetition: more of them, or one of an anchor, are undefined.
    fn repeated(&mut self, term: Term) -> Option<Term> {
        let (least, most) = match self.rest.first() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => (0, Some(0)),
            _ => return Some(term),
        };
        if matches!(term, Term::Start | Term::End) {
            return None;
        }
        let (least, most) =
            if self.next() == Some(b'{') { self.interval()? } else { (least, most) };
        if matches!(self.rest.first(), Some(b'*' | b'+' | b'?' | b'{')) {
            return None;
        }
        Some(Term::Repeat { term: Box::new(term), least, most })
    }

    /// `n}`, `n,}` or `n,m}`.
    fn interval(&mut self) -> Option<(u16, Option<u16>)> {
        let least = self.number()?;
        if self.take(b"}") {
            return Some((least, Some(least)));
        }
        if !self.take(b",") {
            return None;
        }
        if self.take(b"}") {
            return Some((least, None));
        }
        let most = self.number().filter(|most| *most >= least)?;
        self.take(b"}").then_some((least, Some(most)))
    }

    fn number(&mut self) -> Option<u16> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(digits);
        let number: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        self.rest = rest;
        (number <= MAX_REPEAT).then_some(number)
    }

    /// What follows `[`; a `]` at its start is a character, and so is a `-` at its end.
    fn bracket(&mut self) -> Option<Set> {
        let negated = self.take(b"^");
        let mut set = 0;
        let mut first = true;
        loop {
            if self.rest.starts_with(b"[:") {
                set |= self.class()?;
            } else if !first && self.take(b"]") {
                return Some(if negated { !set } else { set });
            } else {
                set |= self.range()?;
            }
            first = false;
        }
    }

    /// One character, or two with `-` between them.
    fn range(&mut self) -> Option<Set> {
        if self.rest.starts_with(b"[.") || self.rest.starts_with(b"[=") {
            return None;
        }
        let low = self.next()?;
        let high = match self.rest {
            [b'-', b']', ..] => low,
            [b'-', high, rest @ ..] if *high != b'[' => {
                self.rest = rest;
                *high
            }
            _ => low,
        };
        let folded = (low..=high).map(|byte| bit(byte.to_ascii_lowercase()));
        (low <= high).then(|| folded.fold(0, |set, one| set | one))
    }

    fn class(&mut self) -> Option<Set> {
        let (_, belongs) = CLASSES.iter().find(|(name, _)| self.take(name))?;
        let members = (0..128_u8).filter(belongs);
        Some(members.fold(0, |set, byte| set | bit(byte.to_ascii_lowercase())))
    }
}
