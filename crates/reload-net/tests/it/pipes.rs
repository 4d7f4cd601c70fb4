//! Pipes between two drivers over ICE: who is at the other end, datagrams, streams, offers, ends.

use bytes::Bytes;
use reload_net::{NodeHandle, OfferError, Pipe, PipeListener, RequestFailure};
use reload_node::{Event, LinkPurpose, Output};
use reload_wire::NodeId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::datagrams::{ice, two, udp_only};
use crate::kit::soon;
use crate::nodes::{Puppet, Running};

const PRIVATE: u16 = 61443;

async fn offer(node: &NodeHandle<Puppet>, application: u16) -> PipeListener {
    soon(node.offer(application)).await.unwrap()
}

/// A pipe between two nodes, as an AppAttach agrees on it.
async fn pipe(one: &mut Running, two: &mut Running, offer: &mut PipeListener) -> (Pipe, Pipe) {
    let application = offer.application();
    let (ours, theirs) = ice(one, two, LinkPurpose::Application(application)).await;
    let nodes = one.handle.snapshot().await.unwrap().datagram_links;
    let node = nodes.iter().find(|link| link.status.link == ours).unwrap().node_ids[0];
    one.with(move |puppet| puppet.attaching = Some((ours, node))).await;
    let event = Event::Pipe { link: theirs, node: NodeId::from_u128(9), application };
    two.output(Output::Event(event)).await;
    let attached = soon(one.handle.app_attach(node, application)).await.unwrap();
    assert_eq!(attached.node(), node);
    (attached, soon(offer.accept()).await.unwrap())
}

async fn start() -> (Running, Running, PipeListener) {
    let (one, two) = two(false, udp_only()).await;
    let listener = offer(&two.handle, PRIVATE).await;
    (one, two, listener)
}

// R6940-6.5.2-01
#[tokio::test]
async fn a_pipe_carries_datagrams_both_ways_and_knows_the_other_end() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, theirs) = pipe(&mut one, &mut two, &mut listener).await;
    assert_eq!(ours.application(), PRIVATE);
    assert_eq!(theirs.certificate().node_ids().len(), 1);
    assert_ne!(ours.certificate().node_id(), theirs.certificate().node_id());
    soon(ours.send(Bytes::from_static(b"ping"))).await.unwrap();
    assert_eq!(soon(theirs.recv()).await.as_deref(), Some(&b"ping"[..]));
    soon(theirs.send(Bytes::from_static(b"pong"))).await.unwrap();
    assert_eq!(soon(ours.recv()).await.as_deref(), Some(&b"pong"[..]));
    let full = Bytes::from(vec![7; ours.mtu()]);
    assert!(full.len() > 1000);
    soon(ours.send(full.clone())).await.unwrap();
    assert_eq!(soon(theirs.recv()).await, Some(full));
}

#[tokio::test]
async fn a_pipe_has_a_socket_of_its_own() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, _theirs) = pipe(&mut one, &mut two, &mut listener).await;
    let links = soon(one.handle.snapshot()).await.unwrap().datagram_links;
    let link = &links.iter().find(|link| link.status.link == ours.link()).unwrap().status;
    assert_eq!(link.application, Some(PRIVATE));
    assert_ne!(link.local.unwrap().port(), one.address().port());
}

#[tokio::test]
async fn a_megabyte_goes_through_a_stream_each_way() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, theirs) = pipe(&mut one, &mut two, &mut listener).await;
    let exchange = async |pipe: Pipe, byte: u8| {
        let (mut reader, mut writer) = tokio::io::split(pipe.into_stream().unwrap());
        let writing = async {
            for part in 0..64_u8 {
                writer.write_all(&[byte ^ part; 16 * 1024]).await.unwrap();
            }
            writer.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        tokio::join!(writing, async { reader.read_to_end(&mut read).await.unwrap() });
        read
    };
    let (got, sent) = soon(async { tokio::join!(exchange(ours, 0), exchange(theirs, 128)) }).await;
    for (stream, byte) in [(got, 128), (sent, 0)] {
        assert_eq!(stream.len(), 1 << 20);
        let part = |at: usize| u8::try_from(at / (16 * 1024)).unwrap();
        assert!((0..stream.len()).all(|at| stream[at] == byte ^ part(at)));
    }
}

