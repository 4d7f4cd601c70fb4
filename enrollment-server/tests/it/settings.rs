//! `reload-enroll config set`: each setting, each refusal, and what a running server gives out.

use std::path::Path;

use reload_config::{Configuration, OverlayDocument};
use reload_wire::KindId;

use crate::client::{Client, OVERLAY, now};
use crate::program::{Serving, bad, good, initialised, read};

fn document(home: &Path) -> Configuration {
    let bytes = std::fs::read(home.join("overlay.xml")).unwrap();
    OverlayDocument::parse(&bytes).unwrap().find(OVERLAY).unwrap().clone()
}

fn set(home: &Path, change: &[&str]) -> String {
    good(home, &[&["config", "set"][..], change].concat())
}

#[test]
fn each_change_raises_the_sequence_and_leaves_all_else() {
    let directory = initialised();
    let home = directory.path();
    let before = document(home);
    assert_eq!(set(home, &["initial-ttl", "33"]), "published sequence 2\n");
    set(home, &["max-message-size", "70000"]);
    set(home, &["overlay-reliability-timer", "500"]);
    set(home, &["chord-update-interval", "30"]);
    set(home, &["chord-ping-interval", "40"]);
    set(home, &["bootstrap-node", "192.0.2.1:6084", "[2001:db8::1]:6084"]);
    set(home, &["kind", "0xF0000002", "none"]);
    set(home, &["kind", "0xF0000001", "max-size=99"]);
    let new =
        ["kind", "0xF0000009", "model=array", "access=node-match", "max-count=5", "max-size=6"];
    set(home, &new);
    let after = document(home);
    assert_eq!((after.sequence, after.initial_ttl, after.max_message_size), (10, 33, 70_000));
    assert_eq!(after.overlay_reliability_timer.as_millis(), 500);
    assert_eq!((after.chord.update_interval, after.chord.ping_interval), (30, 40));
    assert_eq!(after.bootstrap_nodes.len(), 2);
    assert!(after.kind(KindId(0xf000_0002)).is_none());
    assert_eq!(after.kind(KindId(0xf000_0001)).unwrap().max_size, 99);
    assert_eq!(after.kind(KindId(0xf000_0009)).unwrap().max_count, 5);
    assert_eq!(after.root_certs, before.root_certs);
    assert_eq!(after.configuration_signers, before.configuration_signers);
    assert_eq!(after.expiration, before.expiration);
    assert!(after.kinds.iter().all(|kind| kind.signature.is_some()));
}

#[test]
fn a_change_that_changes_nothing_keeps_the_document() {
    let directory = initialised();
    let home = directory.path();
    let before = read(home, "overlay.xml");
    let ttl = document(home).initial_ttl.to_string();
    assert_eq!(set(home, &["initial-ttl", &ttl]), "nothing to change in sequence 1\n");
    assert_eq!(read(home, "overlay.xml"), before);
}

#[test]
fn what_cannot_be_is_one_clear_line_and_changes_nothing() {
    let directory = initialised();
    let home = directory.path();
    let before = read(home, "overlay.xml");
    let large = "5".repeat(60);
    let refusals: [(&[&str], &str); 14] = [
        (&["initial-ttl", "0"], "initial-ttl: \"0\" is not a number from 1 to 255"),
        (&["initial-ttl"], "initial-ttl: one value is needed"),
        (&["max-message-size", &large], "is not a number from 38 to 4294967295"),
        (&["max-message-size", "9000"], "max-message-size is 9000"),
        (&["overlay-reliability-timer", "199"], "is not a number from 200"),
        (&["bootstrap-node", "localhost:1"], "is no IP address and port"),
        (&["bad-node", "12"], "is not a Node-ID of 16 bytes"),
        (&["ttl", "3"], "there is no setting \"ttl\"; there are "),
        (&["shared-secret", "x"], "admission by a shared secret is not supported"),
        (&["instance-name", "o.example"], "a running overlay cannot change it"),
        (&["expiration", "2020-01-01T00:00:00Z"], "expiration: the time has passed"),
        (&["expiration", "tomorrow"], "is not a time in the form"),
        (&["kind", "0xF0000008", "none"], "the configuration has no Kind"),
        (&["configuration-signer", "0123456789abcdef0123456789abcdef"], "our signer"),
    ];
    for (change, words) in refusals {
        let line = bad(home, &[&["config", "set"][..], change].concat());
        assert!(line.contains(words), "{change:?}: {line}");
        assert_eq!(read(home, "overlay.xml"), before);
    }
}

