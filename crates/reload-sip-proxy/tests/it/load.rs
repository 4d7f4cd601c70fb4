//! Many calls in a short time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use crate::bed::{Pair, uri};
use crate::phone::{Message, Phone};

/// What is sent again after this time if nothing has come of it: datagrams may be lost.
const AGAIN: Duration = Duration::from_millis(500);

/// Answers each INVITE and each BYE at once, and repeats each 200 until its ACK has come.
async fn answer_all(phone: Arc<Phone>) {
    let acked: Arc<Mutex<HashSet<String>>> = Arc::default();
    loop {
        let request = phone.recv().await;
        let call = request.get("call-id").to_owned();
        match request.method() {
            "INVITE" => {
                phone.respond(&request, "180 Ringing", "", "").await;
                tokio::spawn(answer(Arc::clone(&phone), request, call, Arc::clone(&acked)));
            }
            "ACK" => {
                acked.lock().await.insert(call);
            }
            _ => {
                phone.respond(&request, "200 OK", "", "").await;
            }
        }
    }
}

async fn answer(
    phone: Arc<Phone>,
    invite: Message,
    call: String,
    acked: Arc<Mutex<HashSet<String>>>,
) {
    for _ in 0..20 {
        phone.respond(&invite, "200 OK", "", "").await;
        tokio::time::sleep(AGAIN).await;
        if acked.lock().await.contains(&call) {
            return;
        }
    }
}

/// The ACKs that were sent, by Call-ID.
type Acks = Arc<Mutex<HashMap<String, String>>>;

/// What is waited for, by Call-ID and CSeq.
type Waiting = Arc<Mutex<HashMap<(String, String), oneshot::Sender<Message>>>>;

/// Gives the answers to those who wait: to an INVITE the first that rings as `ring`.
async fn hand_out(phone: Arc<Phone>, waiting: Waiting, acks: Acks) {
    loop {
        let answer = phone.recv().await;
        let mut what = answer.get("cseq").to_owned();
        match answer.code() {
            100 => continue,
            180 => what = "ring".to_owned(),
            // a lost 180 is not repeated
            _ => {
                let ring = (answer.get("call-id").to_owned(), "ring".to_owned());
                waiting.lock().await.remove(&ring);
            }
        }
        let key = (answer.get("call-id").to_owned(), what);
        if let Some(ack) = acks.lock().await.get(&key.0).filter(|_| key.1 == "1 INVITE") {
            phone.send(ack).await;
        }
        if let Some(waiter) = waiting.lock().await.remove(&key) {
            waiter.send(answer).ok();
        }
    }
}

async fn wait(waiting: &Waiting, call: &str, what: &str) -> oneshot::Receiver<Message> {
    let (sender, receiver) = oneshot::channel();
    waiting.lock().await.insert((call.to_owned(), what.to_owned()), sender);
    receiver
}

/// Sends a request until its answer comes.
async fn ask(phone: &Phone, text: &str, mut answer: oneshot::Receiver<Message>) -> Message {
    for _ in 0..40 {
        phone.send(text).await;
        if let Ok(answer) = tokio::time::timeout(AGAIN, &mut answer).await {
            return answer.unwrap();
        }
    }
    panic!("no answer to {text}");
}

/// One call; how long it took to ring.
async fn call(phone: Arc<Phone>, waiting: Waiting, acks: Acks) -> Duration {
    let name = format!("load{}", crate::phone::unique());
    let text = phone.outside("INVITE", &uri("bob"), &name, "", "");
    let ring = wait(&waiting, &name, "ring").await;
    let answer = wait(&waiting, &name, "1 INVITE").await;
    let start = Instant::now();
    let rings = async {
        ring.await.ok();
        start.elapsed()
    };
    let (rang, answer) = tokio::join!(rings, ask(&phone, &text, answer));
    assert_eq!(answer.code(), 200, "{answer:?}");
    let invite = Message::parse(&text);
    let ack = phone.inside("ACK", &invite, &answer, 1, "", "");
    phone.send(&ack).await;
    acks.lock().await.insert(name.clone(), ack);
    let over = wait(&waiting, &name, "2 BYE").await;
    let over = ask(&phone, &phone.inside("BYE", &invite, &answer, 2, "", ""), over).await;
    assert_eq!(over.code(), 200, "{over:?}");
    acks.lock().await.remove(&name);
    rang
}

async fn load(calls: u32, pause: Duration, then: Duration) -> Duration {
    let Pair { alice, bob, alice_proxy, bob_proxy, .. } = Pair::new().await;
    let (alice, waiting) = (Arc::new(alice), Waiting::default());
    tokio::spawn(answer_all(Arc::new(bob)));
    let acks = Acks::default();
    tokio::spawn(hand_out(Arc::clone(&alice), Arc::clone(&waiting), Arc::clone(&acks)));
    let mut tick = tokio::time::interval(pause);
    let mut tasks = Vec::new();
    for _ in 0..calls {
        tick.tick().await;
        tasks.push(tokio::spawn(call(Arc::clone(&alice), Arc::clone(&waiting), Arc::clone(&acks))));
    }
    let mut delays = Vec::new();
    for task in tasks {
        delays.push(task.await.unwrap());
    }
    delays.sort();
    assert!(alice_proxy.calls().is_empty());
    assert!(bob_proxy.calls().is_empty());
    println!("memory after the last call {}", memory());
    tokio::time::sleep(then).await;
    delays[delays.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_one_time_all_succeed() {
    load(100, Duration::from_millis(10), Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes and a quiet machine"]
async fn two_thousand_calls_ring_soon_and_leave_nothing() {
    for _ in 0..3 {
        // transactions and dialogs linger for 32 s
        let slow = load(2_000, Duration::from_millis(20), Duration::from_secs(45)).await;
        println!("p99 until it rings {slow:?}, memory {}", memory());
        assert!(slow < Duration::from_millis(300), "{slow:?}");
    }
}

/// Pages of this process.
fn memory() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}
