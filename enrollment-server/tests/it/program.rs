//! The real `reload-enroll` program: commands, files, exit codes, one line on failure.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use reload_config::{ConfigurationBuilder, Leniency, OverlayDocument, assemble};
use reload_identity::{Credentials, Trust, sign_configuration};
use reload_wire::UnixTime;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{ALICE, Client, OVERLAY, PASSWORD, now};

const BOB: &str = "bob@overlay.example.org";
const PROGRAM: &str = env!("CARGO_BIN_EXE_reload-enroll");

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--home").arg(home).args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    command(home, arguments).output().unwrap()
}

/// Runs a command that must succeed; what it printed.
pub(crate) fn good(home: &Path, arguments: &[&str]) -> String {
    let done = run(home, arguments);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

/// Runs a command that must fail with exit code 1 and one line; the line.
pub(crate) fn bad(home: &Path, arguments: &[&str]) -> String {
    failure(&run(home, arguments))
}

fn failure(done: &Output) -> String {
    let error = String::from_utf8(done.stderr.clone()).unwrap();
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(done.stdout.is_empty(), "{}", String::from_utf8_lossy(&done.stdout));
    error
}

pub(crate) fn read(home: &Path, name: &str) -> Vec<u8> {
    std::fs::read(home.join(name)).unwrap()
}

pub(crate) fn initialised() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    good(directory.path(), &["init", "--overlay", OVERLAY]);
    directory
}

fn with_alice() -> TempDir {
    let directory = initialised();
    let file = directory.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    good(directory.path(), &["user", "add", ALICE, "--password-file", file.to_str().unwrap()]);
    directory
}

/// A serving process; killed when the test ends.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Serving {
    pub(crate) fn start(home: &Path) -> Self {
        Self::spawn(command(home, &["serve", "--listen", "127.0.0.1:0"]))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("ready https=").unwrap().trim_end().parse().unwrap();
        Self { child, address }
    }

    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn init_makes_all_files_and_closes_the_keys() {
    let directory = initialised();
    let names = ["ca.pem", "https.pem", "https-ca.pem", "signer.pem", "overlay.xml"];
    for name in names {
        assert!(directory.path().join(name).is_file(), "{name}");
    }
    for name in ["ca.key", "https.key", "signer.key", "accounts.db"] {
        let mode = directory.path().join(name).metadata().unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let document = std::fs::read(directory.path().join("overlay.xml")).unwrap();
    let document = OverlayDocument::parse(&document).unwrap();
    let configuration = document.find(OVERLAY).unwrap();
    assert_eq!((configuration.sequence, configuration.max_message_size), (1, 65_536));
    assert!(configuration.signature.is_some() && configuration.expiration.is_some());
    assert_eq!(configuration.kinds.len(), 8);
    assert!(configuration.kinds.iter().all(|kind| kind.signature.is_some()));
}

#[test]
fn init_takes_bootstrap_nodes_hosts_and_url() {
    let directory = tempfile::tempdir().unwrap();
    let nodes = ["--bootstrap", "192.0.2.1:6084", "--bootstrap", "[2001:db8::1]:6084"];
    let more = ["--host", "enroll.example.net", "--url", "https://enroll.example.net:8443"];
    good(directory.path(), &[&["init", "--overlay", OVERLAY][..], &nodes, &more].concat());
    let shown = good(directory.path(), &["config", "show", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["bootstrap_nodes"],
        serde_json::json!(["192.0.2.1:6084", "[2001:db8::1]:6084"])
    );
    let url = "https://enroll.example.net:8443/enroll";
    assert_eq!(shown["enrollment_servers"], serde_json::json!([url]));
}

#[test]
fn init_takes_kinds_and_limits_from_a_document() {
    let directory = tempfile::tempdir().unwrap();
    let mut builder = reload_config::ConfigurationBuilder::new_overlay(OVERLAY);
    builder.kinds.truncate(5);
    builder.max_message_size = 50_000;
    builder.chord.update_interval = 7;
    let document = reload_config::assemble_unsigned(&builder.build().unwrap());
    let from = directory.path().join("from.xml");
    std::fs::write(&from, document).unwrap();
    let home = directory.path().join("home");
    let from = from.to_str().unwrap();
    let error = bad(&home, &["init", "--overlay", "other.example", "--from", from]);
    assert!(error.contains("is for the overlay"), "{error}");
    good(&home, &["init", "--overlay", OVERLAY, "--from", from]);
    let document = OverlayDocument::parse(&std::fs::read(home.join("overlay.xml")).unwrap());
    let document = document.unwrap();
    let configuration = document.find(OVERLAY).unwrap();
    assert_eq!((configuration.kinds.len(), configuration.max_message_size), (5, 50_000));
    assert_eq!(configuration.chord.update_interval, 7);
}

#[test]
fn init_never_overwrites() {
    let directory = initialised();
    let before = std::fs::read(directory.path().join("ca.key")).unwrap();
    let error = bad(directory.path(), &["init", "--overlay", OVERLAY]);
    assert!(error.contains("initialised already"), "{error}");
    assert_eq!(std::fs::read(directory.path().join("ca.key")).unwrap(), before);
}

#[test]
fn names_that_dns_does_not_allow_are_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    for name in ["not a name", "a_b.example", "", "-x.example"] {
        let error = bad(&home, &["init", &format!("--overlay={name}")]);
        assert!(error.contains("not allowable as a DNS name"), "{error}");
    }
    assert!(bad(&home, &["init", "--overlay", "Example.Org"]).contains("upper-case"));
    for more in [["--host", "a b"], ["--url", "http://a.example"], ["--from", "/nowhere"]] {
        bad(&home, &[&["init", "--overlay", OVERLAY][..], &more].concat());
    }
    assert!(!home.exists());
}

#[test]
fn wrong_usage_is_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["fly"][..], &["init"], &["user", "add"], &["serve", "--listen", "x"]] {
        assert_eq!(run(directory.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_home_that_is_not_initialised_says_so() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["serve"][..], &["user", "list"], &["cert", "list"], &["config", "show"]] {
        let error = bad(directory.path(), arguments);
        assert!(error.contains("not initialised"), "{error}");
    }
    let error = bad(&directory.path().join("nowhere"), &["serve"]);
    assert!(error.contains("there is no home at") && error.contains("init"), "{error}");
}

#[test]
fn a_home_that_is_a_file_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(bad(&file, &["serve"]).contains("cannot read the home"));
    assert!(bad(&file, &["init", "--overlay", OVERLAY]).contains("cannot make the directory"));
}

