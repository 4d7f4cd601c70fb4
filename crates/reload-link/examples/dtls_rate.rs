//! How many DTLS handshakes and records a second one core does, both ends counted together:
//! `cargo run --release -p reload-link --example dtls_rate [RSA-KEY.pem]`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use reload_link::{DtlsEngine, DtlsEvent, DtlsIdentity, DtlsRole, dtls};

const TIME: Duration = Duration::from_secs(3);

fn main() {
    measure("ECDSA", &identity(&KeyPair::generate().unwrap()));
    if let Some(path) = std::env::args().nth(1) {
        let pem = std::fs::read_to_string(path).unwrap();
        measure("RSA", &identity(&KeyPair::from_pem(&pem).unwrap()));
    }
}

fn identity(key: &KeyPair) -> DtlsIdentity {
    let certificate = CertificateParams::default().self_signed(key).unwrap();
    DtlsIdentity::new(vec![Bytes::copy_from_slice(certificate.der())], key.serialized_der())
        .unwrap()
}

fn measure(name: &str, identity: &DtlsIdentity) {
    let mut handshakes = Rate::start();
    while handshakes.more() {
        connect(identity);
    }
    let (mut client, mut server) = connect(identity);
    let mut records = Rate::start();
    while records.more() {
        client.send(records.start, &[7; 1100]).unwrap();
        let record = client.poll_transmit().unwrap();
        server.handle_datagram(records.start, &record);
        assert!(matches!(server.poll_event(), Some(DtlsEvent::Data(_))));
    }
    println!(
        "{name}: {} handshakes/s, {} records of 1100 bytes/s",
        handshakes.rate(),
        records.rate()
    );
}

fn connect(identity: &DtlsIdentity) -> (Box<dyn DtlsEngine>, Box<dyn DtlsEngine>) {
    let now = Instant::now();
    let make = |role| dtls(role, identity, Arc::new(|_: &[Bytes]| Ok(())), now).unwrap();
    let (mut client, mut server) = (make(DtlsRole::Client), make(DtlsRole::Server));
    while let Some(datagram) = client.poll_transmit() {
        server.handle_datagram(now, &datagram);
        while let Some(datagram) = server.poll_transmit() {
            client.handle_datagram(now, &datagram);
        }
    }
    for end in [&mut client, &mut server] {
        assert!(matches!(end.poll_event(), Some(DtlsEvent::Connected { .. })));
    }
    (client, server)
}

struct Rate {
    start: Instant,
    count: u64,
}

impl Rate {
    fn start() -> Self {
        Self { start: Instant::now(), count: 0 }
    }

    fn more(&mut self) -> bool {
        let more = self.start.elapsed() < TIME;
        self.count += u64::from(more);
        more
    }

    fn rate(&self) -> u64 {
        self.count / TIME.as_secs()
    }
}
