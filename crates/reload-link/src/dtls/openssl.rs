//! A second engine, on the `openssl` crate (feature `openssl`): an oracle for tests of the first. Its
//! timers run on the system's clock, since to set them takes `unsafe`, so that in virtual time it
//! repeats no flight; and what the caller's check finds is answered with whatever alert OpenSSL takes for it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};

use super::record::Records;
use super::{
    CertificateCheck, DtlsEngine, DtlsError, DtlsEvent, DtlsIdentity, DtlsRole, DtlsSettings,
    MAX_PLAINTEXT,
};

/// Makes the engine on OpenSSL. The resend timer of `settings` has no effect.
///
/// # Errors
///
/// If the identity does not suit OpenSSL.
pub fn openssl_dtls(
    role: DtlsRole,
    identity: &DtlsIdentity,
    check: CertificateCheck,
    settings: &DtlsSettings,
    now: Instant,
) -> Result<Box<dyn DtlsEngine>, DtlsError> {
    let mut engine = OpensslEngine::new(role, identity, check, settings, now).map_err(refused)?;
    engine.drive(now);
    Ok(Box::new(engine))
}

struct OpensslEngine {
    stream: SslStream<Pipe>,
    phase: Phase,
    verdict: Verdict,
    events: VecDeque<DtlsEvent>,
    dropped: u64,
}

enum Phase {
    Handshaking { deadline: Instant, next: Instant },
    Connected,
    Closed,
}

type Verdict = Arc<OnceLock<(Vec<Bytes>, Result<(), String>)>>;

impl OpensslEngine {
    fn new(
        role: DtlsRole,
        identity: &DtlsIdentity,
        check: CertificateCheck,
        settings: &DtlsSettings,
        now: Instant,
    ) -> Result<Self, ErrorStack> {
        let verdict = Verdict::default();
        let context = context(identity, check, verdict.clone())?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_mtu(u32::try_from(settings.mtu).unwrap_or(1200))?;
        match role {
            DtlsRole::Client => ssl.set_connect_state(),
            DtlsRole::Server => ssl.set_accept_state(),
        }
        let phase =
            Phase::Handshaking { deadline: now + settings.handshake_timeout, next: now + POLL };
        let stream = SslStream::new(ssl, Pipe::default())?;
        Ok(Self { stream, phase, verdict, events: VecDeque::new(), dropped: 0 })
    }

    fn drive(&mut self, now: Instant) {
        if let Phase::Handshaking { next, .. } = &mut self.phase {
            *next = now + POLL;
            match self.stream.do_handshake() {
                Ok(()) => self.on_connected(),
                Err(error) if waits(&error) => {}
                Err(error) => self.end(self.refusal(&error)),
            }
        }
        while matches!(self.phase, Phase::Connected) && self.read_record() {}
    }

    fn read_record(&mut self) -> bool {
        let mut plaintext = vec![0; MAX_PLAINTEXT];
        match self.stream.ssl_read(&mut plaintext) {
            Ok(length) => {
                plaintext.truncate(length);
                self.events.push_back(DtlsEvent::Data(plaintext.into()));
            }
            Err(error) if waits(&error) => return false,
            Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                self.end("the peer closed the link".to_owned());
            }
            Err(error) => self.end(error.to_string()),
        }
        true
    }

    fn on_connected(&mut self) {
        let cipher = self.stream.ssl().current_cipher().and_then(|cipher| cipher.standard_name());
        match self.verdict.get() {
            Some((chain, Ok(()))) => {
                let (chain, cipher) = (chain.clone(), cipher.unwrap_or("unknown"));
                self.events.push_back(DtlsEvent::Connected { chain, cipher });
                self.phase = Phase::Connected;
            }
            _ => self.end("the peer has shown no certificate that was checked".to_owned()),
        }
    }

    fn refusal(&self, error: &openssl::ssl::Error) -> String {
        match self.verdict.get() {
            Some((_, Err(why))) => format!("the peer's certificate was refused: {why}"),
            _ => error.to_string(),
        }
    }

    fn end(&mut self, reason: String) {
        self.phase = Phase::Closed;
        self.events.push_back(DtlsEvent::Closed { reason });
    }
}

