//! `domain-restriction` (RFC 7904 section 3.4) as documents have it.

use reload_config::{
    AccessControl, ConfigurationBuilder, DomainPattern, DomainRestriction, KindBlock,
    KindDefinition, Leniency, NS_SIP, OverlayDocument, ReadOptions, iana_kind,
};
use reload_wire::{DataModel, KindId};

use crate::document;

fn read(restriction: &str, leniency: Leniency) -> Result<Option<DomainRestriction>, String> {
    let text = document(&format!(
        "<root-cert>MAMCAQE=</root-cert><required-kinds><kind-block><kind name='SIP-REGISTRATION' \
         xmlns:sip='{NS_SIP}'><data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>\
         <max-count>9</max-count><max-size>1000</max-size>{restriction}</kind></kind-block>\
         </required-kinds>"
    ));
    let options = ReadOptions::from(leniency);
    let document = OverlayDocument::parse_with(text.as_bytes(), &options);
    let document = document.map_err(|error| error.to_string())?;
    let kind = document.configurations()[0].kind(KindId::SIP_REGISTRATION).cloned();
    Ok(kind.expect("it is in the document").domain_restriction)
}

fn strict(restriction: &str) -> Option<DomainRestriction> {
    read(restriction, Leniency::Strict).unwrap()
}

// R7904-3.4-02, R7904-3.4-03, R7904-3.4-05
#[test]
fn patterns_and_enable_are_read() {
    assert_eq!(strict(""), None);
    let patterns = ["dht\\.example\\.com", ".*\\.my\\.example", "[a-z]+"];
    for count in [0, 1, 3] {
        let inside: String =
            patterns[..count].iter().map(|it| format!("<sip:pattern>{it}</sip:pattern>")).collect();
        for (attribute, enable) in
            [("enable='true'", true), ("enable='1'", true), ("enable='false'", false), ("", false)]
        {
            for name in ["domain-restriction", "domain-restrictions"] {
                let found = strict(&format!("<sip:{name} {attribute}>{inside}</sip:{name}>"));
                let found = found.expect("there is one");
                assert_eq!((found.enable, found.patterns.len()), (enable, count));
            }
        }
    }
}

// R7904-3.4-04
#[test]
fn a_bad_pattern_makes_the_document_invalid() {
    let bad = "<sip:domain-restriction enable='true'><sip:pattern>(a</sip:pattern>\
               </sip:domain-restriction>";
    for leniency in [Leniency::Strict, Leniency::Lenient] {
        let error = read(bad, leniency).unwrap_err();
        assert!(error.contains("is not a POSIX extended regular expression"), "{error}");
    }
}

#[test]
fn what_the_grammar_does_not_have_is_refused_or_with_leniency_passed_over() {
    let odd = [
        "<sip:domain-restriction extra='1'/>",
        "<sip:domain-restriction><sip:other/></sip:domain-restriction>",
    ];
    for odd in odd {
        assert!(read(odd, Leniency::Strict).is_err(), "{odd}");
        assert_eq!(
            read(odd, Leniency::Lenient),
            Ok(Some(DomainRestriction::own_domain())),
            "{odd}"
        );
    }
    for leniency in [Leniency::Strict, Leniency::Lenient] {
        let twice = "<sip:domain-restriction/><sip:domain-restrictions/>";
        assert!(read(twice, leniency).is_err());
        assert!(read("<sip:domain-restriction enable='x'/>", leniency).is_err());
    }
}

// R7904-7-01, R7904-9.1-01
#[test]
fn the_kind_is_that_of_the_registry_whatever_the_document_says() {
    let text = document(
        "<root-cert>MAMCAQE=</root-cert><required-kinds><kind-block><kind name='SIP-REGISTRATION'>\
         <data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>\
         <max-count>9</max-count><max-size>1000</max-size></kind></kind-block></required-kinds>",
    );
    let document = OverlayDocument::parse(text.as_bytes()).unwrap();
    let kind = document.configurations()[0].kind(KindId(0x0000_0001)).unwrap();
    assert_eq!(kind.name.as_deref(), Some("SIP-REGISTRATION"));
    assert_eq!(kind.model, DataModel::Dictionary);
    assert_eq!(kind.access, AccessControl::UserNodeMatch);
}

// R7904-9.2-01
#[test]
fn another_namespace_leaves_the_restriction_unset() {
    assert_eq!(strict("<ext:domain-restriction enable='true'/>"), None);
}

// R7904-3.4-07, R7904-3.4-08
#[test]
fn the_own_domain_or_the_patterns_are_permitted() {
    let own = strict("<sip:domain-restriction/>").unwrap();
    assert!(own.permits("dht.example.com", "DHT.example.com"));
    assert!(!own.permits("dht.example.com", "my.example"));
    let two = strict(
        "<sip:domain-restriction enable='true'><sip:pattern>dht\\.example\\.com</sip:pattern>\
         <sip:pattern>.*\\.my\\.example</sip:pattern></sip:domain-restriction>",
    );
    let two = two.unwrap();
    for (domain, expected) in [
        ("dht.example.com", true),
        ("x.my.example", true),
        ("my.example", false),
        ("dht.example.com.evil", false),
        ("o.example", false),
    ] {
        assert_eq!(two.permits("o.example", domain), expected, "{domain}");
    }
}

// R7904-3.4-02
#[test]
fn a_restriction_that_is_written_is_read_again() {
    let registered = iana_kind("SIP-REGISTRATION").unwrap();
    let pattern = DomainPattern::new("a&[<\"]|b").unwrap();
    let restriction = DomainRestriction { enable: true, patterns: vec![pattern] };
    let mut builder = ConfigurationBuilder::new_overlay("a.example");
    builder.kinds = vec![KindBlock::new(KindDefinition {
        domain_restriction: Some(restriction.clone()),
        ..KindDefinition::registered(registered, 9, 1000)
    })];
    builder.mandatory_extensions = vec![NS_SIP.to_owned()];
    let read = builder.to_configuration().unwrap();
    let kind = read.kind(KindId::SIP_REGISTRATION).unwrap();
    assert_eq!(kind.domain_restriction, Some(restriction));
    let lacks_sip = |it: &&reload_config::ConfigError| it.to_string().contains(NS_SIP);
    assert!(read.problems().iter().find(lacks_sip).is_none(), "{:?}", read.problems());
}
