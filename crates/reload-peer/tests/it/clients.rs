//! Overlays that permit no clients (section 11.1).

use std::path::Path;

use crate::support::{assert_one_line, reload, stderr, text};

/// A home in a self-signed overlay whose document says this about clients.
fn home(directory: &Path, permitted: &str) -> std::path::PathBuf {
    let in_it = |name: &str| directory.join(name);
    let good = |arguments: &[&str]| {
        let output = reload(arguments);
        assert!(output.status.success(), "{}", stderr(&output));
    };
    let (draft, signed) = (in_it("draft.xml"), in_it("signed.xml"));
    let new = ["config", "new", "--overlay", "self.example.org", "--self-signed", "--make-signer"];
    good(&[&new[..], &[text(directory), "--days", "30", "--output", text(&draft)]].concat());
    let document = std::fs::read_to_string(&draft).unwrap();
    let changed = document.replace(
        "<clients-permitted>true</clients-permitted>",
        &format!("<clients-permitted>{permitted}</clients-permitted>"),
    );
    assert_eq!(changed != document, permitted != "true");
    std::fs::write(&draft, changed).unwrap();
    let (key, certificate) = (in_it("signer.key"), in_it("signer.pem"));
    let sign = ["config", "sign", text(&draft), "--key", text(&key), "--cert", text(&certificate)];
    good(&[&sign[..], &["--output", text(&signed)]].concat());
    let home = in_it("home");
    let enroll = ["enroll", "--home", text(&home), "--overlay", "self.example.org", "--user"];
    good(&[&enroll[..], &["alice@self.example.org", "--config", text(&signed)]].concat());
    home
}

// R6940-11.1-22
#[test]
fn a_client_does_not_start_where_clients_are_not_permitted() {
    let directory = tempfile::tempdir().unwrap();
    let home = home(directory.path(), "false");
    let client = reload(&["peer", "--home", text(&home), "--client"]);
    assert_one_line(&client, &["self.example.org permits no clients"]);
}

// R6940-11.1-21
#[test]
fn where_clients_are_permitted_the_lack_of_a_way_in_is_all_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let home = home(directory.path(), "true");
    let client = reload(&["peer", "--home", text(&home), "--client"]);
    assert!(!client.status.success());
    assert!(!stderr(&client).contains("permits no clients"), "{}", stderr(&client));
}
