//! URIs, AORs, GRUUs and which of them the overlay serves.

use proptest::prelude::*;
use reload_wire::{Dialect, NodeIdLength};

use super::*;

// R7904-2-01, R7904-7-02, R7904-7-03
#[test]
fn an_aor_is_what_a_certificate_has_without_scheme_port_parameters_and_escapes() {
    for text in [
        "alice@o.example",
        "sip:alice@o.example",
        "SIPS:alice@O.Example",
        "sip:al%69ce@o.example",
        "sip:alice@o.example:5070",
        "sip:alice@o.example;transport=tcp?subject=x",
    ] {
        let found = aor(text);
        assert_eq!(
            (found.as_str(), found.user(), found.domain()),
            ("alice@o.example", "alice", "o.example")
        );
        assert_eq!(found.resource(hash), hash(b"alice@o.example"), "{text}");
        assert_ne!(found.resource(hash), hash(b"sip:alice@o.example"));
    }
    assert_eq!(aor("Alice@o.example").as_str(), "Alice@o.example", "users are compared as bytes");
    assert_eq!(aor("sip:a%40b@o.example").as_str(), "a@b@o.example");
    assert_eq!(aor("sip:a;x=1@o.example").as_str(), "a;x=1@o.example");
}

// R7904-7-03
#[test]
fn a_bad_escape_is_refused() {
    for text in [
        "sip:al%6@o.example",
        "sip:al%zz@o.example",
        "sip:alice@o.example;x=%",
        "sip:%e4@o.example",
    ] {
        assert!(Aor::parse(text).is_err(), "{text}");
    }
    assert_eq!(aor("sip:%C3%A4@o.example").as_str(), "ä@o.example");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "alice",
        "@o.example",
        "alice@",
        "sip:",
        "sip:o.example",
        "alice:secret@o.example",
        "a@b@o.example",
        "al ice@o.example",
        "alice@o..example",
        "alice@-o",
        "alice@o.example:",
        "alice@o.example:70000",
        "alice@o.example:+1",
        "alice@[::1]",
        "alice@o.example;=1",
        "alice@o.example;a;a",
        "sip:%00@o.example",
        "ä@o.example",
        "<sip:alice@o.example>",
        "alice@o.ex%61mple",
    ] {
        assert!(Aor::parse(text).is_err(), "{text:?}");
    }
    assert!(SipUri::parse(&format!("sip:{}@x", "a".repeat(9000))).is_err());
    assert!(SipUri::parse(&format!("sip:a@x{}", ";p".repeat(40))).is_err());
    assert!(Aor::parse(&format!("sip:{}@x", "a".repeat(256))).is_err());
    assert_eq!(uri("sip:a@[2001:DB8::1]:5070").host(), "[2001:db8::1]");
}

// R7904-2-01
#[test]
fn a_user_name_of_a_certificate_is_taken_as_it_is() {
    assert_eq!(Aor::of_user_name("a%41#b@o.example").unwrap().as_str(), "a%41#b@o.example");
    assert_eq!(Aor::of_user_name("alice@O.example"), Err(AorError::NotCanonical));
    assert_eq!(Aor::of_user_name("alice"), Err(AorError::NoUser));
    assert_eq!(Aor::of_user_name("alice@[::1]"), Err(AorError::Domain));
}

// R7904-2-02, R7904-5.1-02
#[test]
fn the_scheme_is_told_by_the_application_and_not_by_the_aor() {
    let both = [Scheme::Sip, Scheme::Sips];
    assert_eq!(both.map(Scheme::application), [0x13c4, 0x13c5]);
    assert_eq!(both.map(|it| Scheme::of_application(it.application())), both.map(Some));
    assert_eq!(Scheme::of_application(5062), None);
    assert_eq!(aor("sip:alice@o.example"), aor("sips:alice@o.example"));
}

// R7904-6-01
#[test]
fn a_gruu_is_the_aor_with_the_list_in_base64() {
    let id = NodeId::from_hex("0123456789abcdef0123456789abcdef").unwrap();
    let gruu = Gruu::new(aor("alice@dht.example.org"), vec![Destination::Node(id)]).unwrap();
    assert_eq!(gruu.to_string(), "alice@dht.example.org;gr=ARABI0VniavN7wEjRWeJq83v");
    assert_eq!(gruu.to_uri(Scheme::Sips), "sips:alice@dht.example.org;gr=ARABI0VniavN7wEjRWeJq83v");
    assert_eq!(Gruu::of_uri(&uri(&gruu.to_string()), &Dialect::default()), Ok(gruu));
}

// R7904-6-01
#[test]
fn the_base64_ends_in_tildes_and_has_no_other_characters() {
    let dialect = Dialect::default();
    let list = |opaque: &'static [u8]| vec![Destination::Opaque(Bytes::from_static(opaque))];
    // 3, 4 and 5 bytes behind the three of type and lengths
    for (opaque, tildes) in [(&b"abc"[..], 0), (b"abcd", 2), (b"abcde", 1)] {
        let gruu = Gruu::new(aor("a@o.example"), list(opaque)).unwrap();
        assert_eq!(gruu.to_string().matches('~').count(), tildes);
        assert_eq!(
            Gruu::of_uri(&uri(&gruu.to_string()), &dialect).unwrap().destinations(),
            list(opaque)
        );
    }
    for (value, error) in [
        ("AwMCgAE=", GruuError::Base64),
        ("AwMCgAE", GruuError::Base64),
        ("AwMC-AE~", GruuError::Base64),
        ("AwMC_AE~", GruuError::Base64),
        ("AwM.", GruuError::Base64),
        ("", GruuError::Destinations),
        ("AwMC", GruuError::Destinations),
    ] {
        let found = Gruu::of_uri(&uri(&format!("a@o.example;gr={value}")), &dialect);
        assert_eq!(found, Err(error), "{value}");
    }
    assert_eq!(Gruu::of_uri(&uri("a@o.example"), &dialect), Err(GruuError::None));
    let many = vec![Destination::compact(1); 17];
    assert_eq!(Gruu::new(aor("a@o.example"), many), Err(GruuError::Destinations));
    assert_eq!(Gruu::new(aor("a@o.example"), Vec::new()), Err(GruuError::Destinations));
}

