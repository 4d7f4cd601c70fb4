//! A pipe under the SIP stack: what is lost comes again, what fails is told at once.

use rsipstack::sip::Response;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::{Endpoint, Transaction};

use super::super::testing::{MemoryPipe, pair, peer, stack};
use super::*;

/// Short, so that tests do not wait for half a second.
const T1: Duration = Duration::from_millis(40);

struct Bed {
    stack: Endpoint,
    pipe: Arc<SipPipe>,
    there: MemoryPipe,
    noise: Arc<AtomicU64>,
    /// How many of our next datagrams are to be lost.
    losses: Arc<AtomicUsize>,
}

impl Bed {
    async fn new() -> Self {
        let stack = stack(T1);
        let (here, there) = pair(&peer(1), &peer(2));
        let (noise, losses) = (Arc::default(), here.losses());
        let noise: Arc<AtomicU64> = noise;
        let endpoint = stack.inner.clone();
        let pipe =
            SipPipe::open(Box::new(here), Scheme::Sip, 7, endpoint, Arc::clone(&noise), |_| {})
                .await;
        let inner = stack.inner.clone();
        tokio::spawn(async move { inner.serve().await });
        Self { stack, pipe, there, noise, losses }
    }

    fn client(&self, text: &str) -> Transaction {
        let request = Request::try_from(text).unwrap();
        let key = TransactionKey::from_request(&request, TransactionRole::Client).unwrap();
        let connection = Some(self.pipe.connection());
        let mut transaction =
            Transaction::new_client(key, request, self.stack.inner.clone(), connection);
        transaction.destination = Some(self.pipe.address());
        transaction
    }

    fn noise(&self) -> u64 {
        self.noise.load(Ordering::Relaxed)
    }
}

