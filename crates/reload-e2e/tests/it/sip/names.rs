//! Nobody registers, calls or writes under another's name.

use super::calls::{HIGH, LOW};
use super::village::{ALICE, BOB, CAROL, SOON, Village};

#[test]
#[ignore = "starts an overlay: run by `cargo xtask e2e`"]
fn an_enrolled_user_who_registers_or_calls_under_another_name_is_refused() {
    let village = Village::found("names", &[]);
    let (Some(mut bob), Some(mut carol)) = (village.phone(BOB, HIGH), village.phone(CAROL, LOW))
    else {
        return;
    };
    // alice has her own peer, and tells her phone that it is bob's.
    let pretended = village.plug_in(village.account("bob", ALICE), LOW).unwrap();
    let answer = pretended.registration(SOON).unwrap();
    assert!(answer.starts_with("403 "), "{answer}");
    let account = village.account("bob", ALICE).for_seconds(0);
    let mut pretended = village.plug_in(account.who_writes_to(&village.aor("carol")), LOW).unwrap();
    pretended.dial(&village.uri("carol")).unwrap();
    let reason = pretended.closed(SOON).unwrap();
    assert!(reason.starts_with("403 "), "{reason}");
    pretended.write("bob says hello").unwrap();
    pretended.logged(&["SIP/2.0 403"], SOON).unwrap();

    // The calls of the real bob are his, and nothing of the other came through.
    bob.dial(&village.uri("carol")).unwrap();
    assert_eq!(carol.rings(SOON).unwrap(), village.uri("bob"));
    bob.hang_up().unwrap();
    carol.closed(SOON).unwrap();
    let rung = carol.seen().iter().filter(|event| event.starts_with("CALL_INCOMING")).count();
    assert_eq!(rung, 1, "{:?}", carol.seen());
    assert!(!carol.log_text().contains("bob says hello"));

    // And what is stored says whose it is.
    let found = village.overlay.peer(CAROL).json(&["sip", "lookup", &village.aor("bob")]).unwrap();
    let nodes = found["registrations"].as_array().unwrap();
    let nodes: Vec<_> = nodes.iter().map(|entry| entry["node"].as_str().unwrap()).collect();
    assert_eq!(nodes, [village.overlay.peer(BOB).node_id()], "{found}");
}
