//! Plain Binding (RFC 8489): the request, its answer and its retransmission. Checks of ICE are not here.

use std::net::{SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use stun_types::attribute::{
    AttributeType, Fingerprint, MessageIntegrity, MessageIntegritySha256, Userhash, Username,
    XorMappedAddress,
};
use stun_types::message::{
    BINDING, Message, MessageClass, MessageType, MessageWrite, MessageWriteExt, MessageWriteVec,
    TransactionId,
};
use stun_types::prelude::AttributeStaticType;

use crate::IceTransmit;

/// Answers a plain Binding request of anybody with the address it came from (RFC 8489 section 6.3.1).
/// `None` for all else: checks of ICE, which name a user, are for a session.
#[must_use]
pub fn answer_binding(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let request = plain_request(datagram)?;
    if let Some(refusal) =
        Message::check_attribute_types(&request, &[Fingerprint::TYPE], &[], MessageWriteVec::new())
    {
        return Some(refusal.finish().into());
    }
    let mut answer = Message::builder_success(&request, MessageWriteVec::new());
    let mapped = XorMappedAddress::new(plain(source), request.transaction_id());
    answer.add_attribute(&mapped).ok()?;
    if request.has_attribute(Fingerprint::TYPE) {
        answer.add_fingerprint().ok()?;
    }
    Some(answer.finish().into())
}

fn plain_request(datagram: &[u8]) -> Option<Message<'_>> {
    let message = exact(datagram)?;
    let asks = message.has_class(MessageClass::Request) && message.has_method(BINDING);
    let named: [AttributeType; 4] =
        [Username::TYPE, Userhash::TYPE, MessageIntegrity::TYPE, MessageIntegritySha256::TYPE];
    (asks && !named.iter().any(|it| message.has_attribute(*it))).then_some(message)
}

/// A STUN message that fills its datagram (RFC 8489 section 5).
pub(crate) fn exact(datagram: &[u8]) -> Option<Message<'_>> {
    let length = usize::from(u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]));
    if crate::kind_of(datagram) != crate::DatagramKind::Stun
        || length + crate::demux::STUN_HEADER != datagram.len()
    {
        return None;
    }
    Message::from_bytes(datagram).ok()
}

/// Without the scope and flow label that a socket may put into an IPv6 address.
pub(crate) fn plain(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(it) => SocketAddrV6::new(*it.ip(), it.port(), 0, 0).into(),
    }
}

/// One Binding request to a server, sent again until it is answered or given up.
#[derive(Debug)]
pub(crate) struct BindingRequest {
    pub(crate) base: SocketAddr,
    pub(crate) server: SocketAddr,
    id: TransactionId,
    data: Bytes,
    sent: u32,
    next: Instant,
}

impl BindingRequest {
    pub(crate) fn new(
        now: Instant,
        base: SocketAddr,
        server: SocketAddr,
        random: &mut impl Rng,
    ) -> Self {
        let id = TransactionId::from(random.random::<u128>() >> 32); // 96 bits
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let mut request = Message::builder(kind, id, MessageWriteVec::new());
        request.add_fingerprint().expect("it has no other attribute");
        let data = request.finish().into();
        Self { base, server, id, data, sent: 0, next: now }
    }