fn request(method: &str) -> String {
    format!(
        "{method} sip:bob@o.example SIP/2.0\r\nVia: SIP/2.0/UDP aa.o.example;branch=z9hG4bKone\r\n\
         From: <sip:alice@o.example>;tag=f\r\nTo: <sip:bob@o.example>\r\nCall-ID: c1\r\n\
         CSeq: 1 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The answer of the other end to a request that it has got.
fn answer(request: &str, status: &str) -> String {
    let request =
        request.replace("To: <sip:bob@o.example>\r\n", "To: <sip:bob@o.example>;tag=t\r\n");
    format!("SIP/2.0 {status}\r\n{}", request.split_once("\r\n").unwrap().1)
}

async fn response(transaction: &mut Transaction) -> Response {
    let wait = tokio::time::timeout(Duration::from_secs(10), transaction.receive());
    match wait.await.expect("an answer in time") {
        Some(SipMessage::Response(response)) => response,
        other => panic!("no response but {other:?}"),
    }
}

// R7904-5.1-07
#[tokio::test]
async fn a_lost_request_is_sent_again_until_it_is_answered() {
    for method in ["INVITE", "MESSAGE"] {
        let bed = Bed::new().await;
        bed.losses.store(2, Ordering::SeqCst);
        let mut transaction = bed.client(&request(method));
        transaction.send().await.unwrap();
        let other_end = async {
            let got = bed.there.text().await;
            assert!(got.starts_with(method), "{got}");
            bed.there.say(&answer(&got, "486 Busy Here")).await;
        };
        // the timers of a transaction run while it is received from
        let (response, ()) = tokio::join!(response(&mut transaction), other_end);
        assert_eq!(response.status_code, StatusCode::BusyHere);
    }
}

#[tokio::test]
async fn a_lost_refusal_of_an_invite_is_sent_again_until_its_ack() {
    let bed = Bed::new().await;
    let mut incoming = bed.stack.incoming_transactions().unwrap();
    bed.there.say(&request("INVITE")).await;
    let mut transaction = incoming.recv().await.unwrap();
    bed.losses.store(2, Ordering::SeqCst);
    transaction.reply(StatusCode::BusyHere).await.unwrap();
    let served = tokio::spawn(async move { while transaction.receive().await.is_some() {} });
    let got = bed.there.text().await;
    assert!(got.starts_with("SIP/2.0 486"), "{got}");
    let to = got.lines().find(|line| line.starts_with("To:")).unwrap();
    let ack = request("ACK").replace("To: <sip:bob@o.example>", to);
    bed.there.say(&ack).await;
    served.await.unwrap();
}

#[tokio::test]
async fn a_success_for_an_invite_is_sent_again_until_its_ack() {
    let bed = Bed::new().await;
    let mut incoming = bed.stack.incoming_transactions().unwrap();
    bed.there.say(&request("INVITE")).await;
    let mut transaction = incoming.recv().await.unwrap();
    bed.losses.store(2, Ordering::SeqCst);
    transaction.reply(StatusCode::OK).await.unwrap();
    let served = tokio::spawn(async move { transaction.receive().await });
    let got = bed.there.text().await;
    assert!(got.starts_with("SIP/2.0 200"), "{got}");
    let to = got.lines().find(|line| line.starts_with("To:")).unwrap();
    let ack = request("ACK").replace("To: <sip:bob@o.example>", to).replace("one", "two");
    bed.there.say(&ack).await;
    let seen = served.await.unwrap();
    assert!(matches!(seen, Some(SipMessage::Request(ack)) if ack.method == Method::Ack));
}

#[tokio::test]
async fn a_request_that_comes_again_after_its_end_is_answered_again() {
    let bed = Bed::new().await;
    let mut incoming = bed.stack.incoming_transactions().unwrap();
    bed.there.say(&request("MESSAGE")).await;
    let mut transaction = incoming.recv().await.unwrap();
    let connection = transaction.connection.clone().unwrap();
    assert_eq!(connection.get_addr(), &bed.pipe.address());
    transaction.reply(StatusCode::OK).await.unwrap();
    drop(transaction);
    let first = bed.there.text().await;
    bed.there.say(&request("MESSAGE")).await;
    assert_eq!(bed.there.text().await, first);
    assert!(first.starts_with("SIP/2.0 200"), "{first}");
}

#[tokio::test]
async fn a_lost_cancel_is_sent_again() {
    let bed = Bed::new().await;
    let mut transaction = bed.client(&request("INVITE"));
    transaction.send().await.unwrap();
    let invite = bed.there.text().await;
    bed.there.say(&answer(&invite, "180 Ringing")).await;
    assert_eq!(response(&mut transaction).await.status_code, StatusCode::Ringing);
    bed.losses.store(1, Ordering::SeqCst);
    let mut cancel = bed.client(&request("CANCEL"));
    cancel.send().await.unwrap();
    let other_end = async {
        let got = bed.there.text().await;
        assert!(got.starts_with("CANCEL"), "{got}");
        bed.there.say(&answer(&got, "200 OK")).await;
    };
    let (response, ()) = tokio::join!(response(&mut cancel), other_end);
    assert_eq!(response.status_code, StatusCode::OK);
}

#[tokio::test]
async fn a_request_too_large_for_the_pipe_is_refused_at_once() {
    let bed = Bed::new().await;
    let long = format!("X-Long: {}\r\nCall-ID", "x".repeat(4000));
    let mut transaction = bed.client(&request("INVITE").replace("Call-ID", &long));
    transaction.send().await.unwrap();
    let status = response(&mut transaction).await.status_code;
    assert_eq!(status.code(), 513);
    assert!(status.text().contains("do not fit"), "{status:?}");
}

#[tokio::test]
async fn a_request_on_a_closed_pipe_fails_at_once() {
    let bed = Bed::new().await;
    drop(bed.there);
    bed.pipe.closed().await;
    let request = request("INVITE");
    let key = Request::try_from(request.as_str()).unwrap();
    let key_of = TransactionKey::from_request(&key, TransactionRole::Client).unwrap();
    let connection = Some(bed.pipe.connection());
    let mut transaction = Transaction::new_client(key_of, key, bed.stack.inner.clone(), connection);
    transaction.destination = Some(bed.pipe.address());
    transaction.send().await.unwrap();
    let response = response(&mut transaction).await;
    assert_eq!(response.status_code.code(), 503);
    assert!(response.to_header().unwrap().tag().unwrap().is_some());
}

// R7904-5.2-02
#[tokio::test]
async fn a_ping_is_answered_and_a_pong_is_not() {
    let bed = Bed::new().await;
    let before = *lock(&bed.pipe.socket.used);
    bed.there.say("\r\n").await;
    bed.there.say("\r\n\r\n").await;
    assert_eq!(bed.there.text().await, "\r\n");
    bed.there.say("\r\n\r\n").await;
    assert_eq!(bed.there.text().await, "\r\n");
    assert_eq!((bed.noise(), *lock(&bed.pipe.socket.used)), (0, before), "no use, no noise");
}

#[tokio::test]
async fn noise_is_counted_and_dropped() {
    let bed = Bed::new().await;
    let mut incoming = bed.stack.incoming_transactions().unwrap();
    let cut = request("MESSAGE").replace("Content-Length: 0", "Content-Length: 1");
    for noise in ["x", "\0\0\0", "GET / HTTP/1.1\r\n\r\n", &cut, "SIP/2.0 200 OK\r\n\r\n"] {
        bed.there.say(noise).await;
    }
    bed.there.say(&request("MESSAGE")).await;
    let transaction = incoming.recv().await.unwrap();
    assert_eq!(transaction.original.method, Method::Message);
    assert_eq!(bed.noise(), 5);
}

#[tokio::test]
async fn the_stack_lets_go_of_a_closed_pipe() {
    let bed = Bed::new().await;
    let connection = bed.pipe.connection();
    bed.pipe.close();
    assert_eq!(bed.there.recv().await, None, "closed though the stack still has a connection");
    drop(connection);
}

/// Gives one datagram to a pipe after the other, and then a good request.
async fn survives(datagrams: Vec<Vec<u8>>) {
    let bed = Bed::new().await;
    let mut incoming = bed.stack.incoming_transactions().unwrap();
    // an INVITE of ours waits for answers meanwhile
    let mut invite = bed.client(&request("INVITE"));
    invite.send().await.unwrap();
    let sent = datagrams.len();
    for datagram in datagrams {
        bed.there.send(Bytes::from(datagram)).await.unwrap();
    }
    let last = request("MESSAGE").replace("z9hG4bKone", "z9hG4bKlast");
    bed.there.say(&last).await;
    let mut seen = 0;
    while let Some(transaction) = incoming.recv().await {
        if transaction.key.to_string().contains("z9hG4bKlast") {
            break;
        }
        seen += 1;
    }
    let dropped = usize::try_from(bed.noise()).unwrap();
    assert!(seen + dropped <= sent, "{seen} transactions and {dropped} dropped out of {sent}");
    assert!(!bed.pipe.is_closed());
    drop(invite);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_message_of_a_peer_stops_its_pipe(
        datagrams in proptest::collection::vec(super::super::mutation::message(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(survives(datagrams));
    }
}