#[test]
fn the_bare_node_id_of_the_example_of_the_rfc_is_one_node() {
    let dialect = Dialect::new(NodeIdLength::new(20).unwrap());
    let gruu = uri("alice@example.com;gr=MDEyMzQ1Njc4OTAxMjM0NTY3ODk~");
    let found = Gruu::of_uri(&gruu, &dialect).unwrap();
    let expected = NodeId::new(b"01234567890123456789").unwrap();
    assert_eq!(found.destinations(), [Destination::Node(expected)]);
    assert_eq!(found.to_string(), gruu.as_str());
    assert_eq!(Gruu::of_uri(&gruu, &Dialect::default()), Err(GruuError::Destinations));
}

// R7904-6-03
#[test]
fn an_anonymous_gruu_does_not_hold_a_node_id_of_the_user() {
    let (own, peer) = (node(7), node(8));
    let hidden = vec![Destination::Node(peer), Destination::compact(5)];
    let gruu = Gruu::anonymous(OVERLAY, hidden.clone(), &[own]).unwrap();
    assert_eq!((gruu.destinations(), gruu.aor().user()), (&hidden[..], "anonymous"));
    let open = vec![Destination::Node(peer), Destination::Node(own)];
    assert_eq!(Gruu::anonymous(OVERLAY, open.clone(), &[own]), Err(GruuError::Reveals));
    assert!(Gruu::anonymous(OVERLAY, open, &[node(9)]).is_ok(), "a Node-ID for it alone");
}

// R7904-4.1-01, R7904-4.1-02, R7904-4.1-04
#[test]
fn a_gruu_comes_first_then_the_domains_of_the_overlay_then_all_else() {
    let configuration = restricted(Some(patterns(&[r"dht\.example\.org"])));
    let way = |text: &str| Way::of(&uri(text), &configuration);
    let gruu = "sip:bob@dht.example.org;gr=ARABI0VniavN7wEjRWeJq83v";
    assert!(matches!(way(gruu), Ok(Way::Gruu(_))));
    assert_eq!(way("sip:bob@DHT.example.org"), Ok(Way::Overlay(aor("bob@dht.example.org"))));
    for text in
        ["sip:user@sip.example", "sip:dht.example.org", "sip:a@[::1]", "sip:a@x.example;gr=AAAA"]
    {
        assert_eq!(way(text), Ok(Way::External(uri(text))));
    }
    assert!(way("sip:bob@dht.example.org;gr=AAAA").is_err(), "a GRUU of this overlay to nowhere");
}

// R7904-4.1-06
#[test]
fn of_several_overlays_that_is_taken_which_serves_the_domain() {
    let first = restricted(Some(patterns(&["first.example"])));
    let second = restricted(Some(patterns(&["second.example"])));
    let place = |text: &str| Way::among(&uri(text), [&first, &second]).unwrap().0;
    assert_eq!(place("sip:a@first.example"), Some(0));
    assert_eq!(place("sip:a@second.example"), Some(1));
    assert_eq!(place("sip:a@third.example"), None);
}

// R7904-3.1-03, R7904-3.4-06, R7904-3.4-07, R7904-3.4-08
#[test]
fn the_domains_that_are_served_are_those_of_the_configuration() {
    let own = configuration();
    assert!(serves_domain(&own, OVERLAY) && !serves_domain(&own, "my.example"));
    let open = restricted(None);
    assert!(serves_domain(&open, OVERLAY) && serves_domain(&open, "my.example"));
    let some = restricted(Some(patterns(&[r".*\.my\.example"])));
    assert!(serves_domain(&some, "x.my.example") && !serves_domain(&some, OVERLAY));
    let mut without = ConfigurationBuilder::new_overlay(OVERLAY);
    without.kinds.clear();
    assert!(!serves_domain(&without.to_configuration().unwrap(), OVERLAY));
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,80}") {
        let _ = Aor::parse(&text);
        let _ = Aor::of_user_name(&text);
        let _ = SipContact::forward(&text);
    }

    #[test]
    fn texts_that_look_like_addresses_do_not_either(text in "(sips?:)?[a%40@:;=~.?A-]{0,40}") {
        if let Ok(uri) = SipUri::parse(&text) {
            let _ = Aor::of_uri(&uri);
            let _ = Gruu::of_uri(&uri, &Dialect::default());
        }
    }

    #[test]
    fn an_aor_survives_its_uri(user in "[^\\p{Cc}]{1,20}", domain in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}") {
        let aor = Aor::of_user_name(&format!("{user}@{domain}")).unwrap();
        prop_assert_eq!(Aor::parse(&aor.to_uri(Scheme::Sip)), Ok(aor.clone()));
        let contact = SipContact::forward(&aor.to_uri(Scheme::Sips)).unwrap();
        let SipRegistration::Uri(stored) = contact.registration() else { panic!("{contact:?}") };
        prop_assert_eq!(Aor::parse(std::str::from_utf8(stored).unwrap()), Ok(aor));
    }
}
