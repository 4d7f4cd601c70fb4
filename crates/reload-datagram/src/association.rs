//! One DTLS association with what runs over it: Simple Reliability on an overlay link, nothing on an
//! application link (sections 6.5.1.13, 6.6.4 and 6.6.6); for plain SIP the same without DTLS. It knows
//! no addresses.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_identity::{Signer, Trust, VerifiedCertificate};
use reload_link::{
    DTLS_OVERHEAD, DtlsEngine, DtlsError, DtlsEvent, DtlsIdentity, DtlsRole, DtlsSettings,
    FrameEvent, LinkOutput, LinkSettings, LinkStats, MIN_RTO, Proven, ReliableLink, dtls_with,
    is_client_hello,
};
use reload_node::LinkPurpose;
use reload_wire::{NodeId, Now};

use crate::bare::Bare;
use crate::output::SendError;
use crate::settings::LARGEST_DATAGRAM;
use crate::verdict::{Verdict, judge};

/// What a new association starts from.
pub(crate) struct Beginning<'a> {
    pub(crate) identity: &'a DtlsIdentity,
    pub(crate) trust: &'a Arc<Trust>,
    pub(crate) expected: Option<NodeId>,
    pub(crate) purpose: LinkPurpose,
    pub(crate) settings: &'a LinkSettings,
    /// Bytes of a UDP payload.
    pub(crate) datagram: usize,
    /// A measured round trip, for the first timers of DTLS and of Simple Reliability (section 6.6.3.1).
    pub(crate) round_trip: Option<Duration>,
}

impl Beginning<'_> {
    fn dtls(&self) -> DtlsSettings {
        let usual = DtlsSettings::default();
        let quick = self.round_trip.map(|it| it * 2 + LATENESS);
        let retransmit = quick.map_or(usual.retransmit, |it| it.min(usual.retransmit));
        DtlsSettings { retransmit, mtu: self.datagram, ..usual }
    }
}

/// What signing and checking may cost the other side within a handshake.
const LATENESS: Duration = Duration::from_millis(200);

/// What an association tells.
#[derive(Debug)]
pub(crate) enum AssociationEvent {
    /// The handshake is done and the certificate good.
    Up { certificate: Arc<VerifiedCertificate>, mtu: usize },
    /// From the layer above DTLS, of an overlay link.
    Frame(FrameEvent),
    /// From the layer above DTLS, of an application link.
    Datagram(Bytes),
    /// It has ended; nothing follows.
    Down { reason: String, unacknowledged: Vec<Bytes> },
}

pub(crate) struct Association {
    engine: Box<dyn DtlsEngine>,
    verdict: Verdict,
    purpose: LinkPurpose,
    settings: LinkSettings,
    record: usize,
    state: State,
    hello: Option<HelloRandom>,
    cipher: Option<&'static str>,
    round_trip: Option<Duration>,
    events: VecDeque<AssociationEvent>,
    datagrams: (u64, u64),
}

enum State {
    Handshake,
    /// With Simple Reliability, unless it is an application's.
    Up {
        certificate: Arc<VerifiedCertificate>,
        reliable: Option<Box<ReliableLink>>,
    },
    Over,
}

impl Association {
    /// An association that begins now; a client has its ClientHello ready. Fails if DTLS cannot use our
    /// own key.
    pub(crate) fn new(now: Now, role: DtlsRole, from: &Beginning<'_>) -> Result<Self, DtlsError> {
        let (verdict, check) = judge(from.trust, from.expected, now.wall);
        let engine = dtls_with(role, from.identity, check, &from.dtls(), now.mono)?;
        Ok(Self::over(engine, verdict, from))
    }

    /// An association for somebody who has come with our cookie.
    pub(crate) fn accept(
        now: Now,
        proven: &Proven,
        from: &Beginning<'_>,
    ) -> Result<Self, DtlsError> {
        let (verdict, check) = judge(from.trust, from.expected, now.wall);
        let engine = proven.accept(from.identity, check, &from.dtls(), now.mono)?;
        Ok(Self::over(engine, verdict, from))
    }

