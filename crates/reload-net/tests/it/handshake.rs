//! Good handshakes: both versions of TLS, both kinds of keys, Node-IDs bound to the link.

use reload_net::{AcceptLimits, TlsIdentity, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::kit::{Door, Overlay, PATIENCE, TLS_1_2, TLS_1_3, soon};

async fn shake_hands(server: TlsIdentity, client: TlsIdentity) -> (String, String) {
    let mut door = Door::open(server, AcceptLimits::default()).await.unwrap();
    let dialled = dial(&client, door.address, None, Instant::now() + PATIENCE).await.unwrap();
    let accepted = door.accepted().await.connection;
    assert!(dialled.dialled && !accepted.dialled);
    assert_eq!(dialled.protocol, accepted.protocol);
    assert_eq!((dialled.local, dialled.remote), (accepted.remote, accepted.local));
    let (mut left, mut right) = (dialled.stream, accepted.stream);
    left.write_all(b"hello").await.unwrap();
    left.flush().await.unwrap();
    let mut hello = [0; 5];
    soon(right.read_exact(&mut hello)).await.unwrap();
    assert_eq!(&hello, b"hello");
    let ids = [&dialled.certificate, &accepted.certificate].map(|it| it.node_id().to_string());
    (dialled.protocol.to_owned(), ids.join(" "))
}

// R6940-4.1-03, R6940-6.6.1-01, R6940-6.6.1-02, R6940-6.6.1-03
#[tokio::test]
async fn both_versions_with_both_kinds_of_keys_bind_the_node_ids() {
    let overlay = Overlay::new();
    for (ours, theirs) in [
        (overlay.node(), overlay.node()),
        (overlay.rsa_node(), overlay.node()),
        (overlay.node(), overlay.rsa_node()),
    ] {
        for (version, name) in [(TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")] {
            let server = overlay.identity(&ours).with_versions(version);
            let (protocol, ids) = shake_hands(server, overlay.identity(&theirs)).await;
            assert_eq!(protocol, name);
            assert_eq!(ids, format!("{} {}", ours.node_id(), theirs.node_id()));
        }
    }
}

// R6940-6.5.1.11-01, R6940-6.6.1-01
#[tokio::test]
async fn the_expected_node_id_may_be_demanded() {
    let overlay = Overlay::new();
    let (ours, theirs) = (overlay.node(), overlay.node());
    let door = Door::open(overlay.identity(&ours), AcceptLimits::default()).await.unwrap();
    let client = overlay.identity(&theirs);
    let deadline = Instant::now() + PATIENCE;
    assert!(dial(&client, door.address, Some(ours.node_id()), deadline).await.is_ok());
    let error = dial(&client, door.address, Some(theirs.node_id()), deadline).await.unwrap_err();
    let (found, expected) = (ours.node_id(), theirs.node_id());
    assert_eq!(
        error.to_string(),
        format!("refused {}: certificate is of node {found}, not of {expected}", door.address)
    );
}

#[tokio::test]
async fn secrets_are_written_only_when_asked_for() {
    let overlay = Overlay::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let log = reload_net::key_log(&path).unwrap();
    let logging = TlsIdentity::new(&overlay.node(), overlay.trust(), Some(log)).unwrap();
    let silent = overlay.identity(&overlay.node());
    shake_hands(silent.clone(), silent.clone()).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    shake_hands(logging, silent).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("CLIENT_TRAFFIC_SECRET_0 "), "{text}");
}
