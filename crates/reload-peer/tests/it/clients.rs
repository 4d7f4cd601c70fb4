//! Overlays that permit no clients (section 11.1).

use std::path::{Path, PathBuf};

use crate::config::{self_signed_home, self_signed_overlay_with};
use crate::support::{assert_one_line, reload, stderr, text};

/// A home in a self-signed overlay whose document says this about clients.
fn home(directory: &Path, permitted: &str) -> PathBuf {
    let change = |document: String| {
        let element = |said: &str| format!("<clients-permitted>{said}</clients-permitted>");
        let changed = document.replace(&element("true"), &element(permitted));
        assert_eq!(changed != document, permitted != "true");
        changed
    };
    let document = self_signed_overlay_with(directory, "30", change);
    self_signed_home(directory, "alice@self.example.org", &document)
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
