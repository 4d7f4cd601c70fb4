//! POSIX extended regular expressions over ASCII (RFC 7904 section 3.4), as far as POSIX defines them:
//! what it leaves undefined is refused. They match whole texts, letters without case, in time that grows
//! with text times expression. No back-references, no collation, no equivalence classes.

use crate::syntax::{Term, parse};

/// Steps of the longest program: `{1,255}` within `{1,255}` would be more than anyone needs.
const MAX_STEPS: usize = 2048;

/// An expression that was read.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    steps: Vec<Step>,
}

/// A set of ASCII characters, one bit each.
pub(crate) type Set = u128;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One character of the set.
    One(Set),
    /// Go on at both.
    Fork(usize, usize),
    /// Go on there.
    Jump(usize),
    /// Only at the start of the text.
    Start,
    /// Only at its end.
    End,
    /// All is matched.
    Done,
}

impl Expression {
    /// None if it is no expression, or too large.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let mut expression = Self { steps: Vec::new() };
        expression.add(&parse(text.as_bytes())?)?;
        expression.push(Step::Done)?;
        Some(expression)
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let mut threads = Threads::new(self.steps.len());
        self.follow(0, 0, text.len(), &mut threads);
        for (at, byte) in text.iter().enumerate() {
            let mut next = Threads::new(self.steps.len());
            for step in &threads.order {
                if let Step::One(set) = self.steps[*step]
                    && bit(byte.to_ascii_lowercase()) & set != 0
                {
                    self.follow(step + 1, at + 1, text.len(), &mut next);
                }
            }
            threads = next;
        }
        threads.order.iter().any(|step| matches!(self.steps[*step], Step::Done))
    }

    /// All steps that are reached from one without a character.
    fn follow(&self, from: usize, at: usize, end: usize, threads: &mut Threads) {
        let mut open = vec![from];
        while let Some(step) = open.pop() {
            if !threads.add(step) {
                continue;
            }
            match self.steps[step] {
                Step::Fork(first, second) => open.extend([second, first]),
                Step::Jump(to) => open.push(to),
                Step::Start if at == 0 => open.push(step + 1),
                Step::End if at == end => open.push(step + 1),
                Step::Start | Step::End | Step::One(_) | Step::Done => {}
            }
        }
    }

    fn push(&mut self, step: Step) -> Option<usize> {
        self.steps.push(step);
        (self.steps.len() <= MAX_STEPS).then(|| self.steps.len() - 1)
    }

    fn add(&mut self, term: &Term) -> Option<()> {
        match term {
            Term::One(set) => self.push(Step::One(*set)).map(drop),
            Term::Start => self.push(Step::Start).map(drop),
            Term::End => self.push(Step::End).map(drop),
            Term::Sequence(terms) => terms.iter().try_for_each(|term| self.add(term)),
            Term::Choice(terms) => self.add_choice(terms),
            Term::Repeat { term, least, most } => self.add_repeat(term, *least, *most),
        }
    }

    fn add_choice(&mut self, terms: &[Term]) -> Option<()> {
        let mut ends = Vec::new();
        for (left, term) in terms.iter().enumerate().map(|(n, term)| (terms.len() - 1 - n, term)) {
            if left == 0 {
                self.add(term)?;
                continue;
            }
            let fork = self.push(Step::Done)?;
            self.add(term)?;
            ends.push(self.push(Step::Done)?);
            self.steps[fork] = Step::Fork(fork + 1, self.steps.len());
        }
        let behind = self.steps.len();
        ends.into_iter().for_each(|end| self.steps[end] = Step::Jump(behind));
        Some(())
    }

    fn add_repeat(&mut self, term: &Term, least: u16, most: Option<u16>) -> Option<()> {
        (0..least).try_for_each(|_| self.add(term))?;
        let Some(most) = most else {
            let fork = self.push(Step::Done)?;
            self.add(term)?;
            self.push(Step::Jump(fork))?;
            self.steps[fork] = Step::Fork(fork + 1, self.steps.len());
            return Some(());
        };
        let mut forks = Vec::new();
        for _ in least..most {
            forks.push(self.push(Step::Done)?);
            self.add(term)?;
        }
        let behind = self.steps.len();
        forks.into_iter().for_each(|fork| self.steps[fork] = Step::Fork(fork + 1, behind));
        Some(())
    }
}

