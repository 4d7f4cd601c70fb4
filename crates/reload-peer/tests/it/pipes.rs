//! `reload pipe` between two peers: files both ways, by Node-ID and by user name, refusals, ends.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use crate::links::with_ice;
use crate::support::{Overlay, Peer, assert_one_line, finish, program, stderr, text, user};

const APP: &str = "61443";

/// A `reload pipe` that runs, with what goes in and comes out.
struct End {
    child: Child,
    error: Option<std::thread::JoinHandle<String>>,
}

impl End {
    fn start(peer: &Peer, arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["pipe", "--home", text(&peer.home), "--app", APP]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut error = child.stderr.take().unwrap();
        let error = std::thread::spawn(move || {
            let mut text = String::new();
            error.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, error: Some(error) }
    }

    /// Sends everything, reads everything, and ends well.
    fn exchange(mut self, bytes: Vec<u8>) -> (Vec<u8>, String) {
        let (mut input, mut output) =
            (self.child.stdin.take().unwrap(), self.child.stdout.take().unwrap());
        let writing = std::thread::spawn(move || {
            input.write_all(&bytes).unwrap();
            drop(input);
        });
        let mut read = Vec::new();
        output.read_to_end(&mut read).unwrap();
        writing.join().unwrap();
        let status = self.child.wait().unwrap();
        let error = self.error.take().unwrap().join().unwrap();
        assert!(status.success(), "{error}");
        (read, error)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `peer` offers the application: until then an AppAttach is refused.
fn connected(peer: &Peer, target: &str) -> End {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let mut pipe = End::start(peer, &[target]);
        // One that is refused ends at once; one that is connected waits for its input.
        let error = loop {
            if pipe.child.try_wait().unwrap().is_some() {
                break pipe.error.take().unwrap().join().unwrap();
            }
            let links = peer.json("links", &[]);
            let links = links["links"].as_array().unwrap();
            if links.iter().any(|link| link["application"] == 61443 && link["state"] == "up") {
                return pipe;
            }
        };
        assert!(error.contains("Not_Found") || error.contains("no node of"), "{error}");
        assert!(std::time::Instant::now() < end, "{error}\n{}", peer.log());
    }
}

fn bytes(length: usize, factor: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * factor / 7 % 256).unwrap()).collect()
}

// R6940-6.5.2-01, R6940-6.5.2.2-02
#[test]
fn a_pipe_carries_two_files_between_two_peers() {
    let (_overlay, peers) = with_ice(&["alice", "bob"]);
    let (alice, bob) = (&peers[0], &peers[1]);
    let listening = End::start(alice, &["--listen"]);
    let connecting = connected(bob, &format!("node:{}", alice.node_id));
    let (there, back) = (bytes(1_000_000, 3), bytes(300_001, 5));
    let sent = back.clone();
    let listening = std::thread::spawn(move || listening.exchange(sent));
    let (came_back, told_bob) = connecting.exchange(there.clone());
    let (came_there, told_alice) = listening.join().unwrap();
    assert!(came_there == there && came_back == back, "the bytes are not those that were sent");
    assert!(told_alice.contains(&bob.node_id) && told_alice.contains(&user("bob")), "{told_alice}");
    assert!(told_bob.contains(&alice.node_id), "{told_bob}");
}

#[test]
fn a_user_name_leads_to_its_node() {
    let (_overlay, peers) = with_ice(&["alice", "bob"]);
    let listening = End::start(&peers[0], &["--listen", &user("bob")]);
    let connecting = connected(&peers[1], &user("alice"));
    let listening = std::thread::spawn(move || listening.exchange(Vec::new()));
    assert_eq!(connecting.exchange(b"hello".to_vec()).0, b"");
    assert_eq!(listening.join().unwrap().0, b"hello");
}

#[test]
fn a_pipe_works_without_ice_too() {
    let overlay = Overlay::start();
    let alice = Peer::start(&overlay.home("alice"), &["--first"]);
    let bob = Peer::start(&overlay.home("bob"), &["--bootstrap", &alice.address]);
    let listening = End::start(&alice, &["--listen"]);
    let connecting = connected(&bob, &alice.node_id);
    let listening = std::thread::spawn(move || listening.exchange(b"back".to_vec()));
    assert_eq!(connecting.exchange(b"there".to_vec()).0, b"back");
    assert_eq!(listening.join().unwrap().0, b"there");
}

// R6940-6.5.2.2-03
#[test]
fn an_application_that_is_not_offered_is_refused_with_not_found() {
    let (_overlay, peers) = with_ice(&["alice", "bob"]);
    let target = format!("node:{}", peers[0].node_id);
    let output = peers[1].ask("pipe", &["--app", APP, &target]);
    assert_one_line(&output, &["Error_Not_Found"]);
    let output = peers[1].ask("pipe", &["--app", APP, "nobody@test.example.org"]);
    assert_one_line(&output, &["no node of nobody@test.example.org is known"]);
}

#[test]
fn an_application_is_listened_for_once() {
    let (_overlay, peers) = with_ice(&["alice"]);
    let mut both = [End::start(&peers[0], &["--listen"]), End::start(&peers[0], &["--listen"])];
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let refused = loop {
        let ended = |one: &mut End| one.child.try_wait().unwrap().is_some();
        if let Some(refused) = both.iter_mut().find_map(|one| ended(one).then_some(one)) {
            break refused.error.take().unwrap().join().unwrap();
        }
        assert!(std::time::Instant::now() < end, "neither is refused");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(refused.contains("61443 is offered already"), "{refused}");
    assert_eq!(both.iter_mut().filter_map(|one| one.child.try_wait().unwrap()).count(), 1);
}

#[test]
fn a_pipe_breaks_with_a_line_when_the_other_node_dies() {
    let (_overlay, mut peers) = with_ice(&["alice", "bob"]);
    let mut listening = End::start(&peers[0], &["--listen"]);
    let bob = peers.pop().unwrap();
    let connecting = connected(&bob, &format!("node:{}", peers[0].node_id));
    bob.terminate();
    let mut read = Vec::new();
    listening.child.stdout.take().unwrap().read_to_end(&mut read).unwrap();
    let status = listening.child.wait().unwrap();
    let error = listening.error.take().unwrap().join().unwrap();
    assert_eq!((status.code(), read.len()), (Some(1), 0), "{error}");
    assert!(error.contains("the pipe broke"), "{error}");
    drop(connecting);
}

#[test]
fn a_pipe_without_a_running_node_says_how_to_start_one() {
    let overlay = Overlay::start();
    let home = overlay.home("alice");
    let output = finish(program().args(["pipe", "--home", text(&home), "--app", APP, "--listen"]));
    assert!(stderr(&output).contains("no running node at"), "{}", stderr(&output));
}
