//! `reload enroll` with nothing but the overlay name: DNS leads to the server (section 11.2).

use std::net::{SocketAddr, UdpSocket};

use crate::support::{OVERLAY, Overlay, Peer, assert_one_line, reload, stderr, text, user};

/// Answers each query for the SRV record with this port of loopback, and each for an address with
/// 127.0.0.1; runs until the test ends.
fn name_server(port: Option<u16>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 1500];
        loop {
            let (_, from) = socket.recv_from(&mut query).unwrap();
            let mut end = 12;
            while query[end] != 0 {
                end += 1 + usize::from(query[end]);
            }
            let kind = query[end + 2];
            let data = match (kind, port) {
                (33, Some(port)) => {
                    [&[0, 1, 0, 1][..], &port.to_be_bytes(), b"\x03cfg\x00"].concat()
                }
                (1, _) => vec![127, 0, 0, 1],
                _ => Vec::new(),
            };
            let mut answer = query[..end + 5].to_vec();
            answer[2..12].copy_from_slice(&[0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            if data.is_empty() {
                answer[3] = 3; // no such name
            } else {
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0]);
                answer.push(u8::try_from(data.len()).unwrap());
                answer.extend(data);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

fn enroll(overlay: &Overlay, name_server: SocketAddr, name: &str) -> std::process::Output {
    let password = overlay.path("password");
    std::fs::write(&password, "alice\n").unwrap();
    let (home, ca) = (overlay.path("alice"), overlay.path("server/https-ca.pem"));
    let dns = name_server.to_string();
    let (home, ca, password) = (text(&home), text(&ca), text(&password));
    let arguments = ["enroll", "--home", home, "--overlay", name, "--dns", &dns, "--ca", ca];
    let user = user("alice");
    reload(&[&arguments[..], &["--user", &user, "--password-file", password]].concat())
}

// R6940-11.2-01, R6940-11.2-04, R6940-11.2-10
#[test]
fn the_overlay_name_alone_leads_to_a_certificate_and_to_new_configurations() {
    let overlay = Overlay::start();
    overlay.add_user("alice");
    let name_server = name_server(Some(overlay.port()));
    let enrolled = enroll(&overlay, name_server, OVERLAY);
    assert!(enrolled.status.success(), "{}", stderr(&enrolled));
    let alice = Peer::start(&overlay.path("alice"), &["--first", "--config-interval", "1"]);
    let home = enrollment_server::Home::new(overlay.path("server"));
    let new = enrollment_server::set(&home, "initial-ttl", &["50"]).unwrap().sequence;
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    while alice.json("status", &[])["configuration_sequence"] != new {
        assert!(std::time::Instant::now() < end, "{}", alice.log());
    }
}

// R6940-11.2-09
#[test]
fn a_document_of_another_overlay_is_discarded() {
    let overlay = Overlay::start_with_host("other.example.org");
    overlay.add_user("alice");
    let output = enroll(&overlay, name_server(Some(overlay.port())), "other.example.org");
    assert_one_line(&output, &["no configuration of the overlay other.example.org", OVERLAY]);
    assert!(!overlay.path("alice/overlay.xml").exists());
}

// R6940-11.2-07
#[test]
fn a_server_that_is_not_named_like_the_overlay_is_not_believed() {
    let overlay = Overlay::start();
    let output = enroll(&overlay, name_server(Some(overlay.port())), "third.example.org");
    assert_one_line(&output, &["third.example.org", "names neither its host nor the overlay"]);
}

#[test]
fn no_name_server_and_no_record_are_clear_lines() {
    let overlay = Overlay::start();
    let output = enroll(&overlay, name_server(None), OVERLAY);
    assert_one_line(&output, &["https://test.example.org/.well-known/reload-config"]);
    let held = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = held.local_addr().unwrap();
    drop(held);
    assert_one_line(
        &enroll(&overlay, silent, OVERLAY),
        &["DNS gives no answer for _reload-config"],
    );
}
