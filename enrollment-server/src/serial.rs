//! Two facts of a certificate that the server keeps: its serial number and its end.

use anyhow::{Context, Result};
use reload_wire::UnixTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// The serial number in lower-case hex.
pub(crate) fn number_of(der: &[u8]) -> Result<String> {
    Ok(hex::encode(read(der)?.tbs_certificate.raw_serial()))
}

/// The last moment of validity.
pub(crate) fn end_of(der: &[u8]) -> Result<UnixTime> {
    let seconds = read(der)?.validity().not_after.timestamp();
    Ok(UnixTime::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

fn read(der: &[u8]) -> Result<X509Certificate<'_>> {
    let (_, certificate) = X509Certificate::from_der(der).context("a certificate is damaged")?;
    Ok(certificate)
}
