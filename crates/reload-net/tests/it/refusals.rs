//! Refused certificates: a clear line on both sides, in both versions of TLS.

use reload_identity::Credentials;
use reload_net::{AcceptLimits, TlsIdentity, dial};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::kit::{Door, Log, Overlay, PATIENCE, TLS_1_2, TLS_1_3, identity, soon};
use crate::nodes::Running;
use crate::raw::stranger;

/// Dials `server` as a node with `client`; returns why the node thinks the link went down, and the
/// log of both sides.
async fn refused(server: TlsIdentity, client: TlsIdentity) -> (String, Log) {
    let (log, _guard) = Log::capture();
    let door = Door::open(server, AcceptLimits::default()).await.unwrap();
    let mut node = Running::start(client).await;
    let link = node.dial(door.address).await;
    let reason = node.down(link).await;
    log.wait_for("refused 127.0.0.1:").await;
    log.wait_for("refused by 127.0.0.1:").await;
    (reason, log)
}

async fn each_version(
    overlay: &Overlay,
    credentials: &Credentials,
    server: &TlsIdentity,
    (at_server, at_client): (&str, &str),
) {
    for versions in [TLS_1_2, TLS_1_3] {
        let client = identity(credentials, overlay.trust()).with_versions(versions);
        let (reason, log) = refused(server.clone(), client).await;
        assert!(log.text().contains(at_server), "{at_server} is not in\n{}", log.text());
        assert!(log.text().contains(at_client), "{at_client} is not in\n{}", log.text());
        assert!(reason.contains(at_client), "{at_client} is not in {reason}");
    }
}

// R6940-13.3-03, R6940-13.3-05
#[tokio::test]
async fn a_certificate_of_another_ca() {
    let overlay = Overlay::new();
    let lines = (
        "certificate is not issued by a root certificate of this overlay",
        "our certificate is of another CA than that of its overlay",
    );
    let server = overlay.identity(&overlay.node());
    for other in [Overlay::with_ca("another CA"), Overlay::new()] {
        each_version(&overlay, &other.node(), &server, lines).await;
    }
}

#[tokio::test]
async fn an_expired_certificate() {
    let overlay = Overlay::new();
    let server = overlay.identity(&overlay.node());
    let lines = ("certificate expired at ", "our certificate is expired or not yet valid there");
    each_version(&overlay, &overlay.expired_node(), &server, lines).await;
}

// R6940-11.1-32
#[tokio::test]
async fn a_revoked_certificate_also_when_it_was_revoked_while_we_listen() {
    let overlay = Overlay::new();
    let client = overlay.node();
    let server = overlay.identity(&overlay.node());
    let deadline = Instant::now() + PATIENCE;
    let door = Door::open(server.clone(), AcceptLimits::default()).await.unwrap();
    dial(&overlay.identity(&client), door.address, None, deadline).await.unwrap();
    server.set_trust(overlay.trust_without(&[client.node_id()]));
    let lines = ("certificate is revoked: node ", "our certificate is revoked (bad-node)");
    each_version(&overlay, &client, &server, lines).await;
}

// R6940-4.1-03, R6940-6.5.1.13-03, R6940-11.3-01, R6940-13.2-01, R6940-13.3-05
#[tokio::test]
async fn no_certificate() {
    let overlay = Overlay::new();
    for version in [&TLS12, &TLS13] {
        let (log, _guard) = Log::capture();
        let server = overlay.identity(&overlay.node());
        let door = Door::open(server, AcceptLimits::default()).await.unwrap();
        // In TLS 1.3 the refusal comes with the first read.
        let error = match stranger(door.address, version, None).await {
            Err(error) => error,
            Ok(mut stream) => soon(stream.read_u8()).await.unwrap_err(),
        };
        assert!(error.to_string().contains("fatal alert"), "{error}");
        log.wait_for("it shows no certificate").await;
        log.wait_for("refused 127.0.0.1:").await;
    }
}

#[tokio::test]
async fn the_dialling_side_refuses_too() {
    let (overlay, other) = (Overlay::new(), Overlay::new());
    for versions in [TLS_1_2, TLS_1_3] {
        let (log, _guard) = Log::capture();
        let server = identity(&other.node(), overlay.trust());
        let door = Door::open(server, AcceptLimits::default()).await.unwrap();
        let client = overlay.identity(&overlay.node()).with_versions(versions);
        let error = dial(&client, door.address, None, Instant::now() + PATIENCE).await;
        let line = error.unwrap_err().to_string();
        let start = format!("refused {}: certificate is not issued by a root", door.address);
        assert!(line.starts_with(&start), "{line}");
        log.wait_for("our certificate is of another CA").await;
    }
}

// R6940-13.2-01
#[tokio::test]
async fn nobody_there_and_no_tls_there_are_clear_lines() {
    let overlay = Overlay::new();
    let client = overlay.identity(&overlay.node());
    let deadline = Instant::now() + PATIENCE;
    let listener = tokio::net::TcpListener::bind(crate::kit::loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let closing = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
    let line = dial(&client, address, None, deadline).await.unwrap_err().to_string();
    closing.await.unwrap();
    assert!(line.starts_with(&format!("no connection with {address}: ")), "{line}");
    let (_held, address) = crate::kit::nobody();
    let line = dial(&client, address, None, deadline).await.unwrap_err().to_string();
    assert_eq!(line, format!("no connection with {address}: nothing listens there"));
}
