//! Contact preferences, and what they say of a call.

use proptest::prelude::*;

use super::*;

fn prefs(text: &str) -> ContactPrefs {
    ContactPrefs::parse(text.as_bytes()).expect(text)
}

// R7904-3.2-08, R7904-3.2-09, R7904-5.1-11
#[test]
fn the_scheme_that_is_wanted_is_read_from_the_predicate() {
    for (text, expected) in [
        ("", None),
        ("(sip.schemes=SIP)", Some(Scheme::Sip)),
        ("(sip.schemes=SIPS)", Some(Scheme::Sips)),
        ("(&(sip.schemes=SIPS)(sip.audio=TRUE))", Some(Scheme::Sips)),
        ("(& (SIP.Schemes=sip) (sip.mobility=mobile) )", Some(Scheme::Sip)),
        ("(|(sip.schemes=SIP)(sip.schemes=SIPS))", None),
        ("(sip.schemes=[SIP,SIPS])", None),
        ("(!(sip.schemes=SIP))", Some(Scheme::Sips)),
        ("(|(sip.schemes=SIPS)(sip.audio=TRUE))", None),
        (
            "(&(!(|(sip.schemes=SIPS)(sip.schemes=tel)))(sip.events=[presence,winfo]))",
            Some(Scheme::Sip),
        ),
        ("(sip.audio=TRUE)", None),
        ("(sip.schemes=\"SIPS\")", Some(Scheme::Sips)),
        ("(&(sip.priority>=3)(sip.priority<=50)(x=[1..5,7/2])(y=-0.5))", None),
    ] {
        assert_eq!(prefs(text).scheme(), expected, "{text}");
        assert_eq!(prefs(text).as_str(), text);
    }
    for scheme in [Scheme::Sip, Scheme::Sips] {
        assert_eq!(prefs(ContactPrefs::only(scheme).as_str()), ContactPrefs::only(scheme));
    }
    assert_eq!(ContactPrefs::only(Scheme::Sips).as_str(), "(sip.schemes=SIPS)");
}

// R7904-3.2-08
#[test]
fn what_is_no_predicate_is_refused() {
    for text in [
        "sip.schemes=SIP",
        "(",
        "()",
        "(sip.schemes)",
        "(sip.schemes=)",
        "(&)",
        "(!)",
        "(sip.schemes=SIP",
        "(sip.schemes=SIP))",
        "(sip.schemes=SIP)(a=b)",
        "(a=[])",
        "(a=[b)",
        "(a=\"b)",
        "(1a=b)",
        "(a>=b)",
        "(a=b);q=2",
        "(a=b);q=x",
        "(a=b);",
        "(a==b)",
    ] {
        assert_eq!(ContactPrefs::parse(text.as_bytes()), Err(ContactPrefsError), "{text}");
    }
    assert!(ContactPrefs::parse(b"(a=\xff)").is_err());
    let deep = format!("{}(a=b){}", "(!".repeat(10_000), ")".repeat(10_000));
    assert!(ContactPrefs::parse(deep.as_bytes()).is_err());
}

// R7904-3.2-08
#[test]
fn the_examples_of_rfc_3840_are_read() {
    let text = "(& (sip.mobility=fixed)\n   (| (! (sip.events=presence)) (sip.events=message-summary))\n   \
                (| (language=en) (language=de))\n   (sip.description=\"PC\")\n   (sip.newparam=TRUE)\n   \
                (rangeparam=-4..5125/1000))";
    assert_eq!(prefs(text).scheme(), None);
}

fn of_contact(parameters: &[(&str, Option<&str>)]) -> Result<String, ContactPrefsError> {
    ContactPrefs::of_contact(parameters.iter().copied()).map(|prefs| prefs.as_str().to_owned())
}

