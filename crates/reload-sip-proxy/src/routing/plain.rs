//! Messages that mean the same to everybody who reads them: what the proxy checks has to be what the phone
//! behind it shows and acts upon. All others are refused (RFC 3261 sections 16.3 and 21.4.1), though a part
//! of them is legal SIP that no phone writes.

use rsipstack::sip::{Header, Headers};

use crate::edge::NameAddr;

/// How a message can be read in more than one way; none if it cannot.
pub(super) fn ambiguity(headers: &Headers) -> Option<&'static str> {
    if !headers.iter().all(is_one_line) {
        return Some("a header field holds a control character");
    }
    let count = |is_it: fn(&Header) -> bool| headers.iter().filter(|it| is_it(it)).count();
    let once = [
        count(|it| matches!(it, Header::From(_))),
        count(|it| matches!(it, Header::To(_))),
        count(|it| matches!(it, Header::CallId(_))),
        count(|it| matches!(it, Header::CSeq(_))),
    ];
    if once != [1; 4] {
        return Some("From, To, Call-ID and CSeq are to be there once");
    }
    if count(|it| matches!(it, Header::MaxForwards(_))) > 1 {
        return Some("Max-Forwards is there twice");
    }
    let mut parties = headers.iter().filter(|it| matches!(it, Header::From(_) | Header::To(_)));
    let is_unclear = parties.any(|it| party(it.value()).is_none());
    is_unclear.then_some("From or To is not one address")
}

/// The one address in From or To; none if another one can be seen in it. Phones look for brackets without
/// regard to quotes, so there is one pair of them at most.
pub(super) fn party(value: &str) -> Option<NameAddr> {
    let seen = match (value.matches('<').count(), value.matches('>').count()) {
        (1, 1) => value.split_once('<')?.1.split_once('>')?.0,
        (0, 0) if !value.contains('"') => value.split(';').next()?,
        _ => return None,
    };
    let mut list = NameAddr::parse_list(value)?;
    let party = list.pop().filter(|it| list.is_empty() && it.uri == seen.trim())?;
    let tags = party.parameters.iter().filter(|(name, _)| name == "tag").count();
    let is_clear = tags <= 1 && !party.uri.contains(|c: char| c == '"' || c.is_whitespace());
    is_clear.then_some(party)
}

/// A text in one line, whatever somebody takes for a line end.
pub(super) fn in_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn is_one_line(header: &Header) -> bool {
    let is_open = |c: char| !c.is_control() || c == '\t';
    header.value().chars().all(is_open) && header.name().bytes().all(|it| it.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(value: &str) -> Option<String> {
        party(value).map(|it| it.uri)
    }

    #[test]
    fn one_address_is_read_with_its_name_and_parameters() {
        for value in [
            "<sip:a@b>;tag=1",
            "sip:a@b;tag=1",
            "A B <sip:a@b>",
            "\"A, \\\"B\\\"; c\" <sip:a@b>;tag=1;x=\"y,z\"",
        ] {
            assert_eq!(uri(value).as_deref(), Some("sip:a@b"), "{value}");
        }
    }

    #[test]
    fn what_may_be_another_address_is_none() {
        for value in [
            "\"<sip:c@d>\" <sip:a@b>",
            "sip:a@b;x=\"<sip:c@d>\"",
            "\"x\" sip:a@b",
            "<sip:a@b>, <sip:c@d>",
            "sip:c@d, <sip:a@b>",
            "<sip:a@b>;tag=1;TAG=2",
            "<sip:a@b",
            "\"x <sip:a@b>",
            "sip:c@d sip:a@b",
            "",
        ] {
            assert_eq!(uri(value), None, "{value}");
        }
    }
}
