//! `reload inspect`: hex and binary, text and JSON, whole and broken.

use crate::support::{assert_one_line, reload, stderr, stdout, text};

/// A Ping that looks like one, with an empty signature.
const PING: &str = "d2454c4f 2a10af6b 0001 0a 64 c0000000 0000004f 0102030405060708 00000000
    0000 0012 0000 0110 00112233445566778899aabbccddeeff
    0017 00000004 0002 abcd 00000000
    0000 0000 03 0000 0000";

#[test]
fn a_message_is_shown_from_hex_and_from_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (hex, binary) = (directory.path().join("ping.hex"), directory.path().join("ping.bin"));
    std::fs::write(&hex, PING).unwrap();
    let digits: String = PING.split_whitespace().collect();
    std::fs::write(&binary, hex::decode(digits).unwrap()).unwrap();
    let shown = reload(&["inspect", text(&hex)]);
    assert!(shown.status.success(), "{}{}", stdout(&shown), stderr(&shown));
    assert!(stdout(&shown).contains("padding: abcd"), "{}", stdout(&shown));
    assert_eq!(stdout(&shown), stdout(&reload(&["inspect", text(&binary)])));
    let json = reload(&["inspect", "--json", text(&hex)]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let id = &json["tree"][0]["children"][0]["children"][7];
    assert_eq!((&id["name"], &id["value"]), (&"transaction_id".into(), &"0102030405060708".into()));
}

#[test]
fn a_broken_message_is_shown_and_told_with_its_byte() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broken.hex");
    std::fs::write(&file, PING.replace("0002 abcd", "0009 abcd")).unwrap();
    let shown = reload(&["inspect", text(&file)]);
    assert_one_line(&shown, &["bytes missing at byte 64", "ping_req.padding"]);
    assert!(stdout(&shown).contains("signature_value: empty"), "{}", stdout(&shown));
    let frame = reload(&["inspect", "--frame", text(&file)]);
    assert_one_line(&frame, &["byte 0", "framed_message.type"]);
}
