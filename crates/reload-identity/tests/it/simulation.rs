//! The cheap scheme of simulations works among simulated nodes and nowhere else.

use crate::fixture::{NOW, ca, node, node_id, trust};
use crate::message::arrive;
use bytes::Bytes;
use reload_identity::{Credentials, VerifyError, verify_message};
use reload_wire::{MessageCode, MessageParts, NodeId};

fn ping(from: &Credentials) -> MessageParts {
    arrive(from, MessageCode::PING_REQUEST, Bytes::from_static(b"\0\0"), &[])
}

#[test]
fn simulated_nodes_verify_each_other() {
    let trust = trust(&ca("CA")).for_simulation();
    let alice = Credentials::simulate(node_id(1), Some("alice@x"), &trust).unwrap();
    let message = verify_message(ping(&alice), &trust, &[], NOW).unwrap();
    assert_eq!(message.signer().node_id, node_id(1));
    assert_eq!(message.signer().user(), Some("alice@x"));
    let mut changed = ping(&alice);
    changed.header.overlay ^= 1;
    let error = verify_message(changed, &trust, &[], NOW).unwrap_err();
    assert_eq!(error, VerifyError::BadSignature);
}

// R6940-13.2-02
#[test]
fn trust_without_the_flag_refuses_them() {
    let trust = trust(&ca("CA"));
    let simulated = trust.clone().for_simulation();
    let alice = Credentials::simulate(node_id(1), None, &simulated).unwrap();
    let error = verify_message(ping(&alice), &trust, &[], NOW).unwrap_err();
    assert!(matches!(error, VerifyError::MalformedCertificate(_)));
    let known = [alice.certificate().clone()];
    assert!(verify_message(ping(&alice), &trust, &known, NOW).is_err());
    assert!(Credentials::simulate(node_id(1), None, &trust).is_err());
}

#[test]
fn real_certificate_does_not_sign_by_the_cheap_scheme() {
    let ca = ca("CA");
    let trust = trust(&ca).for_simulation();
    let real = node(&ca, &[1], None);
    assert!(verify_message(ping(&real), &trust, &[], NOW).is_ok());
    let mut parts = ping(&real);
    parts.security.signature.algorithm.hash.0 = 0xe0;
    parts.security.signature.algorithm.signature.0 = 0xe0;
    let error = verify_message(parts, &trust, &[], NOW).unwrap_err();
    assert!(matches!(error, VerifyError::UnsupportedAlgorithm(_)));
}

#[test]
fn thousands_of_nodes_are_made_at_once() {
    let trust = trust(&ca("CA")).for_simulation();
    let all: Vec<Credentials> = (0..5000_u128)
        .map(|number| NodeId::new(&(number + 1).to_be_bytes()).unwrap())
        .map(|node_id| Credentials::simulate(node_id, None, &trust).unwrap())
        .collect();
    assert!(verify_message(ping(&all[4999]), &trust, &[], NOW).is_ok());
}
