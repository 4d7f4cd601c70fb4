//! `openssl s_client` and `s_server` as the other side.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use reload_identity::{Credentials, certificates_to_pem};
use reload_net::dial;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::kit::{Overlay, PATIENCE, TLS_1_2, TLS_1_3, frame, soon};
use crate::nodes::Running;

/// Says why a test is skipped; with RELOAD_TEST_TOOLS=require that is a failure.
fn has_openssl() -> bool {
    let run = std::process::Command::new("openssl").arg("version").output();
    if run.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let required = std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require");
    assert!(!required, "openssl is required and not there");
    eprintln!("skipped: no openssl");
    false
}

/// Writes key, certificate and CA as openssl wants them; gives the common arguments.
fn files(folder: &Path, overlay: &Overlay, credentials: &Credentials) -> Vec<String> {
    let key = reload_identity::KeyPair::from_pkcs8(credentials.key_pkcs8_der()).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = write("key.pem", key.to_pem());
    let certificate = write("cert.pem", certificates_to_pem([credentials.certificate().der()]));
    let ca = write("ca.pem", overlay.issuer.certificate_pem());
    ["-quiet", "-key", &key, "-cert", &certificate, "-CAfile", &ca].map(str::to_owned).to_vec()
}

fn openssl(arguments: &[&str], common: &[String]) -> Child {
    Command::new("openssl")
        .args(arguments)
        .args(common)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

// R6940-6.6.2-04
#[tokio::test]
async fn s_client_is_a_link_in_both_versions_and_with_both_keys() {
    if !has_openssl() {
        return;
    }
    let overlay = Overlay::new();
    let folder = tempfile::tempdir().unwrap();
    let mut node = Running::start(overlay.identity(&overlay.node())).await;
    let address = node.address().to_string();
    for credentials in [overlay.node(), overlay.rsa_node()] {
        let common = files(folder.path(), &overlay, &credentials);
        for version in ["-tls1_2", "-tls1_3"] {
            let connect = ["s_client", "-connect", &address, version, "-verify_return_error"];
            let mut client = openssl(&connect, &common);
            let mut input = client.stdin.take().unwrap();
            input.write_all(&frame(0, b"from openssl")).await.unwrap();
            input.flush().await.unwrap();
            let link = node.up().await;
            assert_eq!(node.message(link).await, "from openssl");
            let mut ack = [0; 9];
            soon(client.stdout.take().unwrap().read_exact(&mut ack)).await.unwrap();
            assert_eq!(ack, [129, 0, 0, 0, 0, 0, 0, 0, 0]);
            client.kill().await.unwrap();
            node.down(link).await;
        }
    }
}

#[tokio::test]
async fn s_server_is_dialled_and_sees_our_certificate() {
    if !has_openssl() {
        return;
    }
    let overlay = Overlay::new();
    let folder = tempfile::tempdir().unwrap();
    let server_node = overlay.rsa_node();
    for versions in [TLS_1_2, TLS_1_3] {
        let common = files(folder.path(), &overlay, &server_node);
        let listen = ["s_server", "-accept", "127.0.0.1:0", "-Verify", "2", "-verify_return_error"];
        let mut server = openssl_server(&listen, &common);
        let address = address_of(&mut server).await;
        let identity = overlay.identity(&overlay.node()).with_versions(versions);
        let connection =
            soon(dial(&identity, address, Some(server_node.node_id()), Instant::now() + PATIENCE));
        let mut connection = connection.await.unwrap();
        assert_eq!(connection.certificate.node_id(), server_node.node_id());
        connection.stream.write_all(b"seen by openssl\n").await.unwrap();
        connection.stream.flush().await.unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = soon(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("openssl goes on");
                if line.contains("seen by") {
                    return line;
                }
            }
        });
        assert_eq!(line.await, "seen by openssl");
    }
}

/// Without `-quiet`: then it tells its port.
fn openssl_server(arguments: &[&str], common: &[String]) -> Child {
    openssl(arguments, &common[1..])
}

/// `ACCEPT 127.0.0.1:40123` is its first line.
async fn address_of(server: &mut Child) -> SocketAddr {
    let mut line = Vec::new();
    let stdout = server.stdout.as_mut().unwrap();
    while soon(stdout.read_u8()).await.map(|byte| line.push(byte)).is_ok() {
        if line.ends_with(b"\n") {
            let text = String::from_utf8_lossy(&line);
            if let Some(address) = text.strip_prefix("ACCEPT ") {
                return address.trim().parse().unwrap();
            }
            line.clear();
        }
    }
    panic!("openssl tells no port");
}

// R6940-4.1-03, R6940-6.5.1.13-03
#[tokio::test]
async fn s_client_without_a_certificate_is_refused_with_an_alert() {
    if !has_openssl() {
        return;
    }
    let overlay = Overlay::new();
    let node = Running::start(overlay.identity(&overlay.node())).await;
    let address = node.address().to_string();
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-tls1_3"])
        .stdin(Stdio::piped()) // open to the end: at its end s_client would stop by itself
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut text = String::new();
    soon(client.stderr.take().unwrap().read_to_string(&mut text)).await.unwrap();
    assert!(text.contains("certificate required"), "{text}");
    assert!(soon(node.handle.snapshot()).await.unwrap().links.is_empty());
}
