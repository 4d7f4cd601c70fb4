//! The rules of RFC 3261 section 10.3, with times passed in.

use std::sync::Arc;

use rsipstack::platform::CancellationToken;
use rsipstack::transport::udp::{UdpConnection, UdpInner};

use super::*;

const SOURCE: &str = "127.0.0.1:5070";

/// A flow from an address; nothing is ever sent over it.
async fn flow(source: &str, transport: Transport) -> Flow {
    flow_until(source, transport, CancellationToken::new()).await
}

/// A flow whose connection closes with the token.
async fn flow_until(source: &str, transport: Transport, end: CancellationToken) -> Flow {
    let conn = Arc::new(tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let source: std::net::SocketAddr = source.parse().unwrap();
    let destination = SipAddr { r#type: Some(transport), addr: source.into() };
    let inner = UdpInner { conn, addr: destination.clone() };
    let connection = SipConnection::Udp(UdpConnection::attach(inner, None, Some(end)).await);
    Flow { connection, destination }
}

struct Bed {
    bindings: Bindings,
    start: Instant,
    flow: Flow,
    lines: u32,
}

impl Bed {
    async fn new() -> Self {
        let flow = flow(SOURCE, Transport::Udp).await;
        Self { bindings: Bindings::default(), start: Instant::now(), flow, lines: 0 }
    }

    fn asked(&self, contacts: &str, call_id: &str, cseq: u32) -> Asked {
        let contacts = match contacts {
            "*" => Contacts::All,
            "" => Contacts::These(Vec::new()),
            list => Contacts::These(NameAddr::parse_list(list).unwrap()),
        };
        Asked {
            contacts,
            expires: None,
            call_id: call_id.to_owned(),
            cseq,
            user_agent: Some("phone/1".to_owned()),
            flow: self.flow.clone(),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn give(&mut self, seconds: u64, asked: Asked) -> Result<Change, BindingError> {
        let (now, lines) = (self.at(seconds), &mut self.lines);
        self.bindings.register(now, asked, || {
            *lines += 1;
            format!("line{lines}")
        })
    }

    fn register(
        &mut self,
        seconds: u64,
        contacts: &str,
        cseq: u32,
    ) -> Result<Change, BindingError> {
        let asked = self.asked(contacts, "c1", cseq);
        self.give(seconds, asked)
    }

    fn contacts(&self, seconds: u64) -> Vec<String> {
        let live = self.bindings.live(self.at(seconds));
        live.iter().map(|it| it.to_contact(self.at(seconds))).collect()
    }
}

#[tokio::test]
async fn a_phone_stays_as_long_as_it_asks_for() {
    let mut bed = Bed::new().await;
    let change = bed.register(0, "<sip:a@127.0.0.1:5070>;expires=120;q=0.5", 1).unwrap();
    assert_eq!(change, Change { added: true, lengthened: true, removed: false });
    assert_eq!(bed.contacts(0), ["<sip:a@127.0.0.1:5070>;expires=120;q=0.5"]);
    assert_eq!(bed.contacts(119), ["<sip:a@127.0.0.1:5070>;expires=1;q=0.5"]);
    assert!(bed.contacts(120).is_empty());
    assert_eq!(bed.bindings.wakeup(), Some(bed.at(120)));
    assert!(!bed.bindings.expire(bed.at(119)));
    assert!(bed.bindings.expire(bed.at(120)));
    assert_eq!(bed.bindings.longest(bed.at(120)), 0);
}

// R7904-3.1-02
#[tokio::test]
async fn the_last_phone_to_go_tells_how_long_the_node_stays_registered() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@127.0.0.1:5070>;expires=120, <sip:b@127.0.0.1:5071>;expires=300", 1)
        .unwrap();
    assert_eq!(bed.bindings.longest(bed.at(0)), 300);
    assert_eq!(bed.bindings.longest(bed.at(200)), 100);
}

#[tokio::test]
async fn expires_comes_from_the_contact_then_from_the_header_then_an_hour() {
    for (contact, header, expected) in [
        ("<sip:a@h.example>;expires=100", Some(200), 100),
        ("<sip:a@h.example>", Some(200), 200),
        ("<sip:a@h.example>", None, 3600),
        ("<sip:a@h.example>;expires=nothing", Some(200), 3600),
        ("<sip:a@h.example>;expires=7200", None, 3600),
    ] {
        let mut bed = Bed::new().await;
        let mut asked = bed.asked(contact, "c1", 1);
        asked.expires = header;
        bed.give(0, asked).unwrap();
        assert_eq!(bed.bindings.longest(bed.at(0)), expected, "{contact} {header:?}");
    }
}

#[tokio::test]
async fn less_than_a_minute_is_too_brief_and_changes_nothing() {
    let mut bed = Bed::new().await;
    let contacts = "<sip:a@h.example>;expires=600, <sip:b@h.example>;expires=59";
    assert_eq!(bed.register(0, contacts, 1), Err(BindingError::TooBrief));
    assert!(bed.contacts(0).is_empty());
    bed.register(0, "<sip:b@h.example>;expires=60", 2).unwrap();
}

#[tokio::test]
async fn within_a_call_id_the_cseq_has_to_rise() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@h.example>;expires=100", 5).unwrap();
    for cseq in [4, 5] {
        let refused = bed.register(1, "<sip:a@h.example>;expires=0", cseq);
        assert_eq!(refused, Err(BindingError::OutOfOrder));
        let mut all = bed.asked("*", "c1", cseq);
        all.expires = Some(0);
        assert_eq!(bed.give(1, all), Err(BindingError::OutOfOrder));
    }
    let other = bed.asked("<sip:a@h.example>;expires=200", "c2", 1);
    bed.give(1, other).unwrap();
    assert_eq!(bed.bindings.longest(bed.at(1)), 200);
}

#[tokio::test]
async fn expires_0_removes_one_and_a_star_all() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@h.example>, <sip:b@h.example>, <sip:c@h.example>", 1).unwrap();
    let change = bed.register(1, "<sip:b@h.example>;expires=0", 2).unwrap();
    assert_eq!(change, Change { removed: true, ..Change::default() });
    assert_eq!(bed.contacts(1).len(), 2);
    assert_eq!(bed.register(2, "*", 3), Err(BindingError::Star));
    let mut all = bed.asked("*", "c1", 4);
    all.expires = Some(0);
    assert_eq!(bed.give(3, all).unwrap(), Change { removed: true, ..Change::default() });
    assert!(bed.contacts(3).is_empty());
    let change = bed.register(4, "<sip:b@h.example>;expires=0", 5).unwrap();
    assert_eq!(change, Change::default(), "it was not there");
}

#[tokio::test]
async fn without_contact_nothing_changes() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@h.example>", 1).unwrap();
    assert_eq!(bed.register(1, "", 2).unwrap(), Change::default());
    assert_eq!(bed.contacts(1).len(), 1);
}

