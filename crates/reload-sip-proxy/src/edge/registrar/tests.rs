//! REGISTERs over a real socket, with an overlay in memory.

use std::net::SocketAddr;
use std::time::Duration;

use rsipstack::transaction::Endpoint;
use tokio::net::UdpSocket;

use super::*;
use crate::edge::Listeners;
use crate::pipes::testing::{FakeOverlay, stack};

struct Bed {
    overlay: Arc<FakeOverlay>,
    registrar: Arc<Registrar>,
    address: SocketAddr,
    phone: UdpSocket,
    _stack: Arc<Endpoint>,
    udp: SipConnection,
}

impl Bed {
    async fn new(password: Option<&str>) -> Self {
        let overlay = FakeOverlay::new();
        let authenticator = Arc::new(Authenticator::new(overlay.aor(), password));
        let registrar = Registrar::new(overlay.clone(), authenticator, None);
        let stack = Arc::new(stack(Duration::from_millis(500)));
        let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
        let address = listeners.udp();
        let udp = listeners.serve(&stack.inner, CancellationToken::new()).await;
        let mut incoming = stack.incoming_transactions().unwrap();
        let (inner, serving) = (stack.inner.clone(), Arc::clone(&registrar));
        tokio::spawn(async move { inner.serve().await });
        tokio::spawn(async move {
            while let Some(transaction) = incoming.recv().await {
                let registrar = Arc::clone(&serving);
                tokio::spawn(async move { registrar.handle(transaction).await });
            }
        });
        tokio::spawn(Arc::clone(&registrar).run(CancellationToken::new()));
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        phone.connect(address).await.unwrap();
        Self { overlay, registrar, address, phone, _stack: stack, udp }
    }

    async fn ask(&self, request: &str) -> String {
        ask(&self.phone, request).await
    }