// R7904-3.2-08, R7904-5.1-11
#[test]
fn the_parameters_of_a_contact_header_field_make_a_predicate() {
    for (parameters, expected) in [
        (&[][..], ""),
        (&[("expires", Some("60")), ("methods", None)], "(sip.methods=TRUE)"),
        (&[("schemes", Some("sips"))], "(sip.schemes=sips)"),
        (&[("audio", None), ("q", Some("0.5"))], "(sip.audio=TRUE);q=0.5"),
        (
            &[
                ("mobility", Some("fixed")),
                ("events", Some("!presence,message-summary")),
                ("language", Some("en,de")),
                ("description", Some("<P,C>")),
                ("+sip.newparam", None),
                ("+rangeparam", Some("#-4:+5.125")),
                ("priority", Some("#>=3")),
            ],
            "(&(sip.mobility=fixed)(|(!(sip.events=presence))(sip.events=message-summary))\
             (|(language=en)(language=de))(sip.description=\"P,C\")(sip.newparam=TRUE)\
             (rangeparam=-4..+5.125)(sip.priority>=3))",
        ),
    ] {
        assert_eq!(of_contact(parameters).as_deref(), Ok(expected));
    }
    let only_quality = ContactPrefs::of_contact([("q", Some("0.3"))]).unwrap();
    assert_eq!((only_quality.quality(), only_quality.scheme()), (300, None));
    for value in ["", "!!a", "a)(b=c", "<a", "#5", "#>=x", "a,,b"] {
        assert!(of_contact(&[("class", Some(value))]).is_err(), "{value}");
    }
    assert!(of_contact(&[("+", None)]).is_err());
    assert!(of_contact(&[("audio", None), ("class", Some("a)(b=c"))]).is_err());
    assert!(of_contact(&[("audio", None), ("+a=b)(c", None)]).is_err());
}

#[test]
fn the_quality_is_read_in_thousandths() {
    for (text, expected) in [
        ("", 1000),
        ("(a=b)", 1000),
        ("(a=b);q=0.5", 500),
        ("(a=b) ; q=1.000", 1000),
        ("(a=b);q=0", 0),
        ("(a=b);x=y;q=0.125", 125),
    ] {
        assert_eq!(prefs(text).quality(), expected, "{text}");
    }
}

fn target(prefs_text: &str) -> SipTarget {
    SipTarget {
        aor: aor("bob@dht.example.org"),
        registrant: Some(node(7)),
        destinations: vec![Destination::Node(node(8)), Destination::Node(node(7))],
        prefs: prefs(prefs_text),
        lifetime: Some(60),
    }
}

// R7904-5.1-02, R7904-5.1-08, R7904-5.1-09
#[test]
fn a_call_follows_the_preference_but_one_by_sips_never_goes_without() {
    let (sip, sips) = (Scheme::Sip, Scheme::Sips);
    for (text, for_sip, for_sips) in [
        ("", Some(sip), Some(sips)),
        ("(sip.schemes=SIPS)", Some(sips), Some(sips)),
        ("(sip.schemes=SIP)", Some(sip), None),
        ("(sip.schemes=[SIP,SIPS])", Some(sip), Some(sips)),
    ] {
        assert_eq!(
            (target(text).scheme(sip), target(text).scheme(sips)),
            (for_sip, for_sips),
            "{text}"
        );
    }
    let application = target("(sip.schemes=SIPS)").scheme(sip).map(Scheme::application);
    assert_eq!(application, Some(5061));
}

// R7904-5.1-03, R7904-5.1-04
#[test]
fn the_node_at_the_other_end_is_the_last_of_the_list() {
    let by_node = target("");
    assert_eq!(by_node.node(), Some(node(7)));
    assert!(by_node.may_be(node(7)) && !by_node.may_be(node(8)));
    let last = |last| SipTarget { destinations: vec![last], ..target("") };
    assert!(last(Destination::compact(1)).may_be(node(9)));
    assert!(!last(Destination::Resource(hash(b"x"))).may_be(node(9)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = ContactPrefs::parse(&bytes);
    }

    #[test]
    fn texts_that_look_like_predicates_do_not_either(text in "[(&|!)=<>\\[\\]a1.;q\" ,/-]{0,40}") {
        let _ = ContactPrefs::parse(text.as_bytes());
        let _ = ContactPrefs::of_contact([("+a", Some(&text[..])), (&text, None)]);
    }
}
