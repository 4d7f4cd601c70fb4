//! Copies of stored values for other peers: hand-over to a joining peer and new replicas (sections
//! 10.5 and 10.7.3).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use reload_storage::{CopyBatch, CopyCursor, Store};
use reload_topology::{Failure, Input, Range, TaskAnswer, TaskId, Topology};
use reload_wire::{Destination, ErrorCode, MessageCode, NodeId, Now, ResourceId};

use crate::Node;
use crate::originate::Ending;
use crate::timer::Timer;
use crate::transactions::{Content, Purpose};

/// Batches of one copy that are under way at a time.
const WINDOW: usize = 8;

/// Batches that are sent again after a failure, before the copy counts as failed.
const RETRIES: usize = 16;

/// The pause before a refused batch is sent again.
const PAUSE: Duration = Duration::from_millis(300);

/// Who hears how a copy ended.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// The plug-in, for its task.
    By(TaskId),
    /// What is copied is dropped here afterwards.
    Dropping,
    /// Nobody.
    Anyway,
}

/// One copy under way.
#[derive(Debug)]
struct Copy {
    wanted: Wanted,
    to: NodeId,
    /// What is being read now.
    cursor: Option<CopyCursor>,
    /// Single resources that follow.
    queue: VecDeque<ResourceId>,
    under_way: usize,
    retries: usize,
    /// Resources to be copied again after a pause.
    again: Vec<ResourceId>,
    failure: Option<Failure>,
}

