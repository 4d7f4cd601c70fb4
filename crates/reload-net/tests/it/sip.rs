//! Connections for SIP between real nodes (RFC 7904 section 5.1): plain and with DTLS, along destination
//! lists, with messages larger than a path takes in one piece.

use std::time::Duration;

use bytes::Bytes;
use reload_net::{CryptoPool, Pipe, PipeError, PipePath, RequestFailure};
use reload_node::{RequestError, SIP, SIPS};
use reload_wire::{Destination, ErrorCode, NodeId};

use crate::kit::{Overlay, soon};
use crate::ring::{Handle, configuration, peer};

/// Three peers of an overlay.
async fn peers(no_ice: bool) -> [Handle; 3] {
    let overlay = Overlay::new();
    let configuration = configuration(&overlay, no_ice);
    let pool = CryptoPool::new(2).unwrap();
    let first = peer(&overlay, &configuration, &pool, 1, None).await;
    let bootstrap = Some(first.listening()[0]);
    let second = peer(&overlay, &configuration, &pool, 2, bootstrap).await;
    let third = peer(&overlay, &configuration, &pool, 3, bootstrap).await;
    [first, second, third]
}

/// Both ends of a connection from `caller` along the list to `callee`, who offers the application.
async fn connected(
    caller: &Handle,
    callee: &Handle,
    list: Vec<Destination>,
    application: u16,
) -> (Pipe, Pipe) {
    let mut offer = soon(callee.offer(application)).await.unwrap();
    let ours = soon(caller.app_attach_to(list, application)).await.unwrap();
    (ours, soon(offer.accept()).await.unwrap())
}

fn to(nodes: &[NodeId]) -> Vec<Destination> {
    nodes.iter().copied().map(Destination::Node).collect()
}

/// How it goes, once ICE has selected a pair: DTLS may be up before.
async fn path(pipe: &Pipe) -> PipePath {
    loop {
        match pipe.path() {
            Some(path) => return path,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn refused(result: Result<Pipe, RequestFailure>) -> ErrorCode {
    match result {
        Err(RequestFailure::Failed(RequestError::Refused { code, .. })) => code,
        other => panic!("it is not refused: {other:?}"),
    }
}

// R7904-5.1-01, R7904-5.1-03, R7904-5.1-07
#[tokio::test]
async fn messages_of_sip_of_any_size_pass_between_nodes_that_know_each_other() {
    let [caller, callee, between] = peers(false).await;
    let lists = [vec![callee.node_id()], vec![between.node_id(), callee.node_id()]];
    for application in [SIP, SIPS] {
        for list in &lists {
            let (ours, theirs) = connected(&caller, &callee, to(list), application).await;
            assert_eq!((ours.node(), theirs.node()), (callee.node_id(), caller.node_id()));
            assert_eq!(ours.certificate().node_id(), callee.node_id());
            assert_eq!(theirs.certificate().node_id(), caller.node_id());
            assert_eq!(ours.application(), application);
            for size in [100, 6000, ours.mtu()] {
                let message = Bytes::from([b"INVITE ".to_vec(), vec![b'x'; size - 7]].concat());
                soon(ours.send(message.clone())).await.unwrap();
                assert_eq!(soon(theirs.recv()).await, Some(message.clone()));
                soon(theirs.send(message.clone())).await.unwrap();
                assert_eq!(soon(ours.recv()).await, Some(message));
            }
            let (size, limit) = (ours.mtu() + 1, ours.mtu());
            let larger = ours.send(Bytes::from(vec![0; size])).await;
            assert_eq!(larger, Err(PipeError::TooLarge { size, limit }));
            let (here, there) = (soon(path(&ours)).await, soon(path(&theirs)).await);
            assert!(here.is_direct && there.is_direct);
            assert_eq!((here.local, here.remote), (there.remote, there.local));
        }
    }
}

// R7904-5.1-02, R7904-5.1-10
#[tokio::test]
async fn a_node_that_takes_one_scheme_has_not_the_other() {
    let [caller, callee, _] = peers(false).await;
    for (offered, other) in [(SIP, SIPS), (SIPS, SIP)] {
        let _offer = soon(callee.offer(offered)).await.unwrap();
        let result = soon(caller.app_attach(callee.node_id(), other)).await;
        assert_eq!(refused(result), ErrorCode::NOT_FOUND);
    }
}

// R7904-5.1-05
#[tokio::test]
async fn sip_has_a_connection_of_its_own_beside_the_link_of_the_overlay() {
    let [caller, callee, _] = peers(false).await;
    let links = async || soon(caller.snapshot()).await.unwrap().datagram_links;
    let of_overlay = |link: &reload_net::DatagramLinkStatus| {
        link.application.is_none() && link.node == Some(callee.node_id())
    };
    let before = links().await;
    let overlay = &before.iter().find(|link| of_overlay(&link.status)).expect("neighbours").status;
    let list = to(&[callee.node_id()]);
    let (ours, _theirs) = connected(&caller, &callee, list, SIP).await;
    let now = links().await;
    let pipe = &now.iter().find(|link| link.status.link == ours.link()).unwrap().status;
    assert_eq!(pipe.application, Some(SIP));
    assert_ne!(pipe.socket, overlay.socket);
    assert!(now.iter().any(|link| link.status.link == overlay.link), "that link stays");
}

#[tokio::test]
async fn without_ice_there_is_sips_and_no_plain_sip() {
    let [caller, callee, _] = peers(true).await;
    let _offer = soon(callee.offer(SIP)).await.unwrap();
    let failed = soon(caller.app_attach(callee.node_id(), SIP)).await.unwrap_err();
    assert!(failed.to_string().contains("SIPS it has to be"), "{failed}");
    let list = to(&[callee.node_id()]);
    let (ours, theirs) = connected(&caller, &callee, list, SIPS).await;
    let message = Bytes::from(vec![b'x'; 6000]);
    soon(ours.send(message.clone())).await.unwrap();
    assert_eq!(soon(theirs.recv()).await, Some(message));
}
