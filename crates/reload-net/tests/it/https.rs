//! The HTTPS client against a small server: who is trusted, under which name, and how much is read.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_identity::{Algorithm, KeyPair, Validity};
use reload_net::{HttpsClient, HttpsError};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::kit::{OVERLAY, Overlay, expired, loopback, soon, valid};

/// Answers each request with `answer` after what it got; returns its URL.
pub(crate) async fn server(
    overlay: &Overlay,
    name: &str,
    validity: Validity,
    answer: Answer,
) -> String {
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let certificate = overlay.issuer.server_certificate(key.spki(), &[name], validity).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.to_vec())], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let url = format!("https://{}/path?query", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut request = vec![0; 4096];
                let size = stream.read(&mut request).await.unwrap();
                let text = answer(&request[..size]);
                if text.is_empty() {
                    std::future::pending::<()>().await;
                }
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    url
}

pub(crate) type Answer = fn(&[u8]) -> String;

/// The request comes back as the body.
pub(crate) fn echo(request: &[u8]) -> String {
    let body = String::from_utf8_lossy(request);
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn client(overlay: &Overlay) -> HttpsClient {
    HttpsClient::new(Some(overlay.issuer.certificate_pem().as_bytes()), Some(OVERLAY)).unwrap()
}

async fn error(client: &HttpsClient, url: &str) -> String {
    let line = soon(client.get(url, "*/*")).await.unwrap_err().to_string();
    line.strip_prefix(url).unwrap_or(&line).trim_start_matches(": ").to_owned()
}

// R6940-11.2-08, R6940-11.3-10, R6940-14.16-01
#[tokio::test]
async fn get_and_post_say_what_they_should() {
    let overlay = Overlay::new();
    let url = server(&overlay, "127.0.0.1", valid(), echo).await;
    let client = client(&overlay);
    let answer = soon(client.get(&url, "application/p2p-overlay+xml")).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("text/x")));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.starts_with("GET /path?query HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("accept: application/p2p-overlay+xml\r\n"), "{text}");
    let host = url.trim_start_matches("https://").split('/').next().unwrap();
    assert!(text.contains(&format!("host: {host}\r\n")), "{text}");
    let body = Bytes::from_static(b"--b\r\n");
    let answer = soon(client.post(&url, "multipart/form-data; boundary=b", body)).await.unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(text.starts_with("POST /path?query HTTP/1.1\r\n"), "{text}");
    assert!(text.contains("content-type: multipart/form-data; boundary=b\r\n"), "{text}");
    assert!(text.ends_with("content-length: 5\r\n\r\n--b\r\n"), "{text}");
}

// R6940-11.2-06, R6940-11.2-07, R6940-11.3-04
#[tokio::test]
async fn the_name_of_the_overlay_is_as_good_as_that_of_the_host_and_no_other_is() {
    let overlay = Overlay::new();
    let named = server(&overlay, OVERLAY, valid(), echo).await;
    assert!(soon(client(&overlay).get(&named, "*/*")).await.is_ok());
    let ca = overlay.issuer.certificate_pem();
    let strict = HttpsClient::new(Some(ca.as_bytes()), None).unwrap();
    let line = "the certificate of the server names neither its host nor the overlay";
    assert_eq!(error(&strict, &named).await, line);
    let other = server(&overlay, "other.example.org", valid(), echo).await;
    assert_eq!(error(&client(&overlay), &other).await, line);
}

// R6940-4.1-01
#[tokio::test]
async fn another_ca_and_an_expired_certificate_are_refused_with_a_clear_line() {
    let (overlay, other) = (Overlay::new(), Overlay::new());
    let url = server(&other, "127.0.0.1", valid(), echo).await;
    assert_eq!(
        error(&client(&overlay), &url).await,
        "the certificate of the server is not issued by a trusted CA (--ca)"
    );
    let url = server(&overlay, "127.0.0.1", expired(), echo).await;
    let line = error(&client(&overlay), &url).await;
    assert!(line.starts_with("the certificate of the server has expired"), "{line}");
}

#[tokio::test]
async fn an_answer_too_large_or_too_late_or_from_elsewhere_is_refused() {
    let overlay = Overlay::new();
    let url = server(&overlay, "127.0.0.1", valid(), echo).await;
    let small = client(&overlay).with_limits(10, Duration::from_secs(20));
    assert_eq!(error(&small, &url).await, "the answer has more than 10 bytes");
    let silent = server(&overlay, "127.0.0.1", valid(), |_| String::new()).await;
    let hasty = client(&overlay).with_limits(100, Duration::from_millis(300));
    assert_eq!(error(&hasty, &silent).await, "no answer within 0.3 s");
    let redirect =
        |_: &[u8]| "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".into();
    let url = server(&overlay, "127.0.0.1", valid(), redirect).await;
    let line = error(&client(&overlay), &url).await;
    assert_eq!(line, "the server answers with a redirect (302), which is not followed");
}

#[tokio::test]
async fn nobody_there_and_no_tls_there_are_clear_lines() {
    let overlay = Overlay::new();
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let plain = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    assert_eq!(error(&client(&overlay), &url).await, "the server does not speak TLS");
    plain.await.unwrap();
    let (_held, address) = crate::kit::nobody();
    let url = format!("https://{address}/");
    assert_eq!(error(&client(&overlay), &url).await, "nothing listens there");
    let bad = client(&overlay).get("ftp://x/", "*/*").await;
    assert!(matches!(bad, Err(HttpsError::NotHttps { .. })));
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let overlay = Overlay::new();
    let answer = |request: &[u8]| {
        let request = String::from_utf8_lossy(request);
        match request.contains("if-none-match: \"7\"\r\n") {
            true => "HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n".to_owned(),
            false => "HTTP/1.1 200 OK\r\nETag: \"7\"\r\nContent-Length: 3\r\n\r\nall".to_owned(),
        }
    };
    let url = server(&overlay, "127.0.0.1", valid(), answer).await;
    let client = client(&overlay);
    let first = soon(client.get(&url, "*/*")).await.unwrap();
    assert_eq!((first.status, first.etag.as_deref()), (200, Some("\"7\"")));
    let second = soon(client.get_if_changed(&url, "*/*", "\"7\"")).await.unwrap();
    assert_eq!((second.status, second.body.len()), (304, 0));
    let third = soon(client.get_if_changed(&url, "*/*", "\"6\"")).await.unwrap();
    assert_eq!((third.status, &third.body[..]), (200, &b"all"[..]));
}