#[test]
fn accounts_are_kept_by_the_commands() {
    let directory = with_alice();
    let home = directory.path();
    let listed =
        || -> Value { serde_json::from_str(&good(home, &["user", "list", "--json"])).unwrap() };
    assert_eq!(listed()[0]["user"], ALICE);
    good(home, &["user", "disable", ALICE]);
    assert_eq!(listed()[0]["disabled"], true);
    good(home, &["user", "enable", ALICE]);
    assert_eq!(listed()[0]["disabled"], false);
    let file = home.join("password");
    good(home, &["user", "passwd", ALICE, "--password-file", file.to_str().unwrap()]);
    assert!(good(home, &["user", "list"]).starts_with(ALICE));
    let again = ["user", "add", ALICE, "--password-file", file.to_str().unwrap()];
    assert!(bad(home, &again).contains("exists already"));
    assert!(bad(home, &["user", "disable", "bob@x"]).contains("no account"));
    assert!(bad(home, &["user", "add", BOB]).contains("--password-file"));
    assert!(
        bad(home, &["user", "add", BOB, "--password-file", "/nowhere"]).contains("cannot read")
    );
}

// R6940-14.16-02
#[tokio::test]
async fn the_program_serves_enrolls_revokes_and_stops() {
    let directory = with_alice();
    let home = directory.path();
    let serving = Serving::start(home);
    let client = Client::new(home, serving.address);
    let before = client.configuration().await;
    let url = format!("https://{}/enroll", serving.address);
    assert_eq!((before.sequence, &before.enrollment_servers), (2, &vec![url]));
    let certificate = client.enroll(|_| {}).await.unwrap();

    let listed: Value = serde_json::from_str(&good(home, &["cert", "list", "--json"])).unwrap();
    assert_eq!(listed[0]["user"], ALICE);
    assert_eq!(listed[0]["node_ids"][0], certificate.node_id().to_string());
    let serial = listed[0]["serial"].as_str().unwrap();
    assert!(good(home, &["cert", "list", "--user", ALICE]).contains(serial));
    assert!(good(home, &["cert", "revoke", serial]).contains("in sequence 3"));
    assert_eq!(client.configuration().await.bad_nodes, certificate.node_ids());
    assert!(bad(home, &["cert", "revoke", "00"]).contains("no certificate"));

    assert!(good(home, &["config", "publish"]).contains("sequence 4"));
    let published = client.configuration().await;
    assert_eq!((published.sequence, published.bad_nodes.len()), (4, 1));

    let error = bad(home, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(error.contains("another enrollment server runs"), "{error}");
    assert_eq!(serving.terminate(), Some(0));
    good(home, &["user", "list"]);
}

#[tokio::test]
async fn no_log_shows_the_password() {
    let directory = with_alice();
    let home = directory.path();
    let logs = std::fs::File::create(home.join("logs")).unwrap();
    let mut command = command(home, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("RUST_LOG", "trace").stderr(logs);
    let serving = Serving::spawn(command);
    let client = Client::new(home, serving.address);
    client.enroll(|_| {}).await.unwrap();
    client.enroll(|form| form.password = Some(format!("{PASSWORD}!"))).await.unwrap_err();
    serving.terminate();
    let logs = std::fs::read_to_string(home.join("logs")).unwrap();
    assert!(logs.contains("certificate issued") && logs.contains("login refused"), "{logs}");
    assert!(!logs.contains(PASSWORD));
}

#[test]
fn publish_takes_settings_and_keeps_roots_signer_and_revoked() {
    let directory = initialised();
    let home = directory.path();
    let read =
        || OverlayDocument::parse(&std::fs::read(home.join("overlay.xml")).unwrap()).unwrap();
    let before = read().find(OVERLAY).unwrap().clone();
    let mut builder = ConfigurationBuilder::new_overlay(OVERLAY);
    builder.initial_ttl = 77;
    let write = |builder: &ConfigurationBuilder| {
        let document = reload_config::assemble_unsigned(&builder.build().unwrap());
        std::fs::write(home.join("from.xml"), document).unwrap();
    };
    write(&builder);
    let from = home.join("from.xml");
    let publish = ["config", "publish", "--from", from.to_str().unwrap()];
    good(home, &[&publish[..], &["--bootstrap", "192.0.2.1:6084"]].concat());
    let after = read().find(OVERLAY).unwrap().clone();
    assert_eq!((after.sequence, after.initial_ttl, after.bootstrap_nodes.len()), (2, 77, 1));
    assert_eq!(after.root_certs, before.root_certs);
    assert_eq!(after.configuration_signers, before.configuration_signers);

    builder.max_message_size = 5000; // the default of the RFC
    write(&builder);
    let error = bad(home, &publish);
    assert!(error.contains("too large"), "{error}");
    assert_eq!(read().find(OVERLAY).unwrap().sequence, 2);
}

#[test]
fn a_damaged_account_store_is_one_clear_line() {
    let directory = initialised();
    std::fs::write(directory.path().join("accounts.db"), "no database".repeat(1000)).unwrap();
    let error = bad(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(error.contains("accounts.db"), "{error}");
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let directory = initialised();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = bad(directory.path(), &["serve", "--listen", &address]);
    assert!(error.contains(&format!("cannot listen on {address} (another --listen?)")), "{error}");
}

#[test]
fn keys_open_to_others_are_refused() {
    let directory = initialised();
    for name in ["ca.key", "https.key", "signer.key"] {
        let path = directory.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = bad(directory.path(), &["serve", "--listen", "127.0.0.1:0"]);
        assert!(error.contains("open to others") && error.contains(name), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn damaged_unsigned_and_expired_documents_are_refused() {
    let directory = initialised();
    let path = directory.path().join("overlay.xml");
    let whole = std::fs::read_to_string(&path).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let refused = |content: &str| {
        std::fs::write(&path, content).unwrap();
        bad(directory.path(), &serve)
    };
    refused("");
    refused(&whole[..whole.len() / 2]);
    let error = refused(&whole.replace("65536", "65535"));
    assert!(error.contains("signature"), "{error}");
    let start = whole.rfind("<signature>").unwrap();
    let end = whole.rfind("</signature>").unwrap() + "</signature>".len();
    let error = refused(&format!("{}{}", &whole[..start], &whole[end..]));
    assert!(error.contains("not signed"), "{error}");

    expire(directory.path(), &whole);
    let error = bad(directory.path(), &serve);
    assert!(error.contains("expired") && error.contains("config publish"), "{error}");
    let published = good(directory.path(), &["config", "publish"]);
    assert!(published.contains("sequence 2"), "{published}");
    drop(Serving::start(directory.path()));
}

/// Signs the document again as one that expired a few seconds ago.
fn expire(home: &Path, document: &str) {
    let document = OverlayDocument::parse(document.as_bytes()).unwrap();
    let configuration = document.find(OVERLAY).unwrap();
    let trust = Trust::new(configuration, Leniency::Strict).unwrap();
    let read = |name: &str| std::fs::read_to_string(home.join(name)).unwrap();
    let signer =
        Credentials::load(&read("signer.key"), &read("signer.pem"), &trust, now()).unwrap();
    let mut builder = ConfigurationBuilder::from_configuration(configuration).unwrap();
    builder.expiration = Some(UnixTime::from_secs(now().as_secs() - 5));
    let raw = builder.build().unwrap();
    let document = assemble(&raw, &sign_configuration(&signer, &raw).unwrap());
    std::fs::write(home.join("overlay.xml"), document).unwrap();
}

#[test]
fn a_full_disk_leaves_the_old_files() {
    let directory = with_alice();
    let before = std::fs::read(directory.path().join("overlay.xml")).unwrap();
    // A limit on the size of files fails writes as a full disk does, once its signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --home \"$1\" config publish";
    let limited = |script: &str, home: &Path| {
        Command::new("sh").args(["-c", script, PROGRAM]).arg(home).output().unwrap()
    };
    let error = failure(&limited(script, directory.path()));
    assert!(error.contains("cannot write") && error.contains("overlay.xml"), "{error}");
    assert_eq!(std::fs::read(directory.path().join("overlay.xml")).unwrap(), before);

    let home = directory.path().join("new");
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --home \"$1\" init --overlay o.example";
    failure(&limited(script, &home));
    good(&home, &["init", "--overlay", "o.example"]);
}
