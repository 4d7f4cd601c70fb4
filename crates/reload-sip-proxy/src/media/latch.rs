//! Where a phone sends from and is sent to (symmetric RTP, RFC 4961). A phone behind a NAT of its own says an
//! address that is not the one its packets come from, so the first packet teaches it. Taken are packets
//!
//! 1. from the very address and port of its SDP, always;
//! 2. else from the first other port that sends, at the IP address of its SIP or of its SDP, and then only
//!    that one until its SDP names another address.
//!
//! All others are strangers: dropped, and never sent to. Who shares an IP address with the phone, another
//! program on its machine, say, can only take the place of a phone that does not send from where it said.

use std::net::{IpAddr, SocketAddr};

/// The phone, as one port of a relay knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latch {
    sip: IpAddr,
    said: Option<SocketAddr>,
    learned: Option<SocketAddr>,
}

impl Latch {
    /// Of a phone whose SIP comes from there.
    pub(super) fn new(sip: IpAddr) -> Self {
        Self { sip: sip.to_canonical(), said: None, learned: None }
    }

    /// What its SDP says now.
    pub(super) fn aim(&mut self, sip: IpAddr, said: Option<SocketAddr>) {
        self.sip = sip.to_canonical();
        if self.said != said {
            self.said = said;
            self.learned = None;
        }
    }

    /// Whether a packet from there is one of the phone.
    pub(super) fn takes(&mut self, from: SocketAddr) -> bool {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        if self.said == Some(from) {
            self.learned = Some(from);
            return true;
        }
        let is_phone =
            from.ip() == self.sip || self.said.is_some_and(|said| said.ip() == from.ip());
        match self.learned {
            Some(learned) => learned == from,
            None if is_phone => {
                self.learned = Some(from);
                true
            }
            None => false,
        }
    }

    /// Where its packets go, if that is known.
    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.learned.or(self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn latch(sip: &str, said: Option<&str>) -> Latch {
        let mut latch = Latch::new(sip.parse().unwrap());
        latch.aim(sip.parse().unwrap(), said.map(at));
        latch
    }

    #[test]
    fn a_phone_is_sent_to_where_its_sdp_says_until_it_sends() {
        let mut latch = latch("192.0.2.1", Some("10.0.0.5:4000"));
        assert_eq!(latch.target(), Some(at("10.0.0.5:4000")));
        assert!(latch.takes(at("192.0.2.1:61000")));
        assert_eq!(latch.target(), Some(at("192.0.2.1:61000")));
    }

    #[test]
    fn strangers_are_neither_taken_nor_sent_to() {
        let mut latch = latch("192.0.2.1", Some("10.0.0.5:4000"));
        assert!(!latch.takes(at("192.0.2.9:4000")));
        assert_eq!(latch.target(), Some(at("10.0.0.5:4000")));
    }

    #[test]
    fn the_first_port_that_sends_keeps_its_place() {
        let mut latch = latch("192.0.2.1", Some("10.0.0.5:4000"));
        assert!(latch.takes(at("192.0.2.1:61000")));
        assert!(!latch.takes(at("192.0.2.1:61002")));
        assert_eq!(latch.target(), Some(at("192.0.2.1:61000")));
    }

    #[test]
    fn the_address_of_the_sdp_comes_before_a_learned_one() {
        let mut latch = latch("192.0.2.1", Some("192.0.2.1:4000"));
        assert!(latch.takes(at("192.0.2.1:61000")));
        assert!(latch.takes(at("192.0.2.1:4000")));
        assert_eq!(latch.target(), Some(at("192.0.2.1:4000")));
        assert!(!latch.takes(at("192.0.2.1:61000")));
    }

    #[test]
    fn another_address_in_the_sdp_makes_the_relay_learn_again() {
        let mut latch = latch("192.0.2.1", Some("192.0.2.1:4000"));
        assert!(latch.takes(at("192.0.2.1:4000")));
        latch.aim("192.0.2.1".parse().unwrap(), Some(at("192.0.2.1:5000")));
        assert_eq!(latch.target(), Some(at("192.0.2.1:5000")));
        assert!(latch.takes(at("192.0.2.1:5000")));
        latch.aim("192.0.2.1".parse().unwrap(), Some(at("192.0.2.1:5000")));
        assert!(!latch.takes(at("192.0.2.1:4000")));
    }

    #[test]
    fn a_phone_on_hold_is_not_sent_to() {
        let mut latch = latch("192.0.2.1", Some("192.0.2.1:4000"));
        assert!(latch.takes(at("192.0.2.1:4000")));
        latch.aim("192.0.2.1".parse().unwrap(), None);
        assert_eq!(latch.target(), None);
    }

    #[test]
    fn addresses_written_as_ipv6_are_the_same() {
        let mut latch = latch("127.0.0.1", Some("127.0.0.1:4000"));
        assert!(latch.takes(at("[::ffff:127.0.0.1]:4000")));
        assert_eq!(latch.target(), Some(at("127.0.0.1:4000")));
    }
}