    /// One without DTLS, up at once: the path assures the other end.
    pub(crate) fn bare(now: Now, signer: &Signer, from: &Beginning<'_>) -> Self {
        let verdict = Verdict::new(OnceLock::from(Ok(Arc::clone(&signer.certificate))));
        let mut association = Self::over(Box::new(Bare::new()), verdict, from);
        association.drive(now);
        association
    }

    fn over(engine: Box<dyn DtlsEngine>, verdict: Verdict, from: &Beginning<'_>) -> Self {
        let record = match from.purpose.may_be_fragmented() {
            true => LARGEST_DATAGRAM,
            false => from.datagram.saturating_sub(DTLS_OVERHEAD),
        };
        Self {
            engine,
            verdict,
            purpose: from.purpose,
            settings: from.settings.clone(),
            record,
            state: State::Handshake,
            hello: None,
            cipher: None,
            round_trip: from.round_trip,
            events: VecDeque::new(),
            datagrams: (0, 0),
        }
    }

    pub(crate) fn handle_datagram(&mut self, now: Now, datagram: &[u8]) {
        self.datagrams.1 += 1;
        self.engine.handle_datagram(now.mono, datagram);
        self.drive(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if self.engine.next_timeout().is_some_and(|at| at <= now.mono) {
            self.engine.handle_timeout(now.mono);
        }
        if let State::Up { reliable: Some(reliable), .. } = &mut self.state {
            reliable.handle_timeout(now.mono);
        }
        self.drive(now);
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let reliable = match &self.state {
            State::Up { reliable: Some(reliable), .. } => reliable.next_timeout(),
            State::Up { .. } | State::Handshake => None,
            State::Over => return None,
        };
        [self.engine.next_timeout(), reliable].into_iter().flatten().min()
    }

    pub(crate) fn send(&mut self, now: Now, message: Bytes) -> Result<(), SendError> {
        match &mut self.state {
            State::Up { reliable: Some(reliable), .. } => {
                reliable.send(now.mono, message)?;
            }
            State::Up { reliable: None, .. } => {
                if message.len() > self.record {
                    return Err(SendError::TooLarge { size: message.len(), limit: self.record });
                }
                self.engine.send(now.mono, &message).map_err(|_| SendError::NotUp)?;
            }
            State::Handshake | State::Over => return Err(SendError::NotUp),
        }
        self.drive(now);
        Ok(())
    }

    /// Ends it and tells the other side.
    pub(crate) fn close(&mut self, now: Now) {
        self.engine.close(now.mono);
        self.state = State::Over;
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Bytes> {
        let datagram = self.engine.poll_transmit()?;
        self.datagrams.0 += 1;
        if self.is_in_handshake() && is_client_hello(&datagram) {
            self.hello = hello_random(&datagram);
        }
        Some(datagram)
    }

    pub(crate) fn poll_event(&mut self) -> Option<AssociationEvent> {
        self.events.pop_front()
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    pub(crate) fn is_in_handshake(&self) -> bool {
        matches!(self.state, State::Handshake)
    }

    /// The random of the ClientHello that we have sent, while the handshake goes on.
    pub(crate) fn own_hello(&self) -> Option<&HelloRandom> {
        self.hello.as_ref().filter(|_| self.is_in_handshake())
    }

    pub(crate) fn certificate(&self) -> Option<&Arc<VerifiedCertificate>> {
        match &self.state {
            State::Up { certificate, .. } => Some(certificate),
            State::Handshake | State::Over => None,
        }
    }

    /// Whether a certificate was seen, and judged.
    pub(crate) fn has_verdict(&self) -> bool {
        self.verdict.get().is_some()
    }

    pub(crate) fn cipher(&self) -> Option<&'static str> {
        self.cipher
    }

    pub(crate) fn datagrams(&self) -> (u64, u64) {
        self.datagrams
    }

    pub(crate) fn stats(&self) -> Option<LinkStats> {
        self.reliable().map(ReliableLink::stats)
    }

    /// Bytes of the largest frame, or of the largest datagram of an application.
    pub(crate) fn mtu(&self) -> usize {
        self.reliable().map_or(self.record, ReliableLink::mtu)
    }

    pub(crate) fn set_max_message_size(&mut self, size: u32) {
        self.settings.max_message_size = size;
        if let State::Up { reliable: Some(reliable), .. } = &mut self.state {
            reliable.set_max_message_size(size);
        }
    }

    /// The messages without an ACK, each handed out once.
    pub(crate) fn take_unacknowledged(&mut self) -> Vec<Bytes> {
        match &mut self.state {
            State::Up { reliable: Some(reliable), .. } => reliable.take_unacknowledged(),
            State::Up { .. } | State::Handshake | State::Over => Vec::new(),
        }
    }

    fn reliable(&self) -> Option<&ReliableLink> {
        match &self.state {
            State::Up { reliable, .. } => reliable.as_deref(),
            State::Handshake | State::Over => None,
        }
    }

    /// Passes on what the layers have for each other.
    fn drive(&mut self, now: Now) {
        while let Some(event) = self.engine.poll_event() {
            self.on_dtls(now, event);
        }
        while let State::Up { reliable: Some(reliable), .. } = &mut self.state
            && let Some(output) = reliable.poll(now.mono)
        {
            match output {
                // An engine that is up takes every record of the size it was given.
                LinkOutput::Transmit(record) => drop(self.engine.send(now.mono, &record)),
                LinkOutput::Event(event) => self.on_frame(now, event),
            }
        }
    }

    fn on_dtls(&mut self, now: Now, event: DtlsEvent) {
        match event {
            DtlsEvent::Connected { cipher, .. } => self.on_connected(now, cipher),
            DtlsEvent::Data(data) => match &mut self.state {
                State::Up { reliable: Some(reliable), .. } => {
                    reliable.handle_record(now.mono, &data)
                }
                State::Up { .. } => self.events.push_back(AssociationEvent::Datagram(data)),
                State::Handshake | State::Over => {}
            },
            DtlsEvent::Closed { reason } => self.end(reason),
        }
    }

    fn on_connected(&mut self, now: Now, cipher: &'static str) {
        let Some(Ok(certificate)) = self.verdict.get().cloned() else {
            self.engine.close(now.mono);
            return self.end("the other side showed no certificate".to_owned());
        };
        self.cipher = Some(cipher);
        let overlay = self.purpose == LinkPurpose::Overlay;
        let reliable = overlay.then(|| {
            let mut reliable =
                ReliableLink::new(self.settings.clone(), self.record).with_initial_rto(MIN_RTO); // section 6.6.3.1: the default of a static one
            if let Some(round_trip) = self.round_trip {
                reliable.measured(round_trip);
            }
            Box::new(reliable)
        });
        self.state = State::Up { certificate: Arc::clone(&certificate), reliable };
        let mtu = self.mtu();
        self.events.push_back(AssociationEvent::Up { certificate, mtu });
    }

    fn on_frame(&mut self, now: Now, event: FrameEvent) {
        if let FrameEvent::Dead { unacknowledged } = event {
            let reason = "nothing was acknowledged, five times in a row".to_owned(); // section 6.6.3.1
            self.close(now);
            self.events.push_back(AssociationEvent::Down { reason, unacknowledged });
        } else {
            self.events.push_back(AssociationEvent::Frame(event));
        }
    }

    /// The engine has ended. What was wrong with the certificate says more than the engine does.
    fn end(&mut self, reason: String) {
        if matches!(self.state, State::Over) {
            return;
        }
        let reason = match self.verdict.get() {
            Some(Err(refused)) => format!("refused its certificate: {refused}"),
            _ => reason,
        };
        let unacknowledged = self.take_unacknowledged();
        self.state = State::Over;
        self.events.push_back(AssociationEvent::Down { reason, unacknowledged });
    }
}

/// The random of a ClientHello.
pub(crate) type HelloRandom = [u8; 32];

/// The random of a ClientHello, after record header (13 bytes), handshake header (12) and version (2).
pub(crate) fn hello_random(datagram: &[u8]) -> Option<HelloRandom> {
    datagram.get(27..59)?.try_into().ok()
}
