//! A proxy with a phone of bob before it and carol's node behind it, in one thread and in virtual time.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reload_sip_proxy::{MediaMode, Overlay, Proxy, Purpose, Settings};
use reload_usages::sip::Scheme;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use super::message::Message;
use super::overlay::{End, Ends, Opening, Town, connection};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A phone of bob, by UDP.
    Phone,
    /// Carol's node.
    Peer,
}

/// All of it.
pub(crate) struct Bench {
    proxy: Proxy,
    phone: UdpSocket,
    stream: Option<TcpStream>,
    /// The connection that carol speaks on.
    peer: End,
    opened: Ends,
    _opening: Opening,
    /// The last request that each has received.
    requests: [Option<Message>; 2],
    /// The last message of a call that each has received.
    calls: [Option<Message>; 2],
    /// Messages that each has received.
    pub(crate) received: [usize; 2],
}

impl Bench {
    pub(crate) async fn new(password: Option<String>) -> Self {
        let (town, opening, opened) = Town::new();
        let overlay: Arc<dyn Overlay> = Arc::new(town);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut settings = Settings::new(any);
        (settings.password, settings.media) = (password, MediaMode::Relay);
        let proxy = Proxy::start(settings, overlay).await.expect("loopback has ports");
        let phone = UdpSocket::bind(any).await.expect("loopback has ports");
        let (peer, pipe) = connection();
        let _ = opening.send((Purpose::Sip(Scheme::Sip), Box::new(pipe))).await;
        let mut bench = Self {
            proxy,
            phone,
            stream: None,
            peer,
            opened,
            _opening: opening,
            requests: [None, None],
            calls: [None, None],
            received: [0; 2],
        };
        bench.settle().await;
        bench
    }

    /// Says something.
    pub(crate) async fn say(&mut self, who: Who, bytes: &[u8]) {
        match who {
            // a datagram that is too large for UDP is not sent
            Who::Phone => drop(self.phone.send_to(bytes, self.proxy.listening().udp).await),
            Who::Peer => drop(self.peer.sender.try_send(Bytes::copy_from_slice(bytes))),
        }
        self.settle().await;
    }

    /// Says it on a stream of the phone.
    pub(crate) async fn stream(&mut self, bytes: &[u8]) {
        if self.stream.is_none() {
            self.stream = TcpStream::connect(self.proxy.listening().tcp).await.ok();
        }
        if let Some(stream) = &mut self.stream
            && stream.write_all(bytes).await.is_err()
        {
            self.stream = None;
        }
        self.settle().await;
    }

    /// The last request that somebody has got.
    pub(crate) fn request(&self, who: Who) -> Option<&Message> {
        self.requests[place(who)].as_ref()
    }

    /// The last message of a call that somebody has got.
    pub(crate) fn call(&self, who: Who) -> Option<&Message> {
        self.calls[place(who)].as_ref()
    }

    /// Lets time pass.
    pub(crate) async fn pass(&mut self, span: Duration) {
        tokio::time::sleep(span).await;
        self.settle().await;
    }

    /// Calls that the proxy knows.
    pub(crate) fn calls(&self) -> usize {
        self.proxy.calls().len()
    }

    /// Lets everybody do what is to be done, and hears what the proxy says.
    async fn settle(&mut self) {
        for _ in 0..4 {
            // each turn of the runtime looks at the sockets once
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut buffer = vec![0; 65_535];
        while let Ok((length, _)) = self.phone.try_recv_from(&mut buffer) {
            self.hear(Who::Phone, &buffer[..length]);
        }
        if let Some(stream) = &self.stream {
            while stream.try_read(&mut buffer).is_ok_and(|length| length > 0) {}
        }
        loop {
            while let Ok(datagram) = self.peer.receiver.try_recv() {
                self.hear(Who::Peer, &datagram);
            }
            // the newest connection for SIP is the one that carol speaks on
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((purpose, end)) = opened.pop() else { break };
            drop(opened);
            if purpose != Purpose::Media {
                self.peer = end;
            }
        }
    }

    fn hear(&mut self, who: Who, bytes: &[u8]) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return; // a sign of life (RFC 5626 section 3.5.1)
        }
        let message = Message::read(bytes).expect("what leaves the proxy has a head");
        message.check();
        self.received[place(who)] += 1;
        if message.is_of_call() {
            self.calls[place(who)] = Some(message.clone());
        }
        if message.is_request() {
            self.requests[place(who)] = Some(message);
        }
    }
}

fn place(who: Who) -> usize {
    match who {
        Who::Phone => 0,
        Who::Peer => 1,
    }
}
