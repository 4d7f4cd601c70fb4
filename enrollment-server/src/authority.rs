//! The certificate authority of the overlay as the server uses it: one certificate for one key,
//! Node-IDs and user name. It knows no accounts.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use reload_identity::{Issuer, Validity};
use reload_wire::{NodeId, UnixTime};

use crate::document::Document;
use crate::home::{CA_CERTIFICATE, CA_KEY, Home};
use crate::serial;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Issues certificates of the overlay.
pub(crate) struct Authority {
    issuer: Issuer,
    overlay: String,
    lifetime: Duration,
    ends: UnixTime,
}

/// A certificate that was made.
pub(crate) struct Issued {
    pub(crate) der: Bytes,
    pub(crate) serial: String,
    pub(crate) from: UnixTime,
    pub(crate) to: UnixTime,
}

impl Authority {
    /// Reads the authority of a home, which must be a root of its document.
    pub(crate) fn load(home: &Home, document: &Document, days: u32) -> Result<Self> {
        let (key, certificate) = (home.read_key(CA_KEY)?, home.read_text(CA_CERTIFICATE)?);
        let issuer = Issuer::load(&key, &certificate)
            .with_context(|| home.cannot("use the authority", CA_CERTIFICATE))?;
        let configuration = document.configuration();
        if !configuration.root_certs.contains(issuer.certificate_der()) {
            bail!("the authority of {} is no root-cert of its document", home.path().display());
        }
        Ok(Self {
            ends: serial::end_of(issuer.certificate_der())?,
            issuer,
            overlay: configuration.instance_name.clone(),
            lifetime: lifetime(days),
        })
    }

    /// Issues the certificate of a node (11.3): what stands in it is given here, nothing is taken
    /// from a request but its key. It ends with the authority at the latest.
    pub(crate) fn issue(
        &self,
        spki: &[u8],
        node_ids: &[NodeId],
        user: &str,
        now: UnixTime,
    ) -> Result<Issued> {
        let mut validity = Validity::starting(now, self.lifetime);
        validity.not_after = validity.not_after.min(self.ends);
        let der =
            self.issuer.node_certificate(spki, &self.overlay, node_ids, Some(user), validity)?;
        let serial = serial::number_of(&der)?;
        Ok(Issued { der, serial, from: validity.not_before, to: validity.not_after })
    }
}

/// A number of days.
pub(crate) fn lifetime(days: u32) -> Duration {
    Duration::from_secs(u64::from(days).saturating_mul(DAY))
}