#[tokio::test]
async fn a_dropped_pipe_ends_that_of_the_other_side() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, theirs) = pipe(&mut one, &mut two, &mut listener).await;
    soon(ours.send(Bytes::from_static(b"last words"))).await.unwrap();
    drop(ours);
    assert_eq!(soon(theirs.recv()).await.as_deref(), Some(&b"last words"[..]));
    assert_eq!(soon(theirs.recv()).await, None);
    assert!(theirs.closed().is_some());
    let links = soon(one.handle.snapshot()).await.unwrap().datagram_links;
    assert!(links.iter().all(|link| link.status.application.is_none()), "nothing is left");
}

#[tokio::test]
async fn a_node_that_stops_ends_its_pipes() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, theirs) = pipe(&mut one, &mut two, &mut listener).await;
    soon(one.handle.shutdown()).await;
    assert_eq!(soon(theirs.recv()).await, None);
    drop(ours);
}

#[tokio::test]
async fn a_reader_that_does_not_read_loses_datagrams_and_holds_up_nobody() {
    let (mut one, mut two, mut listener) = start().await;
    let (ours, theirs) = pipe(&mut one, &mut two, &mut listener).await;
    let mut other = offer(&two.handle, PRIVATE + 1).await;
    let (quick, reader) = pipe(&mut one, &mut two, &mut other).await;
    for number in 0..600_u32 {
        soon(ours.send(Bytes::copy_from_slice(&number.to_be_bytes()))).await.unwrap();
    }
    soon(quick.send(Bytes::from_static(b"still here"))).await.unwrap();
    assert_eq!(soon(reader.recv()).await.as_deref(), Some(&b"still here"[..]));
    assert!(theirs.dropped() > 0, "no more than 256 wait");
    assert_eq!(soon(theirs.recv()).await.as_deref(), Some(&[0, 0, 0, 0][..]));
}

#[tokio::test]
async fn an_application_is_offered_once_and_until_its_listener_is_dropped() {
    let (_one, two) = two(false, udp_only()).await;
    let listener = offer(&two.handle, PRIVATE).await;
    assert!(two.with(|puppet| puppet.offered.contains(&PRIVATE)).await);
    let again = soon(two.handle.offer(PRIVATE)).await;
    assert_eq!(again.unwrap_err(), OfferError::Taken(PRIVATE));
    drop(listener);
    let withdrawn = async { while !two.with(|puppet| puppet.offered.is_empty()).await {} };
    soon(withdrawn).await;
    drop(offer(&two.handle, PRIVATE).await);
}

#[tokio::test]
async fn a_pipe_for_which_nobody_waits_is_closed() {
    let (mut one, mut two) = two(false, udp_only()).await;
    let purpose = LinkPurpose::Application(PRIVATE);
    let (ours, theirs) = ice(&mut one, &mut two, purpose).await;
    one.with(move |puppet| puppet.attaching = Some((ours, NodeId::from_u128(2)))).await;
    let pipe = soon(one.handle.app_attach(NodeId::from_u128(2), PRIVATE)).await.unwrap();
    let event = Event::Pipe { link: theirs, node: NodeId::from_u128(9), application: PRIVATE };
    two.output(Output::Event(event)).await;
    assert_eq!(soon(pipe.recv()).await, None);
}

#[tokio::test]
async fn an_app_attach_that_fails_is_told() {
    let (one, _two) = two(false, udp_only()).await;
    let failed = soon(one.handle.app_attach(NodeId::from_u128(2), PRIVATE)).await;
    assert!(matches!(failed.unwrap_err(), RequestFailure::Busy(_)));
}
