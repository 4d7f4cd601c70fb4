//! The default DTLS engine: `rtc-dtls` on ring, one endpoint an association, behind
//! [`Assembler`] and the record filter (`docs/adr`, the page on DTLS). What the peer may be
//! is decided by the caller's [`CertificateCheck`], and by nothing in the engine.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;

use super::assembler::Assembler;
use super::config::{Verdict, config, name, refused};
use super::keylog;
use super::provider::COOKIE;
use super::record::{
    ALERT, CLOSE_NOTIFY, FATAL, HANDSHAKE, HEADER, Record, Records, alert_name, plain_record,
};
use super::resend::Resend;
use super::{
    CertificateCheck, DtlsEngine, DtlsError, DtlsEvent, DtlsIdentity, DtlsRole, DtlsSettings,
    KeyLog, MAX_PLAINTEXT,
};

/// One association.
pub(super) struct RtcEngine {
    endpoint: Endpoint,
    role: DtlsRole,
    phase: Phase,
    verdict: Verdict,
    key_log: Option<KeyLog>,
    transmits: VecDeque<Bytes>,
    events: VecDeque<DtlsEvent>,
    dropped: u64,
}

/// How far the association is.
enum Phase {
    Handshaking(Box<Handshake>),
    Connected { flights_repeated: u8 },
    Closed,
}

/// What only a handshake needs.
struct Handshake {
    assembler: Assembler,
    deadline: Instant,
    resend: Resend,
    /// What the engine last found wrong, for the reason when time is up.
    complaint: Option<String>,
}

impl RtcEngine {
    pub(super) fn new(
        role: DtlsRole,
        identity: &DtlsIdentity,
        check: CertificateCheck,
        settings: &DtlsSettings,
        cookie: Option<[u8; COOKIE]>,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let verdict = Verdict::default();
        let config = Arc::new(config(role, identity, check, settings, cookie, verdict.clone())?);
        let server = (role == DtlsRole::Server).then(|| config.clone());
        let handshake = Handshake {
            assembler: Assembler::new(role),
            deadline: now + settings.handshake_timeout,
            resend: Resend::new(settings.retransmit),
            complaint: None,
        };
        let mut engine = Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
            role,
            phase: Phase::Handshaking(Box::new(handshake)),
            verdict,
            key_log: identity.key_log().cloned(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            dropped: 0,
        };
        if role == DtlsRole::Client {
            engine.endpoint.connect(now, PEER, config, None).map_err(refused)?;
            engine.drain_handshake(false);
        }
        Ok(engine)
    }

    /// Takes up a handshake whose first ClientHello was answered without an engine: `first` is that
    /// hello as the engine would have seen it, the cookie of [`new`](Self::new) the one in the answer.
    pub(super) fn resume(&mut self, now: Instant, first: &[u8]) {
        self.handle_datagram(now, &plain_record(HANDSHAKE, 0, first));
        self.transmits.clear(); // the HelloVerifyRequest that has been sent
    }

