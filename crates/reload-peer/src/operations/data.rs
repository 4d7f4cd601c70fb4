//! Fetch, Stat and Find.

use std::collections::BTreeSet;

use reload_config::KindDefinition;
use reload_identity::VerifiedValue;
use reload_node::{Reply, Request, Response, Specifier};
use reload_wire::{MetaDataValue, ResourceId, StatKindResponse, StoredDataValue, StoredMetaData};

use super::kinds::{find_kind, specifier};
use crate::control::{
    Failure, FetchReply, FetchedEntry, FindEntry, FindReply, StatEntry, StatReply, Value, Which,
};
use crate::running::{Running, unexpected};

/// Fetches values (section 7.4.2); those that do not exist are left out.
///
/// # Errors
/// One line.
pub(crate) async fn fetch(
    node: &Running,
    name: &str,
    kind: &str,
    which: Which,
) -> Result<FetchReply, Failure> {
    let configuration = node.configuration();
    let kind = find_kind(&configuration, kind)?;
    let resource = node.resource_id(name).await?;
    let specifiers =
        vec![Specifier { kind: kind.id, generation: 0, which: specifier(kind, which)? }];
    let response = node.request(Request::Fetch { resource: resource.clone(), specifiers }).await?;
    let Reply::Fetched(kinds) = response.reply else { return Err(unexpected()) };
    let found = kinds.into_iter().find(|fetched| fetched.kind == kind.id);
    Ok(FetchReply {
        resource: resource.to_string(),
        kind: kind.id.0,
        generation: found.as_ref().map_or(0, |found| found.generation),
        from: response.from.to_string(),
        hops: response.hops,
        values: found.iter().flat_map(|found| &found.values).filter_map(fetched_entry).collect(),
        discarded: found.as_ref().map_or(0, |found| found.discarded),
    })
}

/// None for a value that does not exist.
fn fetched_entry(fetched: &VerifiedValue) -> Option<FetchedEntry> {
    let (index, key, value) = match fetched.value() {
        StoredDataValue::Single(value) => (None, None, value),
        StoredDataValue::Array { index, value } => (Some(*index), None, value),
        StoredDataValue::Dictionary { key, value } => (None, Some(Value(key.to_vec())), value),
    };
    let stored = fetched.data();
    value.exists.then(|| FetchedEntry {
        index,
        key,
        value: Value(value.value.to_vec()),
        owner: owner(fetched),
        storage_time: stored.storage_time.0,
        lifetime: stored.lifetime,
    })
}

/// The user name in the certificate of the signer, else its Node-ID.
fn owner(fetched: &VerifiedValue) -> String {
    let signer = fetched.signer();
    signer.user().map_or_else(|| signer.node_id.to_string(), str::to_owned)
}

/// Looks at values without their contents (section 7.4.3).
///
/// # Errors
/// One line.
pub(crate) async fn stat(
    node: &Running,
    name: &str,
    kind: &str,
    which: Which,
) -> Result<StatReply, Failure> {
    let configuration = node.configuration();
    let kind = find_kind(&configuration, kind)?;
    let resource = node.resource_id(name).await?;
    let (response, found) = stat_kind(node, &resource, kind, which).await?;
    let entries = found.iter().flat_map(|found| &found.values);
    let entries: Result<Vec<_>, _> = entries.map(|stored| stat_entry(node, kind, stored)).collect();
    Ok(StatReply {
        resource: resource.to_string(),
        kind: kind.id.0,
        generation: found.as_ref().map_or(0, |found| found.generation),
        from: response.from.to_string(),
        values: entries?.into_iter().flatten().collect(),
    })
}

/// The Stat answer for one kind; also what `store` and `remove` look at first.
pub(super) async fn stat_kind(
    node: &Running,
    resource: &ResourceId,
    kind: &KindDefinition,
    which: Which,
) -> Result<(Response, Option<StatKindResponse>), Failure> {
    let specifiers =
        vec![Specifier { kind: kind.id, generation: 0, which: specifier(kind, which)? }];
    let mut response =
        node.request(Request::Stat { resource: resource.clone(), specifiers }).await?;
    let Reply::Stats(answer) = &mut response.reply else { return Err(unexpected()) };
    let mut answers = std::mem::take(&mut answer.kind_responses).into_iter();
    let found = answers.find(|found| found.kind == kind.id);
    Ok((response, found))
}

/// None for a synthetic entry: nothing was ever stored there (section 7.4.2.2).
fn stat_entry(
    node: &Running,
    kind: &KindDefinition,
    stored: &StoredMetaData,
) -> Result<Option<StatEntry>, Failure> {
    let (index, key, metadata) = match decode(node, kind, stored)? {
        MetaDataValue::Single(metadata) => (None, None, metadata),
        MetaDataValue::Array { index, value } => (Some(index), None, value),
        MetaDataValue::Dictionary { key, value } => (None, Some(Value(key.to_vec())), value),
    };
    if !metadata.exists && stored.storage_time.0 == 0 {
        return Ok(None);
    }
    Ok(Some(StatEntry {
        index,
        key,
        exists: metadata.exists,
        size: metadata.value_length,
        digest: hex::encode(&metadata.hash_value),
        storage_time: stored.storage_time.0,
        lifetime: stored.lifetime,
    }))
}

pub(super) fn decode(
    node: &Running,
    kind: &KindDefinition,
    stored: &StoredMetaData,
) -> Result<MetaDataValue, Failure> {
    let dialect = node.configuration().dialect();
    MetaDataValue::decode_as(&dialect, kind.model, &stored.metadata)
        .map_err(|error| Failure::new(format!("the answer is damaged: {error}")))
}

/// Looks for the next resource with values of these kinds (section 7.4.4).
///
/// # Errors
/// One line.
pub(crate) async fn find(
    node: &Running,
    name: &str,
    kinds: &[String],
) -> Result<FindReply, Failure> {
    let configuration = node.configuration();
    let ids: Result<BTreeSet<_>, _> =
        kinds.iter().map(|kind| find_kind(&configuration, kind).map(|kind| kind.id)).collect();
    let resource = node.resource_id(name).await?;
    let request = Request::Find { resource: resource.clone(), kinds: ids?.into_iter().collect() };
    let response = node.request(request).await?;
    let Reply::Found(answer) = response.reply else { return Err(unexpected()) };
    let entry = |found: reload_wire::FindKindData| FindEntry {
        kind: found.kind.0,
        closest: closest(&found.closest),
    };
    Ok(FindReply {
        resource: resource.to_string(),
        from: response.from.to_string(),
        results: answer.results.into_iter().map(entry).collect(),
    })
}

/// Zero, of any length, means that there is none.
fn closest(id: &ResourceId) -> Option<String> {
    id.as_bytes().iter().any(|byte| *byte != 0).then(|| id.to_string())
}
