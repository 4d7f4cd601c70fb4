//! Revocation (RFC 6940 section 11.1, `bad-node`): the Node-IDs of a certificate go into the next
//! signed configuration, and its device gets new ones. There are no revocation lists.

use anyhow::{Context, Result, bail};
use reload_wire::NodeId;

use crate::accounts::Accounts;
use crate::certificates::{self, IssuedCertificate};
use crate::home::Home;
use crate::{clock, devices, document};

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The Node-IDs that are bad-nodes now.
    pub node_ids: Vec<NodeId>,
    /// The sequence of the configuration that says so.
    pub sequence: u16,
}

/// Revokes the certificates with this serial number or Node-ID (hex).
///
/// The document is written before the store: when it fails in between, the certificate is revoked
/// though not yet marked, and the same command ends it.
///
/// # Errors
/// When no certificate is meant, or the document cannot be signed or written.
pub async fn revoke(home: &Home, accounts: &Accounts, which: &str) -> Result<Revocation> {
    let node_ids = meant(&accounts.certificates(None).await?, which)?;
    let mut transaction = accounts.begin().await?;
    devices::retire(&mut transaction, &node_ids).await?;
    certificates::mark_revoked(&mut transaction, &node_ids, clock::now()).await?;
    let sequence = document::add_bad_nodes(home, &node_ids)?;
    transaction.commit().await.context("cannot mark the certificate")?;
    Ok(Revocation { node_ids, sequence })
}

/// The Node-IDs of all certificates meant.
fn meant(certificates: &[IssuedCertificate], which: &str) -> Result<Vec<NodeId>> {
    let which = which.to_ascii_lowercase();
    let is_meant = |certificate: &&IssuedCertificate| {
        certificate.serial == which
            || certificate.node_ids.iter().any(|node_id| node_id.to_string() == which)
    };
    let mut node_ids: Vec<NodeId> = Vec::new();
    for node_id in certificates.iter().filter(is_meant).flat_map(|found| &found.node_ids) {
        if !node_ids.contains(node_id) {
            node_ids.push(*node_id);
        }
    }
    if node_ids.is_empty() {
        bail!("no certificate has the serial number or Node-ID {which:?}");
    }
    Ok(node_ids)
}
