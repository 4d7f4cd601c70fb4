//! `domain-restriction` of the Kind SIP-REGISTRATION (RFC 7904 section 3.4): whose AORs may be stored
//! and looked up in the overlay.

use std::fmt::Write as _;

use crate::NS_SIP;
use crate::element::Element;
use crate::error::{ConfigError, Problem, shorten};
use crate::expression::Expression;
use crate::write::escape_into;

/// The names of the element: that of the grammar, which is written, and that of the text.
const NAMES: [&str; 2] = ["domain-restriction", "domain-restrictions"];

/// The domains whose AORs the overlay takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainRestriction {
    /// Whether the patterns say which domains; otherwise it is the overlay's own name alone.
    pub enable: bool,
    /// The patterns. A domain that one of them matches is taken.
    pub patterns: Vec<DomainPattern>,
}

impl DomainRestriction {
    /// The overlay's own domain only.
    #[must_use]
    pub const fn own_domain() -> Self {
        Self { enable: false, patterns: Vec::new() }
    }

    /// Whether AORs of this domain are taken in the overlay of that name (RFC 7904 section 3.4).
    #[must_use]
    pub fn permits(&self, overlay: &str, domain: &str) -> bool {
        if self.enable {
            self.patterns.iter().any(|pattern| pattern.matches(domain))
        } else {
            domain.eq_ignore_ascii_case(overlay)
        }
    }

    /// Whether the element is one of these.
    pub(crate) fn is_element(element: Element<'_>) -> bool {
        element.namespace() == Some(NS_SIP) && NAMES.contains(&element.name())
    }

    pub(crate) fn read(element: Element<'_>) -> Result<Self, ConfigError> {
        element.allow_attributes(&["enable"])?;
        let enable = match element.attribute("enable") {
            None => false,
            Some(text) => element.boolean_in(text)?,
        };
        let mut patterns = Vec::new();
        for child in element.children()? {
            if child.namespace() == Some(NS_SIP) && child.name() == "pattern" {
                child.allow_attributes(&[])?;
                patterns.push(DomainPattern::new(&child.text()?).map_err(|it| child.refuse(it))?);
            } else if !element.leniency.is_lenient() {
                let name = shorten(child.name());
                return Err(element.refuse(Problem::UnknownElement { name }));
            }
        }
        Ok(Self { enable, patterns })
    }

    pub(crate) fn to_xml(&self) -> String {
        let mut out = String::new();
        let (name, enable) = (NAMES[0], self.enable);
        let _ = write!(out, "<sip:{name} xmlns:sip=\"{NS_SIP}\" enable=\"{enable}\">");
        for pattern in &self.patterns {
            out.push_str("<sip:pattern>");
            escape_into(&mut out, pattern.as_str());
            out.push_str("</sip:pattern>");
        }
        let _ = write!(out, "</sip:{name}>");
        out
    }
}

/// A pattern of domains: a POSIX extended regular expression that matches the whole domain, letters
/// without case.
#[derive(Clone, Debug)]
pub struct DomainPattern {
    text: String,
    expression: Expression,
}

impl DomainPattern {
    /// A pattern from its text.
    ///
    /// # Errors
    /// [`Problem::NotPattern`] if it is no expression, or one that is too large.
    pub fn new(text: &str) -> Result<Self, Problem> {
        match Expression::new(text) {
            Some(expression) => Ok(Self { text: text.to_owned(), expression }),
            None => Err(Problem::NotPattern { value: shorten(text) }),
        }
    }

    /// Whether it matches the whole domain.
    #[must_use]
    pub fn matches(&self, domain: &str) -> bool {
        self.expression.matches(domain)
    }

    /// The text of the expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for DomainPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for DomainPattern {}
