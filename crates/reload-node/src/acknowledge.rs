//! Store at the responsible peer and at replicas (sections 7.4.1 and 10.4).
//!
//! The replica Stores go out first; the answer follows when every replica has answered, or after
//! half a second: a value that was acknowledged is not lost with one peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use reload_identity::{Checked, ValuesError};
use reload_storage::{Place, Refusal, Store, Stored};
use reload_topology::{Topology, TopologyRequest};
use reload_wire::{Destination, ErrorCode, MessageCode, NodeId, Now, ResourceId, StoreAns};

use crate::Node;
use crate::deliver::Caller;
use crate::node::largest_message;
use crate::originate::Ending;
use crate::timer::Timer;
use crate::transactions::{Content, Purpose};

/// How long the answer to a Store waits for its replicas.
const PATIENCE: Duration = Duration::from_millis(500);

/// What header, message contents and security block take of a message besides body and the
/// certificates of values: lists, two signatures of an RSA key, our own certificate chain.
const OVERHEAD: usize = 3072;

/// Resources remembered for a neighbour that refused its replica.
const REMEMBERED: usize = 4096;

/// A Store that is done here and not answered yet.
#[derive(Debug)]
struct Waiting {
    caller: Caller,
    answer: StoreAns,
    replicas: usize,
}

/// The Stores that wait for their replicas.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    waiting: BTreeMap<u64, Waiting>,
    /// Replicas that were refused as forbidden: the neighbour did not know its place yet. They are
    /// repeated after its next Update.
    refused: BTreeMap<NodeId, BTreeSet<ResourceId>>,
}

impl Acknowledgements {
    /// A node is gone: nothing is repeated there.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        self.refused.remove(node);
    }
}

/// The topology as storage sees it.
pub(crate) struct PlaceOf<'a, T>(pub(crate) &'a T);

impl<T: Topology> Place for PlaceOf<'_, T> {
    fn resource_id(&self, name: &[u8]) -> ResourceId {
        self.0.resource_id(name)
    }

    fn is_responsible(&self, id: &ResourceId) -> bool {
        self.0.is_responsible(id)
    }

    fn admits_replica(&self, id: &ResourceId, sender: &NodeId) -> bool {
        self.0.admits_replica(id, sender)
    }
}

impl<T: Topology, S: Store> Node<T, S> {
    /// Somebody stores (section 7.4.1).
    pub(crate) fn on_store(&mut self, now: Now, caller: Caller, checked: Checked) {
        let request = match checked.store {
            Some(Ok(request)) => request,
            Some(Err(error)) => return self.refuse_values(now, &caller, &error),
            None => return,
        };
        match self.storage.store(now, &request, &PlaceOf(&self.topology)) {
            Ok(stored) if request.replica_number == 0 => self.replicate(now, caller, &stored),
            Ok(stored) => {
                self.answer(now, &caller, MessageCode::STORE_ANSWER, &stored.answer(&[]));
                if stored.changed() {
                    self.pass_on(now, caller.signer, &stored.resource);
                }
            }
            Err(refusal) => {
                self.count_full(&refusal);
                let error = refusal.error_response(&self.dialect);
                self.refuse_with(now, &caller, &error);
            }
        }
    }