#[test]
fn a_document_that_could_not_reach_the_nodes_is_refused() {
    let directory = initialised();
    let home = directory.path();
    let node = |number: usize| format!("192.0.2.{}:{}", number % 250 + 1, 1000 + number);
    let nodes: Vec<String> = (0..1300).map(node).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let change = [&["config", "set", "bootstrap-node"][..], &nodes].concat();
    assert!(bad(home, &change).contains("max-message-size is 65536"));
    // A document with its own larger limit: the nodes live by the old one still.
    let builder = reload_config::ConfigurationBuilder::from_configuration(&document(home));
    let mut builder = builder.unwrap();
    builder.max_message_size = 200_000;
    builder.bootstrap_nodes = nodes.iter().map(|node| node.parse().unwrap()).collect();
    let from = home.join("from.xml");
    let edited = reload_config::assemble_unsigned(&builder.build().unwrap());
    std::fs::write(&from, edited).unwrap();
    let line = bad(home, &["config", "publish", "--from", from.to_str().unwrap()]);
    assert!(line.contains("could not reach the nodes"), "{line}");
    assert_eq!(document(home).sequence, 1);
    set(home, &["max-message-size", "200000"]);
    good(home, &change);
    assert_eq!(document(home).bootstrap_nodes.len(), 1300);
}

#[tokio::test]
async fn a_running_server_gives_out_the_new_document_at_once_and_only_once() {
    let directory = initialised();
    let home = directory.path();
    let serving = Serving::start(home);
    let client = Client::new(home, serving.address);
    let path = "/.well-known/reload-config";
    let first = client.get(path).await;
    let etag = first.etag.clone().unwrap();
    for list in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = client.get_if_none_match(path, &list).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{list}");
        assert_eq!(again.etag.as_ref(), Some(&etag));
    }
    assert_eq!(client.get_if_none_match(path, "\"x\"").await.body, first.body);
    let sequence = client.configuration().await.sequence;
    set(home, &["initial-ttl", "9"]);
    let new = client.get_if_none_match(path, &etag).await;
    assert_eq!(new.status, 200);
    assert_ne!(new.etag.unwrap(), etag);
    let new = client.configuration().await;
    assert_eq!((new.sequence, new.initial_ttl), (sequence + 1, 9));
}

#[tokio::test]
async fn an_enrollment_url_that_was_set_is_not_replaced_by_the_bound_address() {
    let directory = initialised();
    let home = directory.path();
    set(home, &["enrollment-server", "https://enroll.example.net/enroll"]);
    let serving = Serving::start(home);
    let served = Client::new(home, serving.address).configuration().await;
    assert_eq!(served.enrollment_servers, ["https://enroll.example.net/enroll"]);
}

#[tokio::test]
async fn a_running_server_renews_a_document_before_it_expires() {
    let directory = initialised();
    let home = directory.path();
    let serving = Serving::start(home);
    set(home, &["expiration", "+16s"]);
    let end = document(home).expiration.unwrap();
    let client = Client::new(home, serving.address);
    let mut served = client.configuration().await;
    while served.expiration == Some(end) {
        assert!(now() < end, "it expired");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        served = client.configuration().await;
    }
    assert!(served.expiration.unwrap() > end);
}
