//! Requests that only read: Ping, Probe, Fetch, Stat and Find.

use bytes::Bytes;
use rand::Rng;
use reload_storage::{Refusal, Store};
use reload_topology::Topology;
use reload_wire::{
    Decode, FetchReq, FindReq, MessageCode, Now, PingAns, PingReq, ProbeAns, ProbeInformation,
    ProbeInformationType, ProbeReq, StatReq,
};

use crate::Node;
use crate::acknowledge::PlaceOf;
use crate::deliver::Caller;

impl<T: Topology, S: Store> Node<T, S> {
    /// Ping (section 6.5.3).
    pub(crate) fn on_ping(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        if let Err(error) = PingReq::decode_exact(&self.dialect, body) {
            return self.refuse_damaged(now, caller, &error);
        }
        let answer = PingAns { response_id: self.rng.random(), time: now.wall };
        self.answer(now, caller, MessageCode::PING_ANSWER, &answer);
    }

    /// Probe (section 6.4.2.5): what was asked for and is known, in the order asked.
    pub(crate) fn on_probe(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        let request = match ProbeReq::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, caller, &error),
        };
        let known = request.requested_info.iter();
        let probe_info = known.filter_map(|kind| self.probe(now, *kind)).collect();
        self.answer(now, caller, MessageCode::PROBE_ANSWER, &ProbeAns { probe_info });
    }

    fn probe(&self, now: Now, kind: ProbeInformationType) -> Option<ProbeInformation> {
        match kind {
            ProbeInformationType::RESPONSIBLE_SET => {
                Some(ProbeInformation::ResponsibleSet(self.topology.responsible_ppb()))
            }
            ProbeInformationType::NUM_RESOURCES => {
                let resources = u32::try_from(self.storage.resource_count()).unwrap_or(u32::MAX);
                Some(ProbeInformation::NumResources(resources))
            }
            ProbeInformationType::UPTIME => Some(ProbeInformation::Uptime(self.uptime(now))),
            _ => None,
        }
    }

    /// Fetch (section 7.4.2).
    pub(crate) fn on_fetch(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        let request = match FetchReq::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, caller, &error),
        };
        let room = Some(self.answer_room(caller));
        let answer = self.storage.fetch(now, &request, room);
        self.answer_read(now, caller, MessageCode::FETCH_ANSWER, answer);
    }

    /// Stat (section 7.4.3).
    pub(crate) fn on_stat(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        let request = match StatReq::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, caller, &error),
        };
        let room = Some(self.answer_room(caller));
        let answer = self.storage.stat(now, &request, room);
        self.answer_read(now, caller, MessageCode::STAT_ANSWER, answer);
    }

    /// Find (section 7.4.4).
    pub(crate) fn on_find(&mut self, now: Now, caller: &Caller, body: &Bytes) {
        let request = match FindReq::decode_exact(&self.dialect, body) {
            Ok(request) => request,
            Err(error) => return self.refuse_damaged(now, caller, &error),
        };
        let room = Some(self.answer_room(caller));
        let answer = self.storage.find(now, &request, &PlaceOf(&self.topology), room);
        self.answer_read(now, caller, MessageCode::FIND_ANSWER, answer);
    }

    fn answer_read(
        &mut self,
        now: Now,
        caller: &Caller,
        code: MessageCode,
        answer: Result<reload_storage::Answer, Refusal>,
    ) {
        match answer {
            Ok(answer) => self.answer_with(now, caller, code, answer.body, answer.certificates),
            Err(refusal) => {
                let error = refusal.error_response(&self.dialect);
                self.refuse_with(now, caller, &error);
            }
        }
    }

    /// Bytes of body and certificates that an answer may have: what the caller and the overlay
    /// allow. The exact check is made on the sealed message.
    fn answer_room(&self, caller: &Caller) -> usize {
        let asked = usize::try_from(caller.max_response_length).unwrap_or(usize::MAX);
        match asked {
            0 => self.copy_room(),
            asked => self.copy_room().min(asked),
        }
    }
}
