//! Whose names an overlay takes (RFC 7904 section 3.4): said by its configuration, checked when an account
//! is made and when a certificate is asked for.

use enrollment_server::{Domains, InitOptions, set};
use reload_config::{DomainRestriction, OverlayDocument};
use reload_identity::{Algorithm, KeyPair};
use reload_wire::KindId;

use crate::client::{ALICE, OVERLAY, form};
use crate::program::{bad, good, initialised, read};
use crate::service::{Service, init_options, serve_options};

const BOB: &str = "bob@other.example";

fn any_domain() -> InitOptions {
    InitOptions { domains: Domains::Any, ..init_options() }
}

/// An account with a password from a file.
fn add<'a>(user: &'a str, file: &'a str) -> [&'a str; 5] {
    ["user", "add", user, "--password-file", file]
}

fn restriction(document: &[u8]) -> Option<DomainRestriction> {
    let document = OverlayDocument::parse(document).unwrap();
    let kind = document.find(OVERLAY).unwrap().kind(KindId::SIP_REGISTRATION).unwrap();
    kind.domain_restriction.clone()
}

// R7904-3.4-01
#[test]
fn an_account_of_a_domain_that_the_overlay_does_not_take_is_refused_in_one_line() {
    let directory = initialised();
    let home = directory.path();
    let file = home.join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let file = file.to_str().unwrap();
    assert!(bad(home, &add("bob@Overlay.example.org", file)).contains("in upper case"));
    let line = bad(home, &add("bob@other.example", file));
    assert!(line.contains("the overlay takes users of overlay.example.org only"), "{line}");
    good(home, &add(ALICE, file));
    let pattern = r"domain-pattern=.*\.other\.example";
    good(home, &["config", "set", "kind", "SIP-REGISTRATION", pattern]);
    good(home, &add("bob@a.other.example", file));
    assert!(bad(home, &add("bob@overlay.example.org", file)).contains("of domains that match"));
    assert!(good(home, &["config", "show"]).contains(r".*\\.other\\.example"));
    assert!(!good(home, &["user", "list"]).contains("bob@other.example"));
    good(home, &["config", "set", "kind", "SIP-REGISTRATION", "domains=any"]);
    good(home, &add("bob@other.example", file));
}

#[test]
fn a_new_overlay_is_restricted_as_it_is_asked_for() {
    let made = |arguments: &[&str]| {
        let directory = tempfile::tempdir().unwrap();
        let init = ["init", "--overlay", OVERLAY];
        good(directory.path(), &[&init, arguments].concat());
        restriction(&read(directory.path(), "overlay.xml"))
    };
    assert_eq!(made(&[]), Some(DomainRestriction::own_domain()));
    assert_eq!(made(&["--any-domain"]), None);
    let patterns = made(&["--domain", r"a\.example", "--domain", r"b\.example"]).unwrap();
    assert!(patterns.permits(OVERLAY, "b.example") && !patterns.permits(OVERLAY, OVERLAY));
    let directory = tempfile::tempdir().unwrap();
    let line = bad(directory.path(), &["init", "--overlay", OVERLAY, "--domain", "("]);
    assert!(line.contains("--domain: \"(\" is not a POSIX extended regular expression"), "{line}");
}

#[tokio::test]
async fn an_account_that_is_older_than_the_rule_gets_no_certificate() {
    let service = Service::start_with(any_domain(), serve_options()).await;
    service.accounts.add(BOB, "secret").await.unwrap();
    let enroll = async || {
        let mut form = form(KeyPair::generate(Algorithm::EcdsaP256).unwrap().csr(BOB).unwrap());
        (form.username, form.password) = (Some(BOB.into()), Some("secret".into()));
        service.client.form(&form).await
    };
    assert_eq!(enroll().await.status, 200);
    set(&service.home(), "kind", &["SIP-REGISTRATION", "domains=own"]).unwrap();
    let refused = enroll().await;
    assert_eq!((refused.status, refused.text()), (403, "username_not_available"));
    service.client.enroll(|_| {}).await.unwrap();
}
