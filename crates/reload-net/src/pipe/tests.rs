//! Pipes and streams between two ends in memory, over a path that loses and reorders.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    Algorithm, Issuer, KeyPair, Trust, TrustSettings, Validity, VerifiedCertificate,
};
use reload_node::LinkId;
use reload_wire::{NodeId, NodeIdLength};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
const MTU: usize = 1100;
const PRIVATE: u16 = 61443;

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("it should have happened by now")
}

fn certificate() -> Arc<VerifiedCertificate> {
    let now = crate::clock::now().wall;
    let validity = Validity::starting(now, Duration::from_secs(86_400));
    let key = || KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let issuer = Issuer::create(key(), "test CA", validity).unwrap();
    let (overlay, id) = ("overlay.example.org", NodeId::from_u128(7));
    let user = Some("bob@overlay.example.org");
    let der = issuer.node_certificate(key().spki(), overlay, &[id], user, validity).unwrap();
    let settings = TrustSettings {
        overlay,
        node_id_length: NodeIdLength::DEFAULT,
        root_certs: &[issuer.certificate_der().clone()],
        self_signed: None,
        bad_nodes: &[],
        leniency: Leniency::Strict,
    };
    Trust::from_settings(&settings).unwrap().check(&der, &[], now).unwrap()
}

/// The driver's end of a pipe, and what the pipe sends.
struct End {
    entry: PipeEntry,
    sent: mpsc::Receiver<PipeSend>,
}

fn pipe(application: u16) -> (End, Pipe) {
    let (sender, sent) = mpsc::channel(16);
    let certificate = certificate();
    let (link, node) = (LinkId::planned(1), certificate.node_id());
    let facts = PipeFacts { link, node, application, certificate, mtu: MTU, path: None };
    let (entry, pipe) = PipeEntry::new(facts, sender);
    (End { entry, sent }, pipe)
}

/// Two pipes joined by a path that loses each datagram whose number `loses` says.
fn joined(loses: fn(u64) -> bool) -> (Pipe, Pipe) {
    let ((one, ours), (two, theirs)) = (pipe(PRIVATE), pipe(PRIVATE));
    tokio::spawn(async move {
        let (mut one, mut two, mut count) = (one, two, 0);
        loop {
            count += 1;
            // Also turns neighbours around now and then, as select takes either side.
            tokio::select! {
                sent = one.sent.recv() => match sent {
                    Some(sent) if !loses(count) => two.entry.deliver(sent.datagram),
                    Some(_) => {}
                    None => return two.entry.end("closed".to_owned()),
                },
                sent = two.sent.recv() => match sent {
                    Some(sent) if !loses(count) => one.entry.deliver(sent.datagram),
                    Some(_) => {}
                    None => return one.entry.end("closed".to_owned()),
                },
            }
        }
    });
    (ours, theirs)
}

fn pattern(length: usize, start: u8) -> Vec<u8> {
    let mut next = start;
    let mut byte = || {
        next = next.wrapping_mul(5).wrapping_add(7);
        next
    };
    (0..length).map(|_| byte()).collect()
}

/// Sends `ours` and reads to the end.
async fn exchange(stream: PipeStream, ours: Vec<u8>) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = async {
        writer.write_all(&ours).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut theirs = Vec::new();
    let reading = async { reader.read_to_end(&mut theirs).await.unwrap() };
    tokio::join!(writing, reading);
    theirs
}

#[tokio::test]
async fn a_stream_carries_everything_in_order_over_a_path_that_loses() {
    let (ours, theirs) = joined(|number| number % 11 == 3 || number % 64 == 5);
    let (ours, theirs) = (ours.into_stream().unwrap(), theirs.into_stream().unwrap());
    let (one, two) = (pattern(300_000, 1), pattern(70_001, 2));
    let there = exchange(ours, one.clone());
    let back = exchange(theirs, two.clone());
    let (got_two, got_one) = soon(async { tokio::join!(there, back) }).await;
    assert!(got_one == one && got_two == two, "the bytes are not those that were sent");
}

#[tokio::test]
async fn an_empty_stream_ends_on_both_sides() {
    let (ours, theirs) = joined(|_| false);
    let (ours, theirs) = (ours.into_stream().unwrap(), theirs.into_stream().unwrap());
    let both = soon(async { tokio::join!(exchange(ours, Vec::new()), exchange(theirs, vec![1])) });
    assert_eq!(both.await, (vec![1], Vec::new()));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_writer() {
    let (ours, theirs) = joined(|_| false);
    let (mut ours, mut theirs) = (ours.into_stream().unwrap(), theirs.into_stream().unwrap());
    let data = pattern(1 << 20, 3);
    let mut written = 0;
    // What fits on the way: the window, and a buffer at each end.
    while let Ok(wrote) = timeout(Duration::from_secs(1), ours.write(&data[written..])).await {
        written += wrote.unwrap();
        assert!(written < 600_000, "{written} bytes are held somewhere");
    }
    let rest = async {
        ours.write_all(&data[written..]).await.unwrap();
        ours.shutdown().await.unwrap();
    };
    let mut read = Vec::new();
    soon(async { tokio::join!(rest, theirs.read_to_end(&mut read)) }).await.1.unwrap();
    assert!(read == data, "it goes on when the reader does");
}

#[tokio::test]
async fn a_stream_whose_link_goes_breaks_with_the_reason() {
    let (end, pipe) = pipe(PRIVATE);
    let mut stream = pipe.into_stream().unwrap();
    end.entry.end("the link is gone".to_owned());
    let error = soon(stream.read(&mut [0; 8])).await.unwrap_err();
    assert!(error.to_string().contains("the link is gone"), "{error}");
    let error = soon(stream.shutdown()).await.unwrap_err();
    assert!(error.to_string().contains("the link is gone"), "{error}");
}

#[tokio::test]
async fn noise_instead_of_a_stream_breaks_it() {
    let (end, pipe) = pipe(PRIVATE);
    let mut stream = pipe.into_stream().unwrap();
    // A frame of Simple Reliability with a message that is none of a stream.
    end.entry.deliver(Bytes::from_static(&[128, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]));
    let error = soon(stream.read(&mut [0; 8])).await.unwrap_err();
    assert!(error.to_string().contains("protocol of a stream"), "{error}");
}

#[tokio::test]
async fn a_stream_is_for_private_applications_only() {
    let (_end, pipe) = pipe(5060);
    assert_eq!(pipe.into_stream().unwrap_err(), PipeError::NotPrivate);
}

#[tokio::test]
async fn a_datagram_must_fit_and_a_slow_reader_loses_the_latest() {
    let (end, pipe) = pipe(5060);
    assert_eq!((pipe.user(), pipe.application()), (Some("bob@overlay.example.org"), 5060));
    let large = Bytes::from(vec![0; MTU + 1]);
    let refused = PipeError::TooLarge { size: MTU + 1, limit: MTU };
    assert_eq!(pipe.send(large).await, Err(refused));
    for number in 0..=255_u8 {
        end.entry.deliver(Bytes::copy_from_slice(&[number]));
    }
    end.entry.deliver(Bytes::from_static(b"too many"));
    assert_eq!(pipe.dropped(), 1);
    assert_eq!(pipe.recv().await.as_deref(), Some(&[0][..]), "the first is the first");
    end.entry.end("over".to_owned());
    assert_eq!(pipe.send(Bytes::new()).await, Err(PipeError::Closed("over".to_owned())));
}
