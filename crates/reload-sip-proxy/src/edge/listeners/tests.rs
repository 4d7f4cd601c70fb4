//! Sockets of all kinds, and streams up to their bound.

use rsipstack::sip::{Request, StatusCode};
use rsipstack::transaction::Endpoint;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::pipes::testing::stack;

const ANY: &str = "127.0.0.1:0";

fn options(transport: &str) -> String {
    format!(
        "OPTIONS sip:o.example SIP/2.0\r\nVia: SIP/2.0/{transport} 127.0.0.1;rport;branch=z9hG4bKx\r\n\
         From: <sip:alice@o.example>;tag=f\r\nTo: <sip:o.example>\r\nCall-ID: c1\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// A stack that answers everything with 200.
async fn serve(listeners: Listeners, end: &CancellationToken) -> Endpoint {
    let stack = stack(Duration::from_millis(500));
    listeners.serve(&stack.inner, end.clone()).await;
    let mut incoming = stack.incoming_transactions().unwrap();
    let inner = stack.inner.clone();
    tokio::spawn(async move { inner.serve().await });
    tokio::spawn(async move {
        while let Some(mut transaction) = incoming.recv().await {
            let _: &Request = &transaction.original;
            transaction.reply(StatusCode::OK).await.ok();
        }
    });
    stack
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), transport: &str) -> String {
    stream.write_all(options(transport).as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn udp_and_tcp_share_a_port_and_answer() {
    let end = CancellationToken::new();
    let listeners = Listeners::bind(ANY.parse().unwrap(), None).await.unwrap();
    let (udp, tcp) = (listeners.udp(), listeners.tcp());
    assert_eq!(udp, tcp);
    assert_ne!(udp.port(), 0);
    let _stack = serve(listeners, &end).await;
    let socket = UdpSocket::bind(ANY).await.unwrap();
    socket.send_to(options("UDP").as_bytes(), udp).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = socket.recv(&mut buffer).await.unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 200"));
    let mut stream = TcpStream::connect(tcp).await.unwrap();
    assert!(ask(&mut stream, "TCP").await.starts_with("SIP/2.0 200"));
}

#[tokio::test]
async fn a_port_that_is_taken_for_tcp_is_an_error_that_names_it() {
    let taken = TcpListener::bind(ANY).await.unwrap().into_std().unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listeners::bind(address, None).await.err().unwrap();
    assert!(error.to_string().starts_with(&address.to_string()), "{error}");
}

#[tokio::test]
async fn tls_is_spoken_with_the_certificate_that_was_given() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let identity = TlsIdentity {
        listen: ANY.parse().unwrap(),
        certificate_pem: own.cert.pem().into_bytes(),
        key_pem: own.signing_key.serialize_pem().into_bytes(),
    };
    let end = CancellationToken::new();
    let listeners = Listeners::bind(ANY.parse().unwrap(), Some(identity)).await.unwrap();
    let address = listeners.tls().unwrap();
    let _stack = serve(listeners, &end).await;
    let mut roots = RootCertStore::empty();
    roots.add(own.cert.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.unwrap();
    assert!(ask(&mut stream, "TLS").await.starts_with("SIP/2.0 200"));
}

#[tokio::test]
async fn a_certificate_or_key_that_is_none_is_refused() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    for (certificate_pem, key_pem) in [(&key, &key), (&certificate, &certificate)] {
        let identity = TlsIdentity {
            listen: ANY.parse().unwrap(),
            certificate_pem: certificate_pem.clone().into_bytes(),
            key_pem: key_pem.clone().into_bytes(),
        };
        let bound = Listeners::bind(ANY.parse().unwrap(), Some(identity)).await;
        assert!(matches!(bound.err(), Some(ListenError::Identity(_))));
    }
}

#[tokio::test]
async fn more_streams_than_the_bound_are_closed_until_others_end() {
    let end = CancellationToken::new();
    let listeners = Listeners::bind(ANY.parse().unwrap(), None).await.unwrap();
    let address = listeners.tcp();
    let _stack = serve(listeners, &end).await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(ask(&mut stream, "TCP").await.starts_with("SIP/2.0 200"));
        streams.push(stream);
    }
    let mut refused = TcpStream::connect(address).await.unwrap();
    assert_eq!(refused.read(&mut [0; 16]).await.unwrap_or(0), 0);
    drop(streams);
    let served = async {
        loop {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut buffer = [0; 16];
            stream.write_all(options("TCP").as_bytes()).await.ok();
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), served).await.unwrap();
}

#[tokio::test]
async fn at_the_end_nothing_listens_any_more() {
    let end = CancellationToken::new();
    let listeners = Listeners::bind(ANY.parse().unwrap(), None).await.unwrap();
    let address = listeners.tcp();
    let stack = serve(listeners, &end).await;
    end.cancel();
    stack.shutdown();
    drop(stack);
    let freed = async {
        while TcpListener::bind(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.unwrap();
}
