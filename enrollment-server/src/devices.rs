//! Which Node-IDs a device of a user has (RFC 6940 section 11.3, E107): random when first asked
//! for, the same ones ever after. It issues no certificates.

use anyhow::{Context, Result};
use reload_identity::random_node_id;
use reload_wire::{NodeId, NodeIdLength};
use sqlx::SqliteConnection;

/// Longest device label (bytes).
const MAX_LABEL: usize = 128;

/// How many Node-IDs and devices an account may have.
#[derive(Clone, Copy, Debug)]
pub struct NodeIdLimits {
    /// Most Node-IDs of one device.
    pub per_device: u32,
    /// Most devices of one account.
    pub devices: u32,
}

impl Default for NodeIdLimits {
    /// 16 Node-IDs a device and 16 devices an account.
    fn default() -> Self {
        Self { per_device: 16, devices: 16 }
    }
}

/// Why no Node-IDs were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeIdRefusal {
    /// None or too many asked for.
    Number,
    /// The account has as many devices as it may have.
    Devices,
    /// The label is too long.
    Label,
}

/// The first `count` Node-IDs of a device; those it does not have yet are made and kept.
pub(crate) async fn node_ids(
    connection: &mut SqliteConnection,
    account: i64,
    label: &str,
    count: u32,
    length: NodeIdLength,
    limits: NodeIdLimits,
) -> Result<Result<Vec<NodeId>, NodeIdRefusal>> {
    if count == 0 || count > limits.per_device {
        return Ok(Err(NodeIdRefusal::Number));
    }
    if label.len() > MAX_LABEL {
        return Ok(Err(NodeIdRefusal::Label));
    }
    let Some(device) = device(connection, account, label, limits).await? else {
        return Ok(Err(NodeIdRefusal::Devices));
    };
    let mut node_ids = kept(connection, device, count).await?;
    let mut position = next_position(connection, device).await?;
    while u32::try_from(node_ids.len()).is_ok_and(|number| number < count) {
        let node_id = random_node_id(length)?;
        sqlx::query("INSERT INTO node_ids (node_id, device, position) VALUES (?, ?, ?)")
            .bind(node_id.to_string())
            .bind(device)
            .bind(position)
            .execute(&mut *connection)
            .await
            .context("cannot keep a Node-ID")?;
        node_ids.push(node_id);
        position = position.saturating_add(1);
    }
    Ok(Ok(node_ids))
}

/// The row of a device, made when there is room for one more.
async fn device(
    connection: &mut SqliteConnection,
    account: i64,
    label: &str,
    limits: NodeIdLimits,
) -> Result<Option<i64>> {
    let row: Option<i64> =
        sqlx::query_scalar("SELECT id FROM devices WHERE account = ? AND label = ?")
            .bind(account)
            .bind(label)
            .fetch_optional(&mut *connection)
            .await
            .context("cannot read the devices")?;
    if row.is_some() {
        return Ok(row);
    }
    let devices: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM devices WHERE account = ?")
        .bind(account)
        .fetch_one(&mut *connection)
        .await
        .context("cannot read the devices")?;
    if devices >= i64::from(limits.devices) {
        return Ok(None);
    }
    sqlx::query_scalar("INSERT INTO devices (account, label) VALUES (?, ?) RETURNING id")
        .bind(account)
        .bind(label)
        .fetch_one(connection)
        .await
        .map(Some)
        .context("cannot keep a device")
}

async fn kept(connection: &mut SqliteConnection, device: i64, count: u32) -> Result<Vec<NodeId>> {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT node_id FROM node_ids WHERE device = ? AND revoked = 0 ORDER BY position LIMIT ?",
    )
    .bind(device)
    .bind(count)
    .fetch_all(connection)
    .await
    .context("cannot read the Node-IDs")?;
    rows.iter().map(|row| parse(row)).collect()
}

async fn next_position(connection: &mut SqliteConnection, device: i64) -> Result<i64> {
    sqlx::query_scalar("SELECT COALESCE(MAX(position) + 1, 0) FROM node_ids WHERE device = ?")
        .bind(device)
        .fetch_one(connection)
        .await
        .context("cannot read the Node-IDs")
}

/// Takes Node-IDs out of use for good: their device gets new ones next time.
pub(crate) async fn retire(connection: &mut SqliteConnection, node_ids: &[NodeId]) -> Result<()> {
    for node_id in node_ids {
        sqlx::query("UPDATE node_ids SET revoked = 1 WHERE node_id = ?")
            .bind(node_id.to_string())
            .execute(&mut *connection)
            .await
            .context("cannot retire a Node-ID")?;
    }
    Ok(())
}

/// A Node-ID as it stands in the store.
pub(crate) fn parse(text: &str) -> Result<NodeId> {
    text.parse().ok().with_context(|| format!("the account store holds a bad Node-ID {text:?}"))
}
