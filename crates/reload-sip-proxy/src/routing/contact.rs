//! Contact between the overlay and phones (RFC 7904 section 5.1): peers get to see our GRUU and no address
//! of the underlay; its parameter `line` says which phone is meant.

use rsipstack::sip::{Header, Headers};

use super::header::address;
use crate::edge::NameAddr;

/// Names the phone in a GRUU of ours.
pub(super) const LINE: &str = "line";

/// Puts our GRUU in place of the first address of a phone in Contact; its parameters stay.
pub(super) fn hide(headers: &mut Headers, gruu: &str, line: Option<&str>) {
    let line = line.map(|line| format!(";{LINE}={line}")).unwrap_or_default();
    for header in headers.iter_mut() {
        if let Header::Contact(contact) = header
            && contact.value().trim() != "*"
        {
            let after = address(contact.value()).map(|it| parameters(&it)).unwrap_or_default();
            contact.replace(format!("<{gruu}{line}>{after}"));
        }
    }
}

/// The parameters of the header field, each with the semicolon before it.
fn parameters(contact: &NameAddr) -> String {
    let written = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!(";{name}={value}"),
        None => format!(";{name}"),
    };
    contact.parameters.iter().map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(contact: &str) -> String {
        let mut headers: Headers = Header::Contact(contact.into()).into();
        hide(&mut headers, "sip:alice@dht.example;gr=AAAA", Some("l1"));
        headers.iter().next().unwrap().value().to_owned()
    }

    #[test]
    fn the_address_of_a_phone_is_replaced_and_its_features_stay() {
        let gruu = "<sip:alice@dht.example;gr=AAAA;line=l1>";
        let with = "\"Phone\" <sip:a@10.0.0.7:5062;transport=udp>;+sip.instance=\"<urn:x>\";audio";
        assert_eq!(hidden(with), format!("{gruu};+sip.instance=\"<urn:x>\";audio"));
        assert_eq!(hidden("sip:a@10.0.0.7;expires=60"), format!("{gruu};expires=60"));
        assert_eq!(hidden("sip:a@10.0.0.7"), gruu);
        assert_eq!(hidden("*"), "*");
        assert_eq!(hidden("\"a>b\" <sip:a@10.0.0.7>;audio"), format!("{gruu};audio"));
        assert_eq!(hidden("<sip:a@10.0.0.7>, <sip:a@10.0.0.8>"), gruu);
        for odd in ["\u{3000}\u{e9}", "a>10.0.0.7<b", "<sip:a@10.0.0.7", ""] {
            assert_eq!(hidden(odd), gruu, "{odd}");
        }
    }
}