    fn source(&self) -> SipAddr {
        let addr = self.phone.local_addr().unwrap().into();
        SipAddr { r#type: Some(rsipstack::sip::Transport::Udp), addr }
    }

    fn registered(&self) -> Vec<u32> {
        self.overlay.registered.lock().unwrap().clone()
    }
}

async fn ask(phone: &UdpSocket, request: &str) -> String {
    phone.send(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let wait = tokio::time::timeout(Duration::from_secs(20), phone.recv(&mut buffer));
    let length = wait.await.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn register(cseq: u32, headers: &str) -> String {
    format!(
        "REGISTER sip:o.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{cseq}\r\n\
         From: <sip:alice@o.example>;tag=f\r\nTo: <sip:alice@O.EXAMPLE>\r\nCall-ID: c1\r\n\
         CSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\nUser-Agent: phone/1\r\n{headers}\
         Content-Length: 0\r\n\r\n"
    )
}

fn status(answer: &str) -> &str {
    answer.lines().next().unwrap()
}

// R7904-3.1-02
#[tokio::test]
async fn a_phone_registers_its_node_for_as_long_as_it_asks() {
    let bed = Bed::new(None).await;
    let contact = "Contact: <sip:alice@127.0.0.1:6000>;q=0.5\r\nExpires: 120\r\n";
    let answer = bed.ask(&register(1, contact)).await;
    assert_eq!(status(&answer), "SIP/2.0 200 OK");
    assert!(answer.contains("Contact: <sip:alice@127.0.0.1:6000>;expires=120;q=0.5"), "{answer}");
    assert_eq!(bed.registered(), [120]);
    let phones = bed.registrar.phones();
    assert_eq!(phones.len(), 1);
    assert_eq!(phones[0].user_agent.as_deref(), Some("phone/1"));
    assert_eq!(bed.registrar.by_line(&phones[0].line).unwrap().contact, phones[0].contact);
    let source = bed.source();
    assert!(bed.registrar.of_source(&source).is_some());
    let line = bed.registrar.line_of(&"sip:alice@127.0.0.1:6000".try_into().unwrap(), &source);
    assert_eq!(line.as_ref(), Some(&phones[0].line));
}

#[tokio::test]
async fn the_last_phone_to_leave_takes_the_registration_away() {
    let bed = Bed::new(None).await;
    let contacts = "Contact: <sip:a@127.0.0.1:6000>, <sip:b@127.0.0.1:6001>\r\n";
    bed.ask(&register(1, contacts)).await;
    let one = "Contact: <sip:a@127.0.0.1:6000>;expires=0\r\n";
    let answer = bed.ask(&register(2, one)).await;
    assert!(!answer.contains("6000") && answer.contains("6001"), "{answer}");
    assert_eq!(bed.registered(), [3600]);
    let answer = bed.ask(&register(3, "Contact: *\r\nExpires: 0\r\n")).await;
    assert!(status(&answer).contains("200") && !answer.contains("Contact"), "{answer}");
    assert_eq!(bed.registered(), [3600, 0]);
}

#[tokio::test]
async fn a_query_is_answered_without_a_store() {
    let bed = Bed::new(None).await;
    bed.ask(&register(1, "Contact: <sip:a@127.0.0.1:6000>\r\n")).await;
    let answer = bed.ask(&register(2, "")).await;
    assert!(answer.contains("sip:a@127.0.0.1:6000"), "{answer}");
    assert_eq!(bed.registered().len(), 1);
}

// R7904-A-01
#[tokio::test]
async fn nobody_is_registered_by_or_as_another_user() {
    let bed = Bed::new(None).await;
    let contact = "Contact: <sip:a@127.0.0.1:6000>\r\n";
    for (cseq, from, to) in [
        (1, "From: <sip:alice@", "From: <sip:bob@"),
        (2, "To: <sip:alice@", "To: <sip:bob@"),
        (3, "sip:alice@", "sip:bob@"),
        (4, "To: <sip:alice@O.EXAMPLE>", "To: <sip:alice@p.example>"),
        (5, "To: <sip:alice@O.EXAMPLE>", "To: <tel:+15551234567>"),
    ] {
        let answer = bed.ask(&register(cseq, contact).replace(from, to)).await;
        assert_eq!(status(&answer), "SIP/2.0 403 this peer serves alice@o.example only");
    }
    assert!(bed.registered().is_empty() && bed.registrar.phones().is_empty());
}

#[tokio::test]
async fn what_a_phone_may_not_ask_for_is_refused() {
    let bed = Bed::new(None).await;
    let contact = "Contact: <sip:a@127.0.0.1:6000>";
    for (cseq, headers, expected) in [
        (1, format!("{contact};expires=30\r\n"), "SIP/2.0 423 Interval Too Brief"),
        (2, "Contact: *\r\n".to_owned(), "SIP/2.0 400 Contact * goes with Expires 0 only"),
        (3, format!("{contact}\r\nContact: *\r\n"), "SIP/2.0 400 a Contact is no SIP address"),
        (4, format!("{contact}\r\nRequire: outbound\r\n"), "SIP/2.0 420 Bad Extension"),
    ] {
        let answer = bed.ask(&register(cseq, &headers)).await;
        assert_eq!(status(&answer), expected);
        assert_eq!(answer.contains("Min-Expires: 60"), expected.contains("423"), "{answer}");
        assert_eq!(answer.contains("Unsupported: outbound"), expected.contains("420"), "{answer}");
    }
    assert!(bed.registered().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_leaves_no_new_phone() {
    let bed = Bed::new(None).await;
    let contact = "Contact: <sip:a@127.0.0.1:6000>\r\n";
    for (cseq, error, expected) in [
        (1, OverlayError::Refused("not your domain".to_owned()), "SIP/2.0 403 not your domain"),
        (2, OverlayError::NotReached("nobody".to_owned()), "SIP/2.0 503 not reached: nobody"),
    ] {
        *bed.overlay.register_error.lock().unwrap() = Some(error);
        let answer = bed.ask(&register(cseq, contact)).await;
        assert_eq!(status(&answer), expected);
        assert_eq!(answer.contains("Retry-After: 30"), expected.contains("503"));
        assert!(bed.registrar.phones().is_empty());
    }
    *bed.overlay.register_error.lock().unwrap() = None;
    assert_eq!(status(&bed.ask(&register(3, contact)).await), "SIP/2.0 200 OK");
}

#[tokio::test]
async fn a_refresh_that_cannot_be_stored_keeps_the_phone() {
    let bed = Bed::new(None).await;
    let contact = "Contact: <sip:a@127.0.0.1:6000>;expires=600\r\n";
    bed.ask(&register(1, contact)).await;
    *bed.overlay.register_error.lock().unwrap() = Some(OverlayError::Stopped);
    let answer = bed.ask(&register(2, &contact.replace("600\r", "900\r"))).await;
    assert!(status(&answer).contains("503"));
    assert_eq!(bed.registrar.phones().len(), 1);
}

#[tokio::test]
async fn registers_that_wait_for_a_store_share_the_next_one() {
    let bed = Bed::new(None).await;
    bed.overlay.delay.store(200, Ordering::SeqCst);
    let mut waiting = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let address = bed.address;
        waiting.spawn(async move {
            let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            phone.connect(address).await.unwrap();
            let contact = format!("Contact: <sip:a@127.0.0.1:6000>;expires={}\r\n", 600 + number);
            let request = register(number, &contact).replace("c1", &format!("c{number}"));
            ask(&phone, &request).await
        });
    }
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(status(&answer.unwrap()), "SIP/2.0 200 OK");
    }
    let stores = bed.registered();
    assert!((2..=10).contains(&stores.len()), "{stores:?}");
    assert_eq!(bed.registrar.phones().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_stays_away_takes_the_registration_with_it() {
    let overlay = FakeOverlay::new();
    let authenticator = Arc::new(Authenticator::new(overlay.aor(), None));
    let registrar = Registrar::new(overlay.clone(), authenticator, None);
    tokio::spawn(Arc::clone(&registrar).run(CancellationToken::new()));
    tokio::task::yield_now().await;
    let udp = rsipstack::transport::udp::UdpConnection::create_connection(
        "127.0.0.1:0".parse().unwrap(),
        None,
        None,
    );
    let connection = rsipstack::transport::SipConnection::Udp(udp.await.unwrap());
    let destination = connection.get_addr().clone();
    let contact = NameAddr::parse("<sip:a@127.0.0.1:6000>;expires=60").unwrap();
    let asked = Asked {
        contacts: Contacts::These(vec![contact]),
        expires: None,
        call_id: "c1".to_owned(),
        cseq: 1,
        user_agent: None,
        flow: Flow { connection, destination },
    };
    assert!(registrar.change(asked).is_ok());
    registrar.store().await.unwrap();
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(*overlay.registered.lock().unwrap(), [60]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*overlay.registered.lock().unwrap(), [60, 0]);
    assert!(registrar.phones().is_empty());
}

#[tokio::test]
async fn with_a_password_a_phone_is_asked_for_it() {
    let bed = Bed::new(Some("secret")).await;
    let answer = bed.ask(&register(1, "Contact: <sip:a@127.0.0.1:6000>\r\n")).await;
    assert_eq!(status(&answer), "SIP/2.0 401 Unauthorized");
    assert!(answer.contains("WWW-Authenticate: Digest realm=\"o.example\""), "{answer}");
    assert!(bed.registered().is_empty());
}

#[tokio::test]
async fn after_a_restart_the_phones_are_back_and_announced() {
    let directory = tempfile::tempdir().unwrap();
    let file = crate::edge::PhoneFile::new(directory.path().join("phones"));
    let before = Bed::new(None).await;
    before.registrar.keep_in(file.clone(), &before.udp).await.unwrap();
    let contacts = "Contact: <sip:a@127.0.0.1:6000>, <sip:b@127.0.0.1:6001>\r\n";
    before.ask(&register(1, contacts)).await;
    before.ask(&register(2, "Contact: <sip:b@127.0.0.1:6001>;expires=0\r\n")).await;
    let overlay = FakeOverlay::new();
    let authenticator = Arc::new(Authenticator::new(overlay.aor(), None));
    let registrar = Registrar::new(overlay.clone(), authenticator, None);
    registrar.keep_in(file, &before.udp).await.unwrap();
    let (old, new) = (before.registrar.phones(), registrar.phones());
    assert_eq!((new.len(), &new[0].line), (1, &old[0].line));
    assert_eq!(new[0].flow.destination, old[0].flow.destination);
    tokio::spawn(Arc::clone(&registrar).run(CancellationToken::new()));
    let announced = async {
        while overlay.registered.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), announced).await.unwrap();
    assert!(overlay.registered.lock().unwrap()[0] > 3590);
}

/// Gives REGISTERs to a registrar; all that it says yes to can be read, and is within its bounds.
async fn judge(messages: Vec<Vec<u8>>) {
    let bed = Bed::new(None).await;
    bed.overlay.delay.store(0, Ordering::SeqCst);
    for message in messages {
        let Ok(request) = Request::try_from(message.as_slice()) else { continue };
        let flow = Flow { connection: bed.udp.clone(), destination: bed.source() };
        if let Ok(contacts) = bed.registrar.on_register(&request, Some(flow)).await {
            assert!(contacts.len() <= 16);
            for contact in contacts {
                let read = NameAddr::parse_list(contact.value()).unwrap();
                assert_eq!(read.len(), 1, "{contact}");
                assert!(
                    (1..=3600).contains(&read[0].parameter("expires").unwrap().parse().unwrap())
                );
            }
        }
    }
    let kept = bed.registrar.bindings().kept(Instant::now().into_std());
    let phones = bed.registrar.phones().len();
    let mut again = Bindings::default();
    again.restore(Instant::now().into_std(), kept, &bed.udp);
    assert_eq!(again.live(Instant::now().into_std()).len(), phones);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_register_makes_the_registrar_forget_its_bounds(
        messages in proptest::collection::vec(crate::pipes::mutation::register(), 1..30),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(judge(messages));
    }
}
