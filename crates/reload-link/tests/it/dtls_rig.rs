//! Certificates and two DTLS engines with a network between them, in virtual time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use reload_link::{
    CertificateCheck, DtlsEngine, DtlsEvent, DtlsIdentity, DtlsRole, DtlsSettings, dtls_with,
};

/// The kind of key in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ecdsa,
    Rsa,
}

pub(crate) const KINDS: [Kind; 2] = [Kind::Ecdsa, Kind::Rsa];

/// An authority, and what it lets one end show.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

pub(crate) struct Leaf {
    pub(crate) certificate: Bytes,
    pub(crate) certificate_pem: String,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> Bytes {
        Bytes::copy_from_slice(self.issuer.der())
    }

    pub(crate) fn leaf(&self, kind: Kind) -> Leaf {
        let key = match kind {
            Kind::Ecdsa => KeyPair::generate().unwrap(),
            Kind::Rsa => KeyPair::from_pem(include_str!("keys/rsa.pem")).unwrap(),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "node");
        let uri = "reload://0123456789abcdef0123456789abcdef@example.org/";
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            certificate: Bytes::copy_from_slice(certificate.der()),
            certificate_pem: certificate.pem(),
            key,
        }
    }

    pub(crate) fn identity(&self, kind: Kind) -> DtlsIdentity {
        let leaf = self.leaf(kind);
        DtlsIdentity::new(vec![leaf.certificate, self.der()], leaf.key.serialized_der()).unwrap()
    }

    /// Takes certificates that this authority has signed.
    pub(crate) fn check(&self) -> CertificateCheck {
        let authority = self.der();
        Arc::new(move |chain| {
            let parse = |der| x509_parser::parse_x509_certificate(der).map(|(_, found)| found);
            let leaf = parse(&chain[0]).map_err(|error| error.to_string())?;
            let authority = parse(&authority).unwrap();
            let signed = leaf.verify_signature(Some(authority.public_key()));
            signed.map_err(|_| "another authority has signed it".to_owned())
        })
    }
}

pub(crate) fn settings() -> DtlsSettings {
    DtlsSettings::default()
}

pub(crate) fn engine(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    now: Instant,
) -> Box<dyn DtlsEngine> {
    engine_with(role, identity, check, &settings(), now)
}

pub(crate) fn engine_with(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    settings: &DtlsSettings,
    now: Instant,
) -> Box<dyn DtlsEngine> {
    dtls_with(role, identity, check, settings, now).unwrap()
}

/// Client and server, what they told, and every datagram that was sent.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) ends: [End; 2],
    /// Decides from (the sender, the number of its datagram) what is lost.
    pub(crate) lose: Box<dyn FnMut(usize, usize) -> bool>,
}

pub(crate) struct End {
    pub(crate) engine: Box<dyn DtlsEngine>,
    pub(crate) events: Vec<DtlsEvent>,
    pub(crate) sent: Vec<Bytes>,
}

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

impl Pair {
    pub(crate) fn of(
        client: Box<dyn DtlsEngine>,
        server: Box<dyn DtlsEngine>,
        now: Instant,
    ) -> Self {
        let end = |engine| End { engine, events: Vec::new(), sent: Vec::new() };
        let ends = [end(client), end(server)];
        Self { now, start: now, ends, lose: Box::new(|_, _| false) }
    }

    pub(crate) fn new(client: Kind, server: Kind) -> Self {
        let (authority, now) = (Authority::new(), Instant::now());
        let make = |role, kind| engine(role, &authority.identity(kind), authority.check(), now);
        Self::of(make(DtlsRole::Client, client), make(DtlsRole::Server, server), now)
    }

    pub(crate) fn connected(client: Kind, server: Kind) -> Self {
        let mut pair = Self::new(client, server);
        pair.settle();
        assert!(pair.is_connected(), "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
        pair
    }

    /// Carries datagrams until nobody has one.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for from in [CLIENT, SERVER] {
                while let Some(datagram) = self.ends[from].engine.poll_transmit() {
                    moved = true;
                    let number = self.ends[from].sent.len();
                    self.ends[from].sent.push(datagram.clone());
                    if !(self.lose)(from, number) {
                        self.ends[1 - from].engine.handle_datagram(self.now, &datagram);
                    }
                }
            }
            for end in &mut self.ends {
                end.events.extend(std::iter::from_fn(|| end.engine.poll_event()));
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets time pass to the next timer and acts on it; false when nobody has one.
    pub(crate) fn step(&mut self) -> bool {
        self.settle();
        let Some(at) = self.ends.iter().filter_map(|end| end.engine.next_timeout()).min() else {
            return false;
        };
        self.now = self.now.max(at);
        for end in &mut self.ends {
            end.engine.handle_timeout(self.now);
            let next = end.engine.next_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a deadline lies behind");
        }
        self.settle();
        true
    }

    /// Runs to the end of all timers.
    pub(crate) fn run(&mut self) {
        while self.step() {}
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.ends.iter().all(End::is_connected)
    }

    pub(crate) fn send(&mut self, from: usize, data: &[u8]) {
        self.ends[from].engine.send(self.now, data).unwrap();
        self.settle();
    }
}

impl End {
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.events.first(), Some(DtlsEvent::Connected { .. }))
    }

    pub(crate) fn data(&self) -> Vec<&[u8]> {
        fn data(event: &DtlsEvent) -> Option<&[u8]> {
            match event {
                DtlsEvent::Data(data) => Some(data),
                _ => None,
            }
        }
        self.events.iter().filter_map(data).collect()
    }

    pub(crate) fn closed(&self) -> Option<&str> {
        match self.events.last() {
            Some(DtlsEvent::Closed { reason }) => Some(reason),
            _ => None,
        }
    }
}
