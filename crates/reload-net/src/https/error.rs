//! Why an exchange over HTTPS gave no answer: one line each, with the URL.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpsError {
    /// Not a URL with scheme and host.
    #[error("{url} is no https URL")]
    BadUrl {
        /// As given.
        url: String,
    },
    /// Another scheme than https.
    #[error("{url}: only https is used")]
    NotHttps {
        /// As given.
        url: String,
    },
    /// The file of `--ca` has nothing to trust.
    #[error("the CA file holds no certificate in PEM")]
    NoCertificate,
    /// A certificate in the file of `--ca` cannot be used.
    #[error("a certificate in the CA file can't be used: {0}")]
    BadCa(#[source] rustls::Error),
    /// The system has no roots of trust and no file was given.
    #[error("the system has no certificate authorities; give --ca")]
    NoSystemRoots,
    /// TLS cannot be set up.
    #[error("TLS can't be set up: {0}")]
    Setup(#[source] rustls::Error),
    /// No connection.
    #[error("{url}: {reason}")]
    Connect {
        /// As given.
        url: String,
        /// In words.
        reason: String,
    },
    /// The server is not the one wanted, or TLS failed otherwise.
    #[error("{url}: {reason}")]
    Tls {
        /// As given.
        url: String,
        /// In words.
        reason: String,
    },
    /// HTTP failed.
    #[error("{url}: broken exchange: {reason}")]
    Http {
        /// As given.
        url: String,
        /// In words.
        reason: String,
    },
    /// The answer is too large.
    #[error("{url}: the answer has more than {limit} bytes")]
    TooLarge {
        /// As given.
        url: String,
        /// In bytes.
        limit: usize,
    },
    /// The server sends elsewhere.
    #[error("{url}: the server answers with a redirect ({status}), which is not followed")]
    Redirect {
        /// As given.
        url: String,
        /// 3xx.
        status: u16,
    },
    /// It took too long.
    #[error("{url}: no answer within {} s", .time.as_secs_f32())]
    Timeout {
        /// As given.
        url: String,
        /// The limit.
        time: Duration,
    },
}

impl HttpsError {
    pub(super) fn connect(url: &str, error: io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
            _ => format!("no connection: {error}"),
        };
        Self::Connect { url: url.to_owned(), reason }
    }

    pub(super) fn tls(url: &str, error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let reason = match inner {
            Some(rustls::Error::InvalidCertificate(reason)) => certificate_text(reason),
            Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
            Some(other) => format!("no TLS: {other}"),
            None => format!("no TLS: {error}"),
        };
        Self::Tls { url: url.to_owned(), reason }
    }

    pub(super) fn http(url: &str, error: hyper::Error) -> Self {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self::Http { url: url.to_owned(), reason }
    }

    pub(super) fn body(
        url: &str,
        limit: usize,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Self {
        if error.is::<http_body_util::LengthLimitError>() {
            return Self::TooLarge { url: url.to_owned(), limit };
        }
        Self::Http { url: url.to_owned(), reason: error.to_string() }
    }
}

/// What is wrong with the certificate of the server.
fn certificate_text(reason: &CertificateError) -> String {
    match reason {
        // Another CA of the same name shows by its signature only.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the certificate of the server is not issued by a trusted CA (--ca)".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate of the server has expired (or the clock of this machine is wrong)"
                .to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate of the server is not valid yet (or the clock of this machine is wrong)"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate of the server names neither its host nor the overlay".to_owned()
        }
        other => format!("the certificate of the server is not accepted: {other}"),
    }
}