    fn on_handshake(&mut self, now: Instant, datagram: &[u8]) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        let mut records = Records::of(datagram);
        let mut ready = Vec::new();
        let mut alert = None;
        for record in records.by_ref() {
            if record.epoch == 0 && record.kind == ALERT {
                alert = alert.or(record.plain_alert());
            } else if !handshake.assembler.take(&record, &mut ready) {
                self.dropped += 1;
            }
        }
        self.dropped += u64::from(records.broken());
        if !ready.is_empty() {
            self.on_flight(now, BytesMut::from(&ready[..]));
        }
        match alert {
            Some((level, description)) if level == FATAL || description == CLOSE_NOTIFY => {
                self.end(format!("the peer sent {} ({description})", alert_name(description)));
            }
            Some(_) => self.dropped += 1, // a warning that is not authenticated means nothing
            None => {}
        }
    }

    fn on_flight(&mut self, now: Instant, records: BytesMut) {
        let result = self.endpoint.read(now, PEER, None, records);
        let alerted = self.drain_handshake(false);
        match result {
            Ok(events) => self.on_events(now, events),
            Err(Error::ErrAlertFatalOrClose) => self.end("the peer sent a fatal alert".to_owned()),
            Err(error) => self.complain(error.to_string()),
        }
        if let Some(description) = alerted {
            let reason = self.refusal(description);
            self.end(reason);
        }
    }

    /// Takes what the engine wants to send. An alert among it means that the engine has given up.
    fn drain_handshake(&mut self, again: bool) -> Option<u8> {
        let (mut alert, mut sent) = (None, false);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            sent = true;
            for record in Records::of(&transmit.message) {
                match record.plain_alert() {
                    Some((FATAL, description)) => alert = Some(description),
                    _ if record.kind == ALERT => alert = Some(INTERNAL_ERROR),
                    _ => {}
                }
            }
            self.transmits.push_back(transmit.message.freeze());
        }
        if let Phase::Handshaking(handshake) = &mut self.phase {
            let armed = self.endpoint.poll_timeout(&PEER);
            let flight = (sent || again).then_some(again);
            handshake.resend.follow(armed, flight);
        }
        alert
    }

    fn on_records(&mut self, now: Instant, datagram: &[u8]) {
        let mut records = Records::of(datagram);
        for record in records.by_ref() {
            let Phase::Connected { flights_repeated } = self.phase else { return };
            let spent = record.kind == HANDSHAKE && flights_repeated >= MAX_FLIGHTS_REPEATED;
            if spent || !record.suits_established(self.role) {
                self.dropped += 1;
            } else {
                self.on_record(now, &record);
            }
        }
        self.dropped += u64::from(records.broken());
    }

    fn on_record(&mut self, now: Instant, record: &Record<'_>) {
        let result = self.endpoint.read(now, PEER, None, BytesMut::from(record.whole));
        let mut answered = false;
        let closing = matches!(&result, Ok(events) if events.iter().any(closes));
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // The engine answers an alert with the same alert; only a close_notify has an answer.
            if closing || transmit.message.first() != Some(&ALERT) {
                self.transmits.push_back(transmit.message.freeze());
                answered = true;
            }
        }
        match result {
            Ok(events) => {
                // What was not authentic has neither events nor an answer.
                self.dropped += u64::from(events.is_empty() && !answered);
                self.on_events(now, events);
            }
            Err(Error::ErrAlertFatalOrClose) => self.end("the peer sent a fatal alert".to_owned()),
            Err(_) => self.dropped += 1,
        }
        if let Phase::Connected { flights_repeated } = &mut self.phase
            && record.kind == HANDSHAKE
            && answered
        {
            *flights_repeated += 1;
        }
    }

    fn on_events(&mut self, now: Instant, events: Vec<EndpointEvent>) {
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => self.on_complete(now),
                EndpointEvent::ApplicationData(data) => {
                    if matches!(self.phase, Phase::Connected { .. }) {
                        self.events.push_back(DtlsEvent::Data(data.freeze()));
                    }
                }
                EndpointEvent::PeerClosed => self.end("the peer closed the link".to_owned()),
                _ => {}
            }
        }
    }

    /// The engine is content; we are if the check has seen and passed the very chain.
    fn on_complete(&mut self, now: Instant) {
        let state = self.endpoint.get_connection_state(PEER);
        let cipher =
            state.and_then(|state| state.cipher_suite()).and_then(|suite| name(suite.id()));
        let shown = state.map(|state| state.peer_certificates.as_slice()).unwrap_or_default();
        match (self.verdict.get(), cipher) {
            (Some((chain, Ok(()))), Some(cipher)) if !chain.is_empty() && *chain == *shown => {
                if let (Some(log), Some(line)) = (&self.key_log, state.and_then(keylog::line)) {
                    log(&line);
                }
                self.events.push_back(DtlsEvent::Connected { chain: chain.clone(), cipher });
                self.phase = Phase::Connected { flights_repeated: 0 };
            }
            _ => {
                self.hang_up(now);
                self.end("the peer has shown no certificate that was checked".to_owned());
            }
        }
    }

    fn complain(&mut self, complaint: String) {
        self.dropped += 1;
        if let Phase::Handshaking(handshake) = &mut self.phase {
            handshake.complaint = Some(complaint);
        }
    }

    fn refusal(&self, description: u8) -> String {
        let complaint = match &self.phase {
            Phase::Handshaking(handshake) => handshake.complaint.clone(),
            _ => None,
        };
        match (self.verdict.get(), complaint) {
            (Some((_, Err(why))), _) => format!("the peer's certificate was refused: {why}"),
            (_, Some(why)) => format!("we sent {} ({description}): {why}", alert_name(description)),
            (_, None) => format!("we sent {} ({description})", alert_name(description)),
        }
    }

    fn hang_up(&mut self, now: Instant) {
        self.endpoint.stop(now, PEER);
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.transmits.push_back(transmit.message.freeze());
        }
    }

    fn end(&mut self, reason: String) {
        if !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Closed;
            self.events.push_back(DtlsEvent::Closed { reason });
        }
    }
}

impl DtlsEngine for RtcEngine {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self.phase {
            Phase::Handshaking(_) => self.on_handshake(now, datagram),
            Phase::Connected { .. } => self.on_records(now, datagram),
            Phase::Closed => self.dropped += 1,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let Phase::Handshaking(handshake) = &mut self.phase else { return };
        if now >= handshake.deadline {
            let why = handshake.complaint.take().map(|why| format!(" ({why})")).unwrap_or_default();
            return self.end(format!("the handshake was not done in time{why}"));
        }
        if handshake.resend.due(now) {
            let result = self.endpoint.handle_timeout(PEER, now);
            let alerted = self.drain_handshake(true);
            if result.is_err() || alerted.is_some() {
                self.end("the peer has not answered the handshake".to_owned());
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let Phase::Handshaking(handshake) = &self.phase else { return None };
        let resend = handshake.resend.at().unwrap_or(handshake.deadline);
        Some(resend.min(handshake.deadline))
    }

    fn send(&mut self, now: Instant, data: &[u8]) -> Result<(), DtlsError> {
        if !matches!(self.phase, Phase::Connected { .. }) {
            return Err(DtlsError::NotConnected);
        }
        if data.len() > MAX_PLAINTEXT {
            return Err(DtlsError::TooLarge { length: data.len(), limit: MAX_PLAINTEXT });
        }
        self.endpoint.write(now, PEER, data).map_err(refused)?;
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.transmits.push_back(transmit.message.freeze());
        }
        Ok(())
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn close(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Closed) {
            self.hang_up(now);
            self.phase = Phase::Closed;
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn closes(event: &EndpointEvent) -> bool {
    matches!(event, EndpointEvent::PeerClosed)
}

/// An endpoint keys its associations by address. Ours has one, and addresses are not its concern.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Answers to a client's Finished that came again; the engine stops there too.
const MAX_FLIGHTS_REPEATED: u8 = 7;
const INTERNAL_ERROR: u8 = 80;

const _: () = assert!(HEADER + 8 + 16 == super::DTLS_OVERHEAD);
