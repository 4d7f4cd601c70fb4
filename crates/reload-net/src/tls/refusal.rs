//! Why a handshake or a first read failed, as one line that says who refused whom. In TLS 1.3 the
//! dialling side learns on its first read that its certificate was refused.

use std::io;
use std::net::SocketAddr;

use reload_identity::VerifyError;
use rustls::AlertDescription;
use thiserror::Error;

use super::Verdict;

/// Which end of the handshake we were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Dialled,
    Accepted,
}

/// Why there is no link.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// We refused the certificate of the other side.
    #[error("refused {remote}: {}", verdict_text(reason))]
    Certificate {
        /// The other side.
        remote: SocketAddr,
        /// What is wrong with its certificate.
        reason: VerifyError,
    },
    /// The other side showed no certificate; section 6.5.1.13 wants one.
    #[error("refused {remote}: it shows no certificate")]
    NoCertificate {
        /// The other side.
        remote: SocketAddr,
    },
    /// The other side refused our certificate.
    #[error("refused by {remote}: {}", alert_text(*alert))]
    ByPeer {
        /// The other side.
        remote: SocketAddr,
        /// Its alert.
        alert: AlertDescription,
    },
    /// The handshake failed otherwise.
    #[error("no TLS with {remote}: {reason}")]
    Tls {
        /// The other side.
        remote: SocketAddr,
        /// What rustls says.
        reason: rustls::Error,
    },
    /// The connection broke or was never made.
    #[error("no connection with {remote}: {}", io_text(reason))]
    Io {
        /// The other side.
        remote: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
    /// Nothing happened for too long.
    #[error("no connection with {remote}: no answer in time")]
    Timeout {
        /// The other side.
        remote: SocketAddr,
    },
    /// Too many of them; counted, and logged at debug level only.
    #[error("refused {remote}: {reason}")]
    Limit {
        /// The other side.
        remote: SocketAddr,
        /// Which limit.
        reason: &'static str,
    },
    /// The own configuration of TLS is unusable.
    #[error("no TLS with {remote}: {reason}")]
    Setup {
        /// The other side.
        remote: SocketAddr,
        /// What is wrong.
        reason: String,
    },
}

impl Refusal {
    /// Whether the two sides met, and a certificate was not taken.
    pub(crate) const fn is_of_certificates(&self) -> bool {
        matches!(self, Self::Certificate { .. } | Self::NoCertificate { .. } | Self::ByPeer { .. })
    }
}

/// Turns the error of a handshake, or of a read when there is no `verdict`, into a [`Refusal`].
pub(crate) fn explain(
    remote: SocketAddr,
    side: Side,
    verdict: Option<&Verdict>,
    error: io::Error,
) -> Refusal {
    if let Some(Err(reason)) = verdict.and_then(|verdict| verdict.get()) {
        return Refusal::Certificate { remote, reason: reason.clone() };
    }
    let in_handshake = verdict.is_some() && side == Side::Dialled;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).cloned();
    match inner {
        Some(rustls::Error::NoCertificatesPresented) => Refusal::NoCertificate { remote },
        Some(rustls::Error::AlertReceived(alert)) => Refusal::ByPeer { remote, alert },
        Some(reason) => Refusal::Tls { remote, reason },
        None if in_handshake && error.kind() == io::ErrorKind::UnexpectedEof => {
            let hint = "closed within the handshake; is there a RELOAD node?";
            Refusal::Io { remote, reason: io::Error::other(hint) }
        }
        None => Refusal::Io { remote, reason: error },
    }
}

/// Port scans and broken connections are everyday; a refused certificate is news.
pub(crate) fn log(refusal: &Refusal) {
    match refusal {
        Refusal::Io { .. } | Refusal::Timeout { .. } => tracing::debug!("{refusal}"),
        _ => tracing::warn!("{refusal}"),
    }
}

/// The verdict in words. Another CA often has the name of the right one (the same overlay set up
/// twice); what shows then is only that its signature is not that of our root certificate.
fn verdict_text(reason: &VerifyError) -> String {
    match reason {
        VerifyError::BadCertificateSignature => {
            "certificate is not issued by a root certificate of this overlay, though its issuer has \
             the name of one"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// The alerts about certificates, in words.
fn alert_text(alert: AlertDescription) -> String {
    let text = match alert {
        AlertDescription::CertificateRequired => "it wants a certificate and we showed none",
        AlertDescription::CertificateExpired => "our certificate is expired or not yet valid there",
        AlertDescription::CertificateRevoked => "our certificate is revoked (bad-node)",
        AlertDescription::UnknownCA => "our certificate is of another CA than that of its overlay",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => "our certificate is not accepted there",
        AlertDescription::AccessDenied => {
            "our certificate is not the one it wants: another overlay or another Node-ID"
        }
        AlertDescription::ProtocolVersion => "it speaks no TLS version that we do",
        AlertDescription::HandshakeFailure => {
            "no common cipher suite or signature algorithm, or a certificate is missing"
        }
        other => return format!("TLS alert {other:?}"),
    };
    text.to_owned()
}

/// The usual failures without numbers of the operating system.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::ConnectionReset => "reset by the other side".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed by the other side".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 5555))
    }

    fn from_tls(error: rustls::Error) -> String {
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        explain(remote(), Side::Dialled, None, error).to_string()
    }

    #[test]
    fn each_alert_about_a_certificate_is_a_clear_line() {
        let line = from_tls(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked));
        assert_eq!(line, "refused by 127.0.0.1:5555: our certificate is revoked (bad-node)");
        let line = from_tls(rustls::Error::AlertReceived(AlertDescription::InternalError));
        assert_eq!(line, "refused by 127.0.0.1:5555: TLS alert InternalError");
    }

    #[test]
    fn our_own_verdict_comes_first() {
        let verdict = Verdict::default();
        verdict.set(Err(VerifyError::NoReloadUri)).unwrap();
        let error = io::Error::new(io::ErrorKind::InvalidData, "whatever rustls says");
        let line = explain(remote(), Side::Accepted, Some(&verdict), error).to_string();
        assert!(
            line.starts_with("refused 127.0.0.1:5555: certificate has no reload URI"),
            "{line}"
        );
    }

    #[test]
    fn no_certificate_and_a_refused_connection_are_clear_lines() {
        let line = from_tls(rustls::Error::NoCertificatesPresented);
        assert_eq!(line, "refused 127.0.0.1:5555: it shows no certificate");
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        let line = explain(remote(), Side::Dialled, None, error).to_string();
        assert_eq!(line, "no connection with 127.0.0.1:5555: nothing listens there");
    }
}