    fn count_full(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::TooManyValues { .. } => self.counters.values_refused += 1,
            Refusal::BytesFull { .. } | Refusal::ResourcesFull { .. } => {
                self.counters.store_full += 1;
            }
            _ => {}
        }
    }

    /// Values that do not decode, or whose signatures do not hold.
    fn refuse_values(&mut self, now: Now, caller: &Caller, error: &ValuesError) {
        let code = match error {
            ValuesError::Forbidden { .. } => ErrorCode::FORBIDDEN,
            _ => ErrorCode::INVALID_MESSAGE,
        };
        self.refuse(now, caller, code, &error.to_string());
    }

    /// Sends what changed to the replicas, then waits for them.
    fn replicate(&mut self, now: Now, caller: Caller, stored: &Stored) {
        let replicas = self.topology.replicas(&stored.resource);
        let answer = stored.answer(&replicas);
        if !stored.changed() || replicas.is_empty() {
            return self.answer(now, &caller, MessageCode::STORE_ANSWER, &answer);
        }
        let number = self.number();
        let mut sent = 0;
        for (node, replica_number) in replicas.iter().zip(1_u8..) {
            sent += self.send_replica(now, number, *node, replica_number, stored);
        }
        if sent == 0 {
            return self.answer(now, &caller, MessageCode::STORE_ANSWER, &answer);
        }
        self.acknowledgements.waiting.insert(number, Waiting { caller, answer, replicas: sent });
        self.timers.set(Timer::Acknowledge(number), now.mono + PATIENCE);
    }

    fn send_replica(
        &mut self,
        now: Now,
        acknowledgement: u64,
        node: NodeId,
        replica_number: u8,
        stored: &Stored,
    ) -> usize {
        let room = self.copy_room();
        let batches = self.storage.replica_requests(now, stored, replica_number, room);
        let sent = batches.len();
        for batch in batches {
            let resource = batch.resource;
            let purpose = Purpose::Replica { acknowledgement, node, resource };
            let content = Content::Ready { body: batch.body, certificates: batch.certificates };
            let to = vec![Destination::Node(node)];
            self.originate(now, MessageCode::STORE_REQUEST, to, content, purpose, None);
        }
        sent
    }

    /// Bytes of body and certificates that fit into one message.
    pub(crate) fn copy_room(&self) -> usize {
        let largest = largest_message(&self.configuration);
        largest.saturating_sub(OVERHEAD).max(largest / 4)
    }

    /// A replica has answered, or will not.
    pub(crate) fn finish_replica(
        &mut self,
        now: Now,
        acknowledgement: u64,
        node: NodeId,
        resource: ResourceId,
        ending: Ending,
    ) {
        if let Ending::Refused { code, .. } = &ending {
            self.on_copy_refused(now, node, &resource, *code, None);
        }
        let Some(waiting) = self.acknowledgements.waiting.get_mut(&acknowledgement) else {
            return;
        };
        waiting.replicas = waiting.replicas.saturating_sub(1);
        if waiting.replicas == 0 {
            self.acknowledge(now, acknowledgement);
        }
    }

    /// Answers the Store now.
    pub(crate) fn acknowledge(&mut self, now: Now, number: u64) {
        self.timers.cancel(Timer::Acknowledge(number));
        let Some(waiting) = self.acknowledgements.waiting.remove(&number) else {
            return;
        };
        self.answer(now, &waiting.caller, MessageCode::STORE_ANSWER, &waiting.answer);
    }

    /// A copy was refused: remembered if the other did not know its place yet, fetched if the
    /// other has newer values (section 7.4.1.1).
    pub(crate) fn on_copy_refused(
        &mut self,
        now: Now,
        node: NodeId,
        resource: &ResourceId,
        code: ErrorCode,
        copy: Option<u64>,
    ) -> bool {
        match code {
            ErrorCode::FORBIDDEN => {
                let refused = self.acknowledgements.refused.entry(node).or_default();
                if refused.len() < REMEMBERED {
                    refused.insert(resource.clone());
                }
                false
            }
            ErrorCode::DATA_TOO_OLD | ErrorCode::GENERATION_COUNTER_TOO_LOW => {
                self.resynchronise(now, node, resource, copy)
            }
            _ => false,
        }
    }

    /// A neighbour told its place: what it refused before is stored there again.
    pub(crate) fn on_update(&mut self, now: Now, caller: Caller, body: bytes::Bytes) {
        let node = caller.signer;
        self.ask_topology(now, caller, TopologyRequest::Update(body));
        let refused = self.acknowledgements.refused.remove(&node).unwrap_or_default();
        let here = |id: &ResourceId| self.topology.replicas(id).contains(&node);
        let again: VecDeque<ResourceId> = refused.into_iter().filter(here).collect();
        if !again.is_empty() {
            self.copy_resources(now, node, again);
        }
    }
}