    /// The request, when it is time to send it (again) (RFC 8489 section 6.2.1).
    pub(crate) fn due(&mut self, now: Instant) -> Option<IceTransmit> {
        if now < self.next {
            return None;
        }
        self.next = now + FIRST_TIMEOUT * 2_u32.pow(self.sent.min(MOST_DOUBLINGS));
        self.sent += 1;
        Some(IceTransmit { local: self.base, remote: self.server, data: self.data.clone() })
    }

    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// How often it was sent.
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether a datagram looks like its answer.
    pub(crate) fn matches(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> bool {
        let id: Option<&[u8]> = datagram.get(8..20);
        local == self.base && remote == self.server && id.is_some_and(|id| id == &self.data[8..20])
    }

    /// What the answer says: our address as the server sees it, or `Err` if it refuses.
    pub(crate) fn answer(&self, datagram: &[u8]) -> Option<Result<SocketAddr, ()>> {
        let message = exact(datagram)?;
        if !message.has_method(BINDING) || message.transaction_id() != self.id {
            return None;
        }
        match message.class() {
            MessageClass::Error => Some(Err(())),
            MessageClass::Success => {
                let mapped = message.attribute::<XorMappedAddress>().ok()?;
                Some(Ok(mapped.addr(self.id)))
            }
            _ => None,
        }
    }
}

/// The timer before the first retransmission (RFC 8445 section 14.3).
pub(crate) const FIRST_TIMEOUT: Duration = Duration::from_millis(500);
const MOST_DOUBLINGS: u32 = 6; // RFC 8489 section 6.2.1: seven transmissions

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn request() -> BindingRequest {
        let (base, server) = ("192.0.2.1:9".parse().unwrap(), "192.0.2.2:3478".parse().unwrap());
        #[allow(clippy::disallowed_methods)]
        BindingRequest::new(Instant::now(), base, server, &mut StdRng::from_seed([1; 32]))
    }

    #[test]
    fn an_answer_tells_the_source_of_the_request() {
        for source in ["198.51.100.7:4711", "[2001:db8::7]:4711"] {
            let (request, source) = (request(), source.parse().unwrap());
            let answer = answer_binding(&request.data, source).unwrap();
            assert!(request.matches(request.base, request.server, &answer));
            assert_eq!(request.answer(&answer), Some(Ok(source)));
        }
    }

    #[test]
    fn an_answer_from_elsewhere_or_to_another_request_does_not_match() {
        let request = request();
        let answer = answer_binding(&request.data, request.base).unwrap();
        assert!(!request.matches(request.base, "192.0.2.3:3478".parse().unwrap(), &answer));
        let mut other = answer.to_vec();
        other[19] ^= 1;
        assert!(!request.matches(request.base, request.server, &other));
    }

    #[test]
    fn only_plain_binding_requests_are_answered() {
        let source = "198.51.100.7:4711".parse().unwrap();
        let build = |class, named: bool| {
            let kind = MessageType::from_class_method(class, BINDING);
            let mut it = Message::builder(kind, 7.into(), MessageWriteVec::new());
            if named {
                it.add_attribute(&Username::new("a:b").unwrap()).unwrap();
            }
            it.finish()
        };
        assert!(answer_binding(&build(MessageClass::Request, false), source).is_some());
        assert!(answer_binding(&build(MessageClass::Request, true), source).is_none());
        assert!(answer_binding(&build(MessageClass::Indication, false), source).is_none());
        assert!(answer_binding(&build(MessageClass::Success, false), source).is_none());
        let mut longer = build(MessageClass::Request, false);
        longer.push(0);
        assert!(answer_binding(&longer, source).is_none(), "bytes left over");
        assert!(answer_binding(b"", source).is_none());
    }

    #[test]
    fn an_unknown_attribute_that_must_be_understood_is_refused_with_420() {
        use stun_types::attribute::{ErrorCode, RawAttribute};
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let mut it = Message::builder(kind, 7.into(), MessageWriteVec::new());
        it.add_attribute(&RawAttribute::new(0x0024.into(), &[0; 4])).unwrap();
        let answer = answer_binding(&it.finish(), "192.0.2.1:1".parse().unwrap()).unwrap();
        let code = exact(&answer).unwrap().attribute::<ErrorCode>().unwrap().code();
        assert_eq!(code, ErrorCode::UNKNOWN_ATTRIBUTE);
    }

    #[test]
    fn a_request_is_sent_again_after_a_timer_that_doubles() {
        let mut request = request();
        let start = request.next();
        let mut times = Vec::new();
        for step in 0..80 {
            let now = start + Duration::from_millis(step * 50);
            if request.due(now).is_some() {
                times.push((now - start).as_millis());
            }
        }
        assert_eq!(times, [0, 500, 1500, 3500]);
    }
}
