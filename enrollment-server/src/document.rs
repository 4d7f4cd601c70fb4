//! The signed configuration document of the home (RFC 6940 section 11.1): read, checked, changed,
//! signed with the next sequence number. Every change goes through `change`, under a lock.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use reload_config::{Configuration, ConfigurationBuilder, MAX_SEQUENCE, OverlayDocument};
use reload_wire::NodeId;
use tracing::info;

use crate::accounts::Accounts;
use crate::clock;
use crate::home::{DOCUMENT, Home};
use crate::init::{DOCUMENT_DAYS, URL_GIVEN, expiration, settings_from, url_of};
use crate::signer::{Signer, check_signature};

/// A document is signed anew when it has less than this to live.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// The document of a home, its signature checked.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    document: OverlayDocument,
}

impl Document {
    /// Reads and checks the document. Its time is not checked, so that it can be renewed.
    pub(crate) fn load(home: &Home) -> Result<Self> {
        let bytes = home.read(DOCUMENT)?;
        let read = OverlayDocument::parse(&bytes).map_err(anyhow::Error::from);
        let checked = read.and_then(|document| {
            check_signature(&document)?;
            Ok(Self { document })
        });
        checked.with_context(|| home.cannot("use", DOCUMENT))
    }

    /// The configuration; a home has one.
    pub(crate) fn configuration(&self) -> &Configuration {
        &self.document.configurations()[0]
    }

    /// Bytes of the document.
    pub(crate) fn size(&self) -> usize {
        self.document.bytes().len()
    }

    /// Refuses a document that has expired.
    pub(crate) fn check_time(&self) -> Result<()> {
        self.configuration()
            .check_expiration(clock::now())
            .context("sign the configuration anew with `reload-enroll config publish`")
    }
}

/// Changes the settings of the document, and signs and writes it with the next sequence number,
/// valid for `days`. When `change` says there is nothing to do, the old one stays.
fn change(
    home: &Home,
    days: u32,
    change: impl FnOnce(&mut ConfigurationBuilder) -> Result<bool>,
) -> Result<u16> {
    let _lock = home.lock_document()?;
    let old = Document::load(home)?;
    let old = old.configuration();
    let mut settings = ConfigurationBuilder::from_configuration(old)?;
    if !change(&mut settings)? {
        return Ok(old.sequence);
    }
    let sequence = next_sequence(old.sequence);
    settings.sequence = sequence;
    settings.expiration = Some(expiration(clock::now(), days));
    let signed = Signer::load(home, &settings)?.sign(settings)?;
    check_signature(&signed).context("the configuration made is not valid")?;
    home.write(DOCUMENT, signed.bytes())?;
    info!(sequence, "configuration signed");
    Ok(sequence)
}

/// The sequence numbers run to 65534 and then from 0 again (6.3.2.1, E45).
fn next_sequence(sequence: u16) -> u16 {
    if sequence >= MAX_SEQUENCE { 0 } else { sequence.saturating_add(1) }
}

/// What a new configuration is to have.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// An unsigned overlay document to take every other element from.
    pub from: Option<Vec<u8>>,
    /// Bootstrap nodes to add.
    pub bootstrap: Vec<SocketAddr>,
    /// How long it is valid, in days.
    pub days: u32,
}

impl Default for PublishOptions {
    /// No change but the sequence and the time.
    fn default() -> Self {
        Self { from: None, bootstrap: Vec::new(), days: DOCUMENT_DAYS }
    }
}

/// Signs the configuration anew with the next sequence number, which is returned. A running server
/// serves it at once.
///
/// # Errors
/// When the document given is not usable, no ConfigUpdate could carry it, or it cannot be written.
pub fn publish(home: &Home, options: PublishOptions) -> Result<u16> {
    change(home, options.days, |settings| {
        if let Some(from) = options.from {
            let mut new = settings_from(&from, &settings.instance_name)?;
            keep_ours(settings, &mut new);
            *settings = new;
        }
        add(&mut settings.bootstrap_nodes, &options.bootstrap);
        Ok(true)
    })
}

/// What a document from elsewhere must not take away: the roots, the signer, what is revoked, and
/// the enrollment servers when it names none.
fn keep_ours(old: &ConfigurationBuilder, new: &mut ConfigurationBuilder) {
    add(&mut new.root_certs, &old.root_certs);
    new.configuration_signers.clone_from(&old.configuration_signers);
    new.kind_signers.clone_from(&old.kind_signers);
    add(&mut new.bad_nodes, &old.bad_nodes);
    if new.enrollment_servers.is_empty() {
        new.enrollment_servers.clone_from(&old.enrollment_servers);
    }
}

/// Makes Node-IDs bad-nodes (11.1); those that are already are not listed twice.
pub(crate) fn add_bad_nodes(home: &Home, node_ids: &[NodeId]) -> Result<u16> {
    change(home, DOCUMENT_DAYS, |settings| Ok(add(&mut settings.bad_nodes, node_ids)))
}

/// Adds what is not there yet; whether anything was.
pub(crate) fn add<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) -> bool {
    let before = list.len();
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
    list.len() > before
}

/// Makes the document name the bound address, unless the operator gave the URL.
pub(crate) async fn name_address(
    home: &Home,
    accounts: &Accounts,
    address: SocketAddr,
) -> Result<()> {
    if accounts.setting(URL_GIVEN).await?.as_deref() == Some("yes") {
        return Ok(());
    }
    change(home, DOCUMENT_DAYS, |settings| {
        let url = url_of(address, &settings.instance_name);
        let missing = !settings.enrollment_servers.contains(&url);
        settings.enrollment_servers = vec![url]; // no other is ours any more
        Ok(missing)
    })?;
    Ok(())
}

/// Signs the document anew when it is about to expire.
pub(crate) fn renew_if_due(home: &Home) -> Result<()> {
    let soon = clock::now().saturating_add(RENEW_BEFORE);
    change(home, DOCUMENT_DAYS, |settings| Ok(settings.expiration.is_some_and(|end| end < soon)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_65534_comes_0() {
        assert_eq!(next_sequence(1), 2);
        assert_eq!(next_sequence(65_533), 65_534);
        assert_eq!(next_sequence(65_534), 0);
    }
}