/// The set of one character; beyond ASCII there is none.
pub(crate) fn bit(byte: u8) -> Set {
    1_u128.checked_shl(u32::from(byte)).unwrap_or(0)
}

/// The steps that are reached, each once.
struct Threads {
    order: Vec<usize>,
    reached: Vec<bool>,
}

impl Threads {
    fn new(steps: usize) -> Self {
        Self { order: Vec::new(), reached: vec![false; steps] }
    }

    fn add(&mut self, step: usize) -> bool {
        if std::mem::replace(&mut self.reached[step], true) {
            return false;
        }
        self.order.push(step);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, text: &str) -> bool {
        Expression::new(expression).expect(expression).matches(text)
    }

    // R7904-3.4-04
    #[test]
    fn an_expression_matches_the_whole_text_without_case() {
        assert!(matches(r"dht\.example\.com", "dht.example.com"));
        assert!(matches(r"DHT\.example\.com", "dht.EXAMPLE.com"));
        assert!(!matches(r"dht\.example\.com", "dhtxexampleYcom"));
        assert!(!matches(r"dht\.example\.com", "dht.example.com.evil"));
        assert!(!matches("example", "an.example"));
        assert!(!matches("a|b", "ab"));
    }

    #[test]
    fn the_operators_are_those_of_posix() {
        let cases: [(&str, &[&str], &[&str]); 12] = [
            ("a.c", &["abc", "a.c"], &["ac", "abbc"]),
            ("ab*", &["a", "abbb"], &["b", ""]),
            ("ab+", &["ab", "abb"], &["a"]),
            ("ab?c", &["ac", "abc"], &["abbc"]),
            ("a{2}", &["aa"], &["a", "aaa"]),
            ("a{2,}", &["aa", "aaaa"], &["a"]),
            ("a{1,3}b", &["ab", "aaab"], &["b", "aaaab"]),
            ("(ab|cd)*e", &["e", "abcde"], &["ace"]),
            ("[a-c]+", &["abc"], &["abd", "a-c"]),
            ("[^a-c]", &["d", "-"], &["a"]),
            ("[]a-]", &["]", "a", "-"], &["b"]),
            ("^(x|[[:digit:]]{2})$", &["x", "42"], &["4", "xx"]),
        ];
        for (expression, taken, refused) in cases {
            taken.iter().for_each(|text| assert!(matches(expression, text), "{expression} {text}"));
            refused
                .iter()
                .for_each(|text| assert!(!matches(expression, text), "{expression} {text}"));
        }
    }

    // R7904-3.4-04
    #[test]
    fn what_posix_leaves_undefined_is_refused() {
        for expression in [
            "",
            "(",
            ")",
            "()",
            "a|",
            "|a",
            "*a",
            "a**",
            "a+?",
            "a{",
            "a{x}",
            "a{2,1}",
            "a{256}",
            "[",
            "[]",
            "[b-a]",
            "[[:nope:]]",
            r"\d",
            r"a\",
            r"(?:a)",
            "[[.a.]]",
            "ä",
            "(*a)",
        ] {
            assert!(Expression::new(expression).is_none(), "{expression:?}");
        }
    }

    #[test]
    fn depth_size_and_time_are_bounded() {
        assert!(Expression::new(&"(".repeat(100_000)).is_none());
        assert!(Expression::new("((a{1,255}){1,255}){1,255}").is_none());
        let evil = Expression::new("((a*)*)*b").unwrap();
        assert!(!evil.matches(&"a".repeat(10_000)));
    }
}
