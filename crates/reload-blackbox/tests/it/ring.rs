//! Join, Leave and Update of nodes that have no right to them (sections 6.4.2.1 and 6.4.2.2).

use bytes::Bytes;
use reload_blackbox::Expect::{self, Error};
use reload_blackbox::{Draft, Row, Via, World};
use reload_wire::{ErrorCode, JoinReq, LeaveReq, MessageCode, NodeId};

const FORBIDDEN: Expect = Error(ErrorCode::FORBIDDEN);

fn join(world: &World, node: NodeId) -> Draft {
    let overlay_specific_data = Bytes::new();
    let request = JoinReq { joining_peer_id: node, overlay_specific_data };
    world.request(MessageCode::JOIN_REQUEST, &request)
}

fn leave(world: &World, node: NodeId) -> Draft {
    let overlay_specific_data = Bytes::new();
    let request = LeaveReq { leaving_peer_id: node, overlay_specific_data };
    world.request(MessageCode::LEAVE_REQUEST, &request)
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.4.2.1-04
    Row::new("Join of another node", FORBIDDEN, |w| join(w, w.dave.node_id())),
    Row::new("Join of alice herself", FORBIDDEN, |w| join(w, w.alice)),
    Row::new("Join of bob", FORBIDDEN, |w| join(w, w.bob)),
    // R6940-6.4.2.1-05
    Row::new("Join of dave over the link of carol", FORBIDDEN, |w| join(w, w.dave.node_id()).by(&w.dave)),
    Row::new("Join of carol that was passed on", FORBIDDEN, |w| {
        join(w, w.carol.node_id()).header(|header| header.via_list = vec![w.dave.node_id().into()])
    }),
    Row::new("Join of carol at bob, through alice", FORBIDDEN, |w| {
        join(w, w.carol.node_id()).to(&[w.bob.into()], w.bob)
    }),
    Row::new("Join over a link that is not bound", FORBIDDEN, |w| {
        join(w, w.several.node_id()).by(&w.several)
    }).over(Via::Several),
    // R6940-6.4.2.2-04
    Row::new("Leave of another node", FORBIDDEN, |w| leave(w, w.dave.node_id())),
    Row::new("Leave of bob", FORBIDDEN, |w| leave(w, w.bob)),
    // R6940-6.4.2.2-05
    Row::new("Leave of dave over the link of carol", FORBIDDEN, |w| leave(w, w.dave.node_id()).by(&w.dave)),
    Row::new("Leave of carol that was passed on", FORBIDDEN, |w| {
        leave(w, w.carol.node_id()).header(|header| header.via_list = vec![w.dave.node_id().into()])
    }),
    Row::new("Leave of carol at bob, through alice", FORBIDDEN, |w| {
        leave(w, w.carol.node_id()).to(&[w.bob.into()], w.bob)
    }),
    Row::new("Leave over a link that is not bound", FORBIDDEN, |w| {
        leave(w, w.several.node_id()).by(&w.several)
    }).over(Via::Several),
];