/// All copies under way, one for each task of the plug-in or Update of a neighbour.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    open: BTreeMap<u64, Copy>,
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Copies a range to a peer; the task ends when all is answered.
    pub(crate) fn start_copy(&mut self, now: Now, task: TaskId, to: NodeId, range: &Range) {
        let cursor = self.cursor_of(range);
        self.begin_copy(now, Wanted::By(task), to, Some(cursor), VecDeque::new());
    }

    /// Copies some resources to a peer.
    pub(crate) fn copy_resources(&mut self, now: Now, to: NodeId, queue: VecDeque<ResourceId>) {
        self.begin_copy(now, Wanted::Anyway, to, None, queue);
    }

    /// Copies resources that are to be dropped here; [`Self::on_offered`] hears how that went.
    pub(crate) fn offer_last(&mut self, now: Now, to: NodeId, queue: VecDeque<ResourceId>) {
        self.begin_copy(now, Wanted::Dropping, to, None, queue);
    }

    /// Copies one resource to a peer.
    pub(crate) fn copy_resource(&mut self, now: Now, to: NodeId, resource: &ResourceId) {
        self.copy_resources(now, to, VecDeque::from([resource.clone()]));
    }

    fn begin_copy(
        &mut self,
        now: Now,
        wanted: Wanted,
        to: NodeId,
        cursor: Option<CopyCursor>,
        queue: VecDeque<ResourceId>,
    ) {
        let (again, failure) = (Vec::new(), None);
        let copy = Copy { wanted, to, cursor, queue, under_way: 0, retries: 0, again, failure };
        let number = self.number();
        self.copies.open.insert(number, copy);
        self.continue_copy(now, number);
    }

    /// Replicas and hand-overs alike carry 1: storage only tells 0 from the rest (10.4, E72).
    fn cursor_of(&self, range: &Range) -> CopyCursor {
        self.storage.copy_range(range, 1, self.copy_room())
    }

    /// A copy came for a resource of a predecessor, and not from that predecessor: where two parts of
    /// an overlay grow together, the sender did not know the peer that is responsible now. It gets
    /// the values from here, over the farthest predecessor if it is farther still (6.4.2.3).
    pub(crate) fn pass_on(&mut self, now: Now, sender: NodeId, resource: &ResourceId) {
        let next = self.way_back(&self.owned_before(), resource);
        if let Some(next) = next.filter(|next| *next != sender) {
            self.copy_resource(now, next, resource);
        }
    }

    /// The predecessor that is responsible for a resource, or the farthest one if that is farther
    /// still; none if this peer is, or is about to become, responsible.
    pub(crate) fn way_back(
        &self,
        owners: &[(NodeId, Range)],
        resource: &ResourceId,
    ) -> Option<NodeId> {
        if self.is_behind_me(resource) {
            return None;
        }
        let owner = owners.iter().find(|(_, range)| range.contains(resource));
        let farthest = || self.topology.view().predecessors.last().copied();
        owner.map(|(owner, _)| *owner).or_else(farthest)
    }

    /// Whether no predecessor lies between a resource and this peer: it is, or is about to become,
    /// responsible.
    fn is_behind_me(&self, resource: &ResourceId) -> bool {
        let nearest = self.topology.view().predecessors.first().copied();
        let Some(after) = nearest.and_then(|node| ResourceId::new(node.as_bytes()).ok()) else {
            return true;
        };
        let through = ResourceId::new(self.node_id.as_bytes());
        through.is_ok_and(|through| Range { after, through }.contains(resource))
    }

    /// Offers the values of which this peer holds copies to the peers responsible for them, as far as
    /// they are predecessors: for a peer that has read values back from its disk. Who has something
    /// newer refuses, and what it has comes here (section 7.4.1.1).
    pub fn offer_replicas(&mut self, now: Now) {
        for (owner, range) in self.owned_before() {
            let cursor = self.cursor_of(&range);
            self.begin_copy(now, Wanted::Anyway, owner, Some(cursor), VecDeque::new());
        }
    }

    /// The predecessors whose ranges are known, and these, nearest first.
    pub(crate) fn owned_before(&self) -> Vec<(NodeId, Range)> {
        let view = self.topology.view();
        let mut around = view.predecessors;
        // Where the last one's range starts is not known, unless the ring is closed.
        if around.last().is_some_and(|last| view.successors.first() == Some(last)) {
            around.push(self.node_id);
        }
        let range = |pair: &[NodeId]| {
            let (owner, before) = (pair.first()?, pair.get(1)?);
            let after = ResourceId::new(before.as_bytes()).ok()?;
            let through = ResourceId::new(owner.as_bytes()).ok()?;
            Some((*owner, Range { after, through }))
        };
        around.windows(2).filter_map(range).collect()
    }

    /// Sends the next batches, up to the window; ends the copy when nothing is left.
    fn continue_copy(&mut self, now: Now, number: u64) {
        while let Some(batch) = self.next_batch(now, number) {
            self.send_batch(now, number, batch);
        }
        let Some(copy) = self.copies.open.get(&number) else {
            return;
        };
        let idle = copy.under_way == 0 && copy.again.is_empty();
        let exhausted = copy.cursor.is_none() && copy.queue.is_empty();
        if idle && (exhausted || copy.failure.is_some()) {
            self.end_copy(now, number);
        }
    }

    fn next_batch(&mut self, now: Now, number: u64) -> Option<CopyBatch> {
        loop {
            let copy = self.copies.open.get_mut(&number)?;
            if copy.failure.is_some() || copy.under_way >= WINDOW {
                return None;
            }
            let batch = copy.cursor.as_mut().and_then(|cursor| cursor.next(&self.storage, now));
            if batch.is_some() {
                return batch;
            }
            copy.cursor = None;
            let range = range_of(&copy.queue.pop_front()?);
            let cursor = range.map(|range| self.cursor_of(&range));
            self.copies.open.get_mut(&number)?.cursor = cursor;
        }
    }

    /// The pause is over: refused resources are sent again.
    pub(crate) fn on_copy_timer(&mut self, now: Now, number: u64) {
        if let Some(copy) = self.copies.open.get_mut(&number) {
            copy.queue.extend(copy.again.drain(..));
            self.continue_copy(now, number);
        }
    }

    fn send_batch(&mut self, now: Now, number: u64, batch: CopyBatch) {
        let Some(copy) = self.copies.open.get_mut(&number) else {
            return;
        };
        copy.under_way += 1;
        let node = copy.to;
        let purpose = Purpose::Copy { copy: number, node, resource: batch.resource };
        let content = Content::Ready { body: batch.body, certificates: batch.certificates };
        let to = vec![Destination::Node(node)];
        self.originate(now, MessageCode::STORE_REQUEST, to, content, purpose, None);
    }

    /// A batch was answered, or not.
    pub(crate) fn finish_copy(
        &mut self,
        now: Now,
        number: u64,
        node: NodeId,
        resource: ResourceId,
        ending: Ending,
    ) {
        let outcome = match ending {
            Ending::Answered(_) => Ok(()),
            Ending::Failed(_) => Err(Failure::Timeout),
            Ending::Refused { code, .. } if is_newer_there(code) => {
                // goes on when the newer values are here
                if self.on_copy_refused(now, node, &resource, code, Some(number)) {
                    return;
                }
                Ok(())
            }
            Ending::Refused { code: ErrorCode::FORBIDDEN, .. } => {
                return self.retry_later(now, number, resource);
            }
            Ending::Refused { code, .. } => Err(Failure::Refused(code)),
        };
        self.batch_done(now, number, outcome);
    }

    pub(crate) fn batch_done(&mut self, now: Now, number: u64, outcome: Result<(), Failure>) {
        let Some(copy) = self.copies.open.get_mut(&number) else {
            return;
        };
        copy.under_way = copy.under_way.saturating_sub(1);
        if let Err(failure) = outcome {
            copy.failure = Some(failure);
        }
        self.continue_copy(now, number);
    }

    /// The other peer does not know its place yet: it gets the resource again after a pause.
    pub(crate) fn retry_later(&mut self, now: Now, number: u64, resource: ResourceId) {
        let Some(copy) = self.copies.open.get_mut(&number) else {
            return;
        };
        copy.retries += 1;
        if copy.retries > RETRIES {
            let forbidden = Failure::Refused(ErrorCode::FORBIDDEN);
            return self.batch_done(now, number, Err(forbidden));
        }
        copy.under_way = copy.under_way.saturating_sub(1);
        copy.again.push(resource);
        self.timers.set_once(Timer::Copy(number), now.mono + PAUSE);
    }

    fn end_copy(&mut self, now: Now, number: u64) {
        self.timers.cancel(Timer::Copy(number));
        let Some(copy) = self.copies.open.remove(&number) else {
            return;
        };
        match copy.wanted {
            Wanted::By(task) => {
                let result = copy.failure.map_or(Ok(TaskAnswer::Copied), Err);
                self.topology.handle_input(now, Input::Done { task, result });
            }
            Wanted::Dropping => self.on_offered(now, copy.failure.is_none()),
            Wanted::Anyway => {}
        }
    }
}

/// Whether an error means that the other has newer values (section 7.4.1.1).
fn is_newer_there(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DATA_TOO_OLD | ErrorCode::GENERATION_COUNTER_TOO_LOW)
}

/// The range that holds one resource only: from the identifier right before it.
fn range_of(resource: &ResourceId) -> Option<Range> {
    let mut before = resource.as_bytes().to_vec();
    for byte in before.iter_mut().rev() {
        *byte = byte.wrapping_sub(1);
        if *byte != u8::MAX {
            break;
        }
    }
    let after = ResourceId::new(&before).ok()?;
    Some(Range { after, through: resource.clone() })
}