impl DtlsEngine for OpensslEngine {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let mut records = Records::of(datagram);
        if matches!(self.phase, Phase::Closed) || records.next().is_none() {
            self.dropped += 1;
            return;
        }
        self.stream.get_mut().inbound.push_back(datagram.to_vec());
        self.drive(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Handshaking { deadline, .. } if now >= deadline => {
                self.end("the handshake was not done in time".to_owned());
            }
            Phase::Handshaking { next, .. } if now >= next => self.drive(now),
            _ => {}
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Handshaking { deadline, next } => Some(next.min(deadline)),
            _ => None,
        }
    }

    fn send(&mut self, _now: Instant, data: &[u8]) -> Result<(), DtlsError> {
        if !matches!(self.phase, Phase::Connected) {
            return Err(DtlsError::NotConnected);
        }
        if data.len() > MAX_PLAINTEXT {
            return Err(DtlsError::TooLarge { length: data.len(), limit: MAX_PLAINTEXT });
        }
        let sent = self.stream.ssl_write(data);
        sent.map(|_| ()).map_err(|error| DtlsError::Engine(error.to_string()))
    }

    fn poll_transmit(&mut self) -> Option<Bytes> {
        self.stream.get_mut().outbound.pop_front()
    }

    fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn close(&mut self, _now: Instant) {
        if !matches!(self.phase, Phase::Closed) {
            let _ = self.stream.shutdown(); // a handshake that is not done has nothing to close
            self.phase = Phase::Closed;
        }
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Datagrams in and out, one a call.
#[derive(Default)]
struct Pipe {
    inbound: VecDeque<Vec<u8>>,
    outbound: VecDeque<Bytes>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.inbound.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outbound.push_back(Bytes::copy_from_slice(datagram));
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn context(
    identity: &DtlsIdentity,
    check: CertificateCheck,
    verdict: Verdict,
) -> Result<SslContext, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list("ECDHE+AESGCM:ECDHE+CHACHA20")?;
    context.set_options(SslOptions::NO_QUERY_MTU | SslOptions::COOKIE_EXCHANGE);
    context.set_private_key(&*PKey::private_key_from_pkcs8(identity.pkcs8())?)?;
    for (at, certificate) in identity.chain().iter().enumerate() {
        let certificate = X509::from_der(certificate)?;
        match at {
            0 => context.set_certificate(&certificate)?,
            _ => context.add_extra_chain_cert(certificate)?,
        }
    }
    let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    context.set_verify_callback(mode, move |_, store| judge(&verdict, &check, store));
    set_cookies(&mut context)?;
    if let Some(log) = identity.key_log().cloned() {
        context.set_keylog_callback(move |_, line| log(line));
    }
    Ok(context.build())
}

/// OpenSSL asks once for each certificate and each of its own objections; ours is the only one that counts.
fn judge(verdict: &Verdict, check: &CertificateCheck, store: &mut X509StoreContextRef) -> bool {
    let (_, result) = verdict.get_or_init(|| {
        let chain: Vec<Bytes> = store
            .chain()
            .into_iter()
            .flatten()
            .filter_map(|certificate| certificate.to_der().ok())
            .map(Bytes::from)
            .collect();
        let result = check(&chain);
        (chain, result)
    });
    let verified = result.is_ok();
    let error =
        if verified { X509VerifyResult::OK } else { X509VerifyResult::APPLICATION_VERIFICATION };
    store.set_error(error);
    verified
}

fn set_cookies(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    let mut cookie = [0; 20];
    openssl::rand::rand_bytes(&mut cookie)?;
    context.set_cookie_generate_cb(move |_, room| {
        room[..cookie.len()].copy_from_slice(&cookie);
        Ok(cookie.len())
    });
    context.set_cookie_verify_cb(move |_, given| given == cookie);
    Ok(())
}

fn waits(error: &openssl::ssl::Error) -> bool {
    error.code() == ErrorCode::WANT_READ || error.code() == ErrorCode::WANT_WRITE
}

fn refused(error: ErrorStack) -> DtlsError {
    DtlsError::Engine(error.to_string())
}

/// How often it is looked whether OpenSSL's own timer has run out.
const POLL: Duration = Duration::from_millis(100);