#[tokio::test]
async fn the_line_of_a_phone_stays_over_its_refreshes() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@127.0.0.1:5070;transport=UDP>", 1).unwrap();
    bed.register(9, "<SIP:a@127.0.0.1:5070;transport=udp>", 2).unwrap();
    let instance = |port| format!("<sip:b@127.0.0.1:{port}>;+sip.instance=\"<urn:uuid:1>\"");
    bed.register(10, &instance(5080), 3).unwrap();
    let moved = bed.asked(&instance(5090), "c9", 1);
    bed.give(20, moved).unwrap();
    let live = bed.bindings.live(bed.at(20));
    let lines: Vec<_> = live.iter().map(|it| it.line.as_str()).collect();
    assert_eq!(lines, ["line1", "line2"]);
    assert_eq!(live[1].contact_text, "sip:b@127.0.0.1:5090");
}

#[tokio::test]
async fn there_are_16_phones_at_most_and_refreshes_still_work() {
    let mut bed = Bed::new().await;
    for port in 0..16 {
        bed.register(0, &format!("<sip:a@127.0.0.1:{}>", 6000 + port), 1 + port).unwrap();
    }
    assert_eq!(bed.register(0, "<sip:a@127.0.0.1:7000>", 20), Err(BindingError::TooMany));
    bed.register(1, "<sip:a@127.0.0.1:6000>", 21).unwrap();
    bed.register(1, "<sip:a@127.0.0.1:6000>;expires=0, <sip:a@127.0.0.1:7000>", 22).unwrap();
    assert_eq!(bed.contacts(1).len(), 16);
}

#[tokio::test]
async fn the_phone_with_the_highest_q_comes_first() {
    let mut bed = Bed::new().await;
    let contacts = "<sip:a@h.example>;q=0.25, <sip:b@h.example>, <sip:c@h.example>;q=0.9";
    bed.register(0, contacts, 1).unwrap();
    let order: Vec<_> = bed.bindings.live(bed.at(0)).iter().map(|it| it.q).collect();
    assert_eq!(order, [1000, 900, 250]);
    for (text, expected) in [("0", Some(0)), ("1.000", Some(1000)), ("7", Some(1000)), ("x", None)]
    {
        assert_eq!(read_q(text), expected);
    }
}

