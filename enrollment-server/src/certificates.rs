//! The certificates issued, in `accounts.db`: what was given to whom and until when, and which are
//! revoked. It neither issues nor revokes by itself: the configuration does (`bad-node`).

use anyhow::{Context, Result};
use reload_wire::{NodeId, UnixTime};
use sqlx::SqliteConnection;

use crate::accounts::Accounts;
use crate::{clock, devices};

/// One certificate as `cert list` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Its serial number, hex.
    pub serial: String,
    /// The account it was issued to.
    pub user: String,
    /// The device, empty for the default one.
    pub device: String,
    /// Its Node-IDs in order.
    pub node_ids: Vec<NodeId>,
    /// When it was issued.
    pub issued: UnixTime,
    /// When it ends by itself.
    pub expires: UnixTime,
    /// When it was revoked, if it was.
    pub revoked: Option<UnixTime>,
}

/// What is kept of a certificate when it is issued.
pub(crate) struct Issue<'a> {
    pub(crate) account: i64,
    pub(crate) device: &'a str,
    pub(crate) node_ids: &'a [NodeId],
    pub(crate) serial: &'a str,
    pub(crate) issued: UnixTime,
    pub(crate) expires: UnixTime,
    pub(crate) der: &'a [u8],
}

/// Keeps a certificate before it is handed out.
pub(crate) async fn keep(connection: &mut SqliteConnection, issue: &Issue<'_>) -> Result<()> {
    let node_ids: Vec<String> = issue.node_ids.iter().map(ToString::to_string).collect();
    sqlx::query(
        "INSERT INTO certificates (serial, account, device, node_ids, issued, expires, certificate) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(issue.serial)
    .bind(issue.account)
    .bind(issue.device)
    .bind(node_ids.join(" "))
    .bind(clock::to_column(issue.issued))
    .bind(clock::to_column(issue.expires))
    .bind(issue.der)
    .execute(connection)
    .await
    .context("cannot keep the certificate")?;
    Ok(())
}

/// Marks every certificate that holds one of the Node-IDs: a listed Node-ID voids it whole (E24).
pub(crate) async fn mark_revoked(
    connection: &mut SqliteConnection,
    node_ids: &[NodeId],
    now: UnixTime,
) -> Result<()> {
    for node_id in node_ids {
        sqlx::query(
            "UPDATE certificates SET revoked = ? \
             WHERE revoked IS NULL AND instr(' ' || node_ids || ' ', ' ' || ? || ' ') > 0",
        )
        .bind(clock::to_column(now))
        .bind(node_id.to_string())
        .execute(&mut *connection)
        .await
        .context("cannot mark the certificate")?;
    }
    Ok(())
}

type Row = (String, String, String, String, i64, i64, Option<i64>);

impl Accounts {
    /// All certificates issued, the oldest first, or those of one account.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn certificates(&self, user: Option<&str>) -> Result<Vec<IssuedCertificate>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT serial, accounts.name, device, node_ids, issued, expires, revoked \
             FROM certificates JOIN accounts ON accounts.id = account \
             WHERE ?1 IS NULL OR accounts.name = ?1 ORDER BY issued, serial",
        )
        .bind(user)
        .fetch_all(&self.pool)
        .await
        .context("cannot read the certificates")?;
        rows.into_iter().map(certificate).collect()
    }
}

fn certificate(row: Row) -> Result<IssuedCertificate> {
    let (serial, user, device, node_ids, issued, expires, revoked) = row;
    let node_ids = node_ids.split(' ').map(devices::parse).collect::<Result<_>>()?;
    Ok(IssuedCertificate {
        serial,
        user,
        device,
        node_ids,
        issued: clock::from_column(issued),
        expires: clock::from_column(expires),
        revoked: revoked.map(clock::from_column),
    })
}
