//! What the topology plug-in asks for, done; and what became of it, told.

use bytes::Bytes;
use reload_storage::Store;
use reload_topology::{Action, Failure, Input, RequestToken, TaskAnswer, TaskId, Topology};
use reload_wire::{
    Destination, Encode, ErrorCode, JoinReq, LeaveReq, MessageCode, NodeId, Now, PingReq,
};

use crate::Node;
use crate::attach::Wanted;
use crate::originate::Ending;
use crate::transactions::Purpose;

impl<T: Topology, S: Store> Node<T, S> {
    pub(crate) fn on_action(&mut self, now: Now, action: Action) {
        match action {
            Action::Attach { task, to, send_update } => {
                self.attach(now, Wanted::Topology(task), to, send_update);
            }
            Action::Ping { task, to } => {
                let ping = PingReq { padding: Bytes::new() };
                self.start_task(now, task, MessageCode::PING_REQUEST, to, &ping);
            }
            Action::Join { task, to } => {
                let join =
                    JoinReq { joining_peer_id: self.node_id, overlay_specific_data: Bytes::new() };
                self.start_direct(now, task, MessageCode::JOIN_REQUEST, to, &join);
            }
            Action::Leave { task, to, data } => {
                let leave = LeaveReq { leaving_peer_id: self.node_id, overlay_specific_data: data };
                self.start_direct(now, task, MessageCode::LEAVE_REQUEST, to, &leave);
            }
            Action::Update { task, to, body } => {
                let purpose = Purpose::Topology(task);
                let to = vec![Destination::Node(to)];
                self.send_request(now, MessageCode::UPDATE_REQUEST, to, body, purpose);
            }
            Action::Answer { token, result } => self.answer_asked(now, token, result),
            Action::Copy { task, to, range, reason: _ } => {
                self.start_copy(now, task, to, &range);
            }
            Action::Forget { keep } => self.forget(now, keep),
            Action::Release(node) => self.release(now, node),
            Action::Event(event) => self.on_topology_event(now, event),
        }
    }

    fn start_direct(
        &mut self,
        now: Now,
        task: TaskId,
        code: MessageCode,
        to: NodeId,
        request: &impl Encode,
    ) {
        self.start_task(now, task, code, vec![Destination::Node(to)], request);
    }

    fn start_task(
        &mut self,
        now: Now,
        task: TaskId,
        code: MessageCode,
        to: Vec<Destination>,
        request: &impl Encode,
    ) {
        match request.to_bytes() {
            Ok(body) => {
                self.send_request(now, code, to, body, Purpose::Topology(task));
            }
            Err(_) => {
                let result = Err(Failure::Refused(ErrorCode::INVALID_MESSAGE));
                self.topology.handle_input(now, Input::Done { task, result });
            }
        }
    }

    /// A request of the plug-in has ended.
    pub(crate) fn finish_task(&mut self, now: Now, task: TaskId, ending: Ending) {
        let result = match ending {
            Ending::Answered(answer) => Ok(TaskAnswer::Answered {
                by: answer.from,
                body: answer.checked.message.contents.body.clone(),
            }),
            Ending::Refused { code, .. } => Err(Failure::Refused(code)),
            Ending::Failed(_) => Err(Failure::Timeout),
        };
        self.topology.handle_input(now, Input::Done { task, result });
    }

    /// The plug-in has answered a request.
    fn answer_asked(&mut self, now: Now, token: RequestToken, result: Result<Bytes, ErrorCode>) {
        let Some(asked) = self.asked.remove(&token) else {
            return;
        };
        match result {
            Ok(body) => {
                self.answer_with(now, &asked.caller, asked.code.answer(), body, Vec::new());
                if asked.send_update {
                    self.topology.handle_input(now, Input::UpdateWanted(asked.caller.signer));
                }
            }
            Err(error) => self.refuse(now, &asked.caller, error, error.name()),
        }
    }
}
