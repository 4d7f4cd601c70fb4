//! Store and remove (section 7.4.1).

use bytes::Bytes;
use reload_config::KindDefinition;
use reload_net::RequestFailure;
use reload_node::{NewValue, Reply, Request, RequestError, Response};
use reload_wire::{DataValue, ErrorCode, ResourceId, UnixTime};

use super::data::{decode, stat_kind};
use super::kinds::{find_kind, place, title, who_may_write};
use crate::control::{Failure, Place, Progress, StoreReply, Value, Which};
use crate::running::{Running, failure, unexpected};

/// Another writer, or a clock that runs ahead, can be met again between look and store.
const TRIES: usize = 4;

/// A removed value outlives the removed one by this many seconds, so that no old copy comes back.
const REMOVAL_MARGIN: u32 = 60;

/// What to store.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "as in the question of the control protocol")]
pub(crate) struct StoreOrder {
    pub name: String,
    pub kind: String,
    pub place: Place,
    pub value: Value,
    pub lifetime: u32,
    pub generation: u64,
}

/// Stores one value. If a later one is there (a clock was ahead), it is stored with the stored time
/// plus one (section 7).
///
/// # Errors
/// One line.
pub(crate) async fn store(
    node: &Running,
    order: StoreOrder,
    progress: &Progress,
) -> Result<StoreReply, Failure> {
    let configuration = node.configuration();
    let kind = find_kind(&configuration, &order.kind)?;
    if order.lifetime == 0 {
        return Err(Failure::new("a lifetime of 0 s would end at once; use `reload remove`"));
    }
    let value = NewValue {
        kind: kind.id,
        generation: order.generation,
        place: place(kind, order.place.clone())?,
        value: DataValue { exists: true, value: Bytes::from(order.value.0) },
        lifetime: order.lifetime,
        storage_time: None,
    };
    let resource = node.resource_id(&order.name).await?;
    Attempt { node, kind, resource, place: order.place }.run(value, progress).await
}

/// Puts a value that does not exist in the place of one that does (section 7.4.1.3).
///
/// # Errors
/// One line; also if nothing is there.
pub(crate) async fn remove(
    node: &Running,
    name: &str,
    kind: &str,
    at: Place,
    progress: &Progress,
) -> Result<StoreReply, Failure> {
    let configuration = node.configuration();
    let kind = find_kind(&configuration, kind)?;
    if at == Place::Append {
        return Err(Failure::new("name the value to remove by its index"));
    }
    let place_of_node = place(kind, at.clone())?;
    let resource = node.resource_id(name).await?;
    let attempt = Attempt { node, kind, resource, place: at };
    let there = attempt.look().await?.filter(|there| there.exists);
    let there = there.ok_or_else(|| {
        Failure::new(format!("nothing is stored at {name} of kind {}", title(kind)))
    })?;
    let value = NewValue {
        kind: kind.id,
        generation: 0,
        place: place_of_node,
        value: DataValue { exists: false, value: Bytes::new() },
        lifetime: there.lifetime.saturating_add(REMOVAL_MARGIN),
        storage_time: later(&there, None),
    };
    attempt.run(value, progress).await
}

struct Attempt<'a> {
    node: &'a Running,
    kind: &'a KindDefinition,
    resource: ResourceId,
    place: Place,
}

/// What is known of the value in a place.
struct There {
    exists: bool,
    storage_time: UnixTime,
    lifetime: u32,
}

impl Attempt<'_> {
    async fn run(&self, mut value: NewValue, progress: &Progress) -> Result<StoreReply, Failure> {
        for attempt in 1.. {
            let (resource, values) = (self.resource.clone(), vec![value.clone()]);
            let request = Request::Store { resource, values };
            match self.node.try_request(request).await {
                Ok(response) => return self.reply(response, value.storage_time),
                Err(error) if attempt < TRIES && is_too_old(&error) => {
                    progress.say("a later value is there: storing with its time plus one");
                    let there = self.look().await?;
                    let Some(there) = there else { return Err(failure(&error)) };
                    value.storage_time = later(&there, value.storage_time);
                }
                Err(error) => return Err(self.explain(&error)),
            }
        }
        Err(unexpected())
    }

    /// Stat of the place.
    async fn look(&self) -> Result<Option<There>, Failure> {
        let which = match &self.place {
            Place::Index(index) => Which::Indices(vec![(*index, *index)]),
            Place::Key(key) => Which::Keys(vec![key.clone()]),
            Place::Append | Place::Unsaid => Which::All,
        };
        let (_, found) = stat_kind(self.node, &self.resource, self.kind, which).await?;
        let values = found.map(|found| found.values).unwrap_or_default();
        let mut latest: Option<There> = None;
        for stored in values {
            let exists = decode(self.node, self.kind, &stored)?.meta().exists;
            let there =
                There { exists, storage_time: stored.storage_time, lifetime: stored.lifetime };
            if latest.as_ref().is_none_or(|latest| latest.storage_time < there.storage_time) {
                latest = Some(there);
            }
        }
        Ok(latest)
    }

    fn reply(&self, response: Response, time: Option<UnixTime>) -> Result<StoreReply, Failure> {
        let Reply::Stored(answer) = response.reply else { return Err(unexpected()) };
        let kind = answer.kind_responses.into_iter().find(|stored| stored.kind == self.kind.id);
        let stored = kind.ok_or_else(unexpected)?;
        Ok(StoreReply {
            resource: self.resource.to_string(),
            kind: self.kind.id.0,
            generation: stored.generation_counter,
            responsible: response.from.to_string(),
            replicas: stored.replicas.iter().map(ToString::to_string).collect(),
            hops: response.hops,
            storage_time: time.map(UnixTime::as_millis),
        })
    }

    /// The refusal, and who may write here if that was the reason.
    fn explain(&self, error: &RequestFailure) -> Failure {
        let mut failure = failure(error);
        if failure.code == Some(ErrorCode::FORBIDDEN.0) {
            let node_id = self.node.node_id().to_string();
            let rule = who_may_write(self.kind, self.node.user(), &node_id);
            failure.message = format!("{}; {rule}", failure.message);
        }
        failure
    }
}

fn is_too_old(error: &RequestFailure) -> bool {
    let RequestFailure::Failed(RequestError::Refused { code, .. }) = error else { return false };
    *code == ErrorCode::DATA_TOO_OLD
}

/// A time later than the stored one, and than one that was too old. None if now will do.
fn later(there: &There, tried: Option<UnixTime>) -> Option<UnixTime> {
    let now = crate::units::now().wall;
    let after = UnixTime(there.storage_time.0.saturating_add(1));
    let after = tried.map_or(after, |tried| after.max(UnixTime(tried.0.saturating_add(1))));
    (after > now).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::now;

    fn there(storage_time: u64) -> There {
        There { exists: true, storage_time: UnixTime(storage_time), lifetime: 60 }
    }

    #[test]
    fn a_value_from_the_future_is_beaten_by_its_time_plus_one() {
        let future = now().wall.0 + 86_400_000;
        assert_eq!(later(&there(future), None), Some(UnixTime(future + 1)));
        assert_eq!(later(&there(5), None), None, "the clock will do");
    }

    #[test]
    fn a_second_try_is_later_than_the_first() {
        let future = now().wall.0 + 86_400_000;
        let tried = Some(UnixTime(future + 7));
        assert_eq!(later(&there(future), tried), Some(UnixTime(future + 8)));
    }
}