#[tokio::test]
async fn over_udp_the_source_is_called_unless_the_contact_is_on_the_same_machine() {
    for (contact, transport, expected) in [
        ("<sip:a@127.0.0.1:6000>", Transport::Udp, "127.0.0.1:6000"),
        ("<sip:a@127.0.0.1>", Transport::Udp, "127.0.0.1:5060"),
        ("<sip:a@192.0.2.1:6000>", Transport::Udp, SOURCE),
        ("<sip:a@phone.invalid>", Transport::Udp, SOURCE),
        ("<sip:a@127.0.0.1:6000>", Transport::Tcp, SOURCE),
    ] {
        let mut bed = Bed::new().await;
        bed.flow = flow(SOURCE, transport).await;
        bed.register(0, contact, 1).unwrap();
        let live = bed.bindings.live(bed.at(0));
        let destination = live[0].flow.destination.get_socketaddr().unwrap();
        assert_eq!(destination, expected.parse().unwrap(), "{contact} {transport}");
    }
}

#[tokio::test]
async fn a_contact_that_is_no_sip_address_is_refused() {
    for contact in ["<tel:+15551234567>", "<mailto:a@h.example>", "<sip:a@b@>", "<a@h.example>"] {
        let mut bed = Bed::new().await;
        assert_eq!(bed.register(0, contact, 1), Err(BindingError::Contact), "{contact}");
    }
}

#[tokio::test]
async fn the_request_uri_of_a_phone_is_its_contact_with_its_escapes() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a%20b@h.example:5070;ob?Subject=x>", 1).unwrap();
    let live = bed.bindings.live(bed.at(0));
    assert_eq!(live[0].contact.to_string(), "sip:a%20b@h.example:5070;ob");
    assert_eq!(live[0].contact_text, "sip:a%20b@h.example:5070;ob?Subject=x");
}

#[tokio::test]
async fn a_phone_is_the_same_after_a_restart() {
    let mut bed = Bed::new().await;
    let instance = "<sip:a@127.0.0.1:5070>;expires=600;q=0.5;+sip.instance=\"<urn:uuid:1>\"";
    bed.register(0, instance, 4).unwrap();
    let kept = bed.bindings.kept(bed.at(0));
    let mut after = Bed::new().await;
    let now = after.at(0);
    after.bindings.restore(now, kept, &bed.flow.connection);
    let live = after.bindings.live(now);
    assert_eq!((live[0].line.as_str(), live[0].q), ("line1", 500));
    assert!((598..=600).contains(&live[0].expires_in(now)));
    assert_eq!(after.register(1, instance, 4), Err(BindingError::OutOfOrder));
    after.register(1, instance, 5).unwrap();
    assert_eq!(after.bindings.live(after.at(1))[0].line, "line1");
}

#[tokio::test]
async fn what_is_over_or_came_by_a_stream_is_not_taken_back() {
    let mut bed = Bed::new().await;
    bed.register(0, "<sip:a@127.0.0.1:5070>;expires=600", 1).unwrap();
    let mut kept = bed.bindings.kept(bed.at(0));
    kept[0].ends = 1;
    let mut after = Bed::new().await;
    let now = after.at(0);
    after.bindings.restore(now, kept, &bed.flow.connection);
    assert!(after.contacts(0).is_empty());
    after.flow = flow(SOURCE, Transport::Tcp).await;
    after.register(0, "<sip:a@127.0.0.1:5070>;expires=600", 1).unwrap();
    assert_eq!(after.bindings.kept(now), []);
}

#[tokio::test]
async fn a_phone_whose_stream_has_closed_is_not_called_and_takes_no_room() {
    let mut bed = Bed::new().await;
    let end = CancellationToken::new();
    bed.flow = flow_until(SOURCE, Transport::Tcp, end.clone()).await;
    for number in 0..16 {
        bed.register(0, &format!("<sip:a{number}@h.example>"), 1 + number).unwrap();
    }
    end.cancel();
    assert!(bed.contacts(1).is_empty());
    bed.flow = flow(SOURCE, Transport::Tcp).await;
    bed.register(1, "<sip:b@h.example>", 20).unwrap();
    assert_eq!(bed.contacts(1).len(), 1);
}
