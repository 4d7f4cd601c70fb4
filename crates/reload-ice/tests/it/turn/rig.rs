//! A TURN service with its sockets in memory, and requests made by hand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_ice::{RelaySocket, TurnOutput, TurnQuotas, TurnService};
use stun_types::attribute::{ErrorCode, Nonce, RawAttribute, Realm, Username};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteVec, Method,
};

pub(crate) const SERVER: &str = "203.0.113.2:3478";
pub(crate) const ALLOCATE: Method = Method::new(3);
pub(crate) const REFRESH: Method = Method::new(4);
pub(crate) const CREATE_PERMISSION: Method = Method::new(8);
pub(crate) const CHANNEL_BIND: Method = Method::new(9);

pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) service: TurnService,
    pub(crate) sockets: Vec<RelaySocket>,
    pub(crate) closed: Vec<RelaySocket>,
    pub(crate) to_peers: Vec<(RelaySocket, SocketAddr, Bytes)>,
    pub(crate) to_clients: Vec<(SocketAddr, Bytes)>,
    pub(crate) nonce: String,
    count: u128,
    pub(crate) full: bool,
}

impl Rig {
    pub(crate) fn new(quotas: TurnQuotas) -> Self {
        let now = Instant::now();
        let mut service =
            TurnService::new(now, SERVER.parse().unwrap(), "example.org", quotas, [5; 32]);
        service.add_user(now, "user", "secret", Duration::from_secs(3600));
        Self {
            now,
            service,
            sockets: Vec::new(),
            closed: Vec::new(),
            to_peers: Vec::new(),
            to_clients: Vec::new(),
            nonce: String::new(),
            count: 0,
            full: false,
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.service.poll_output() {
            match output {
                TurnOutput::AllocateSocket(socket) => {
                    self.sockets.push(socket);
                    let port = 50_000 + u16::try_from(self.sockets.len()).unwrap();
                    let address = SocketAddr::from(([203, 0, 113, 2], port));
                    let address = Some(address).filter(|_| !self.full);
                    self.service.handle_allocated(self.now, socket, address);
                }
                TurnOutput::CloseSocket(socket) => self.closed.push(socket),
                TurnOutput::ToClient { remote, data } => self.to_clients.push((remote, data)),
                TurnOutput::ToPeer { socket, remote, data } => {
                    self.to_peers.push((socket, remote, data));
                }
            }
        }
    }

    pub(crate) fn hand(&mut self, client: SocketAddr, datagram: &[u8]) -> Option<Bytes> {
        assert!(self.service.accepts(client, datagram));
        self.service.handle_datagram(self.now, client, datagram);
        self.drain();
        self.to_clients.pop().map(|it| it.1)
    }

    pub(crate) fn build(
        &mut self,
        method: Method,
        user: &str,
        attributes: &[RawAttribute<'_>],
    ) -> Vec<u8> {
        self.count += 1;
        let kind = MessageType::from_class_method(MessageClass::Request, method);
        let mut it = Message::builder(kind, self.count.into(), MessageWriteVec::new());
        attributes.iter().for_each(|attribute| it.add_attribute(attribute).unwrap());
        it.add_attribute(&Username::new(user).unwrap()).unwrap();
        it.add_attribute(&Realm::new("example.org").unwrap()).unwrap();
        it.add_attribute(&Nonce::new(&self.nonce).unwrap()).unwrap();
        let (user, password, realm) = (user.to_owned(), "secret".to_owned(), "example.org".into());
        let key = LongTermKeyCredentials::new(user, password, realm);
        it.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1).unwrap();
        it.finish()
    }

    /// The code of the answer, 0 for success. Learns the nonce where it is told one.
    pub(crate) fn ask_as(
        &mut self,
        user: &str,
        client: SocketAddr,
        method: Method,
        attributes: &[RawAttribute<'_>],
    ) -> u16 {
        for _ in 0..2 {
            let request = self.build(method, user, attributes);
            let answer = self.hand(client, &request).expect("an answer");
            let answer = Message::from_bytes(&answer).unwrap();
            let code = answer.attribute::<ErrorCode>().map_or(0, |it| it.code());
            if code != ErrorCode::STALE_NONCE {
                return code;
            }
            self.nonce = answer.attribute::<Nonce>().unwrap().nonce().to_owned();
        }
        ErrorCode::STALE_NONCE
    }

    pub(crate) fn ask(
        &mut self,
        client: SocketAddr,
        method: Method,
        attributes: &[RawAttribute<'_>],
    ) -> u16 {
        self.ask_as("user", client, method, attributes)
    }

    pub(crate) fn allocate(&mut self, client: SocketAddr) -> u16 {
        self.ask(client, ALLOCATE, &[udp()])
    }
}

pub(crate) fn client(n: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, n], 4000))
}

pub(crate) fn udp() -> RawAttribute<'static> {
    RawAttribute::new(0x0019.into(), &[17, 0, 0, 0])
}

pub(crate) fn lifetime(seconds: u32) -> RawAttribute<'static> {
    RawAttribute::new_owned(0x000d.into(), Box::new(seconds.to_be_bytes()))
}

/// XOR-PEER-ADDRESS by hand (RFC 8489 section 14.2).
pub(crate) fn peer(ip: [u8; 4], port: u16) -> RawAttribute<'static> {
    let port = (port ^ 0x2112).to_be_bytes();
    let x = [0x21, 0x12, 0xa4, 0x42];
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| ip[i] ^ x[i]);
    RawAttribute::new_owned(0x0012.into(), Box::new([0, 1, port[0], port[1], a, b, c, d]))
}

pub(crate) fn channel(number: u16) -> RawAttribute<'static> {
    let [a, b] = number.to_be_bytes();
    RawAttribute::new_owned(0x000c.into(), Box::new([a, b, 0, 0]))
}

pub(crate) const PEER: [u8; 4] = [192, 0, 2, 7];
