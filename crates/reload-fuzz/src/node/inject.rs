//! Messages with a good signature around whatever contents the script has.

use bytes::Bytes;
use reload_identity::{Credentials, seal_raw, sign_value};
use reload_node::LinkEvent;
use reload_wire::{
    DataValue, Destination, Encode, ForwardingHeader, ForwardingOption, Fragment, MAX_MESSAGE_SIZE,
    MessageCode, MessageContents, StoreKindData, StoreReq, StoredDataValue, TransactionId,
    UnixTime,
};

use super::Play;
use super::peers::PEERS;
use crate::script::Script;

impl Play<'_> {
    /// A request of a peer, or anything else with its signature.
    pub(super) fn request_from_peer(&mut self, script: &mut Script<'_>) {
        let (Some(header), peer) = (self.header(script), script.or_zero()) else { return };
        let contents = contents(script.uint16(), script);
        self.inject(script.or_zero(), peer, header, &contents);
    }

    /// An answer to something that the node sent.
    pub(super) fn answer_from_peer(&mut self, script: &mut Script<'_>) {
        let (number, peer) = (usize::from(script.or_zero()), script.or_zero());
        let Some(number) = number.checked_rem(self.sent.len()) else { return };
        let dialect = self.node.configuration().dialect();
        let Ok((header, rest)) = ForwardingHeader::split(&dialect, &self.sent[number]) else {
            return;
        };
        let request = reload_wire::peek_message_code(&rest).unwrap_or(MessageCode::ERROR);
        let code =
            if script.or_zero().is_multiple_of(8) { MessageCode::ERROR } else { request.answer() };
        let mut destination_list: Vec<_> = header.via_list.iter().rev().cloned().collect();
        destination_list.push(Destination::Node(self.peers.own.node_id()));
        destination_list.dedup();
        let (via_list, options) = (Vec::new(), Vec::new());
        let header = ForwardingHeader { via_list, destination_list, options, ..header };
        let contents = contents(code.0, script);
        self.inject(script.or_zero(), peer, header, &contents);
    }

    /// A Store whose values are signed as well.
    pub(super) fn store_from_peer(&mut self, script: &mut Script<'_>) {
        let (Some(header), peer) = (self.header(script), script.or_zero()) else { return };
        let credentials = self.peer(peer).clone();
        let name = script.bytes();
        let resource = self.node.resource_id(name);
        let kind = self.kind(script.or_zero());
        let value = stored_value(script);
        let time = self.now.wall.0.wrapping_add(u64::from(script.uint16()));
        let signed =
            sign_value(&credentials, &resource, kind, UnixTime(time), script.uint32(), &value);
        let Ok(signed) = signed else { return };
        let count = usize::from(script.or_zero() % 3);
        let kind_data = StoreKindData {
            kind,
            generation_counter: u64::from(script.or_zero()),
            values: vec![signed; count],
        };
        let store =
            StoreReq { resource, replica_number: script.or_zero() % 3, kind_data: vec![kind_data] };
        let Ok(body) = store.to_bytes() else { return };
        let contents = MessageContents::new(MessageCode::STORE_REQUEST, body);
        let Ok(contents) = contents.to_bytes() else { return };
        self.inject(script.or_zero(), peer, header, &contents);
    }

    /// A part of a message.
    pub(super) fn fragment(&mut self, script: &mut Script<'_>) {
        let (Some(mut header), Some(link)) = (self.header(script), self.link(script.or_zero()))
        else {
            return;
        };
        let offset = u32::from(script.uint16());
        header.fragment = Fragment { last: script.or_zero() % 2 == 1, offset };
        if let Ok(message) = header.join(script.bytes(), MAX_MESSAGE_SIZE) {
            self.tell(link, LinkEvent::Message(message));
        }
    }

    /// A header that mostly fits the overlay.
    pub(super) fn header(&mut self, script: &mut Script<'_>) -> Option<ForwardingHeader> {
        let lists = script.byte()?;
        let configuration = self.node.configuration();
        let via = script.or_zero();
        let to = script.or_zero();
        let destination = match to {
            0xff => Destination::Resource(self.node.resource_id(script.bytes())),
            _ => self.destination(to),
        };
        let option = ForwardingOption { kind: via, flags: to, data: Bytes::new() };
        Some(ForwardingHeader {
            overlay: configuration.overlay_hash(),
            configuration_sequence: match lists >> 5 {
                0 => script.uint16(),
                _ => configuration.sequence,
            },
            ttl: if lists & 16 == 0 { 100 } else { script.or_zero() },
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id: TransactionId(u64::from(script.or_zero())),
            max_response_length: if lists & 8 == 0 { 0 } else { u32::from(script.uint16()) },
            via_list: vec![self.destination(via); usize::from(lists & 3)],
            destination_list: vec![destination; 1 + usize::from(lists & 4 == 4)],
            options: if lists & 31 == 31 { vec![option] } else { Vec::new() },
        })
    }

    fn peer(&self, number: u8) -> &std::sync::Arc<Credentials> {
        &self.peers.others[usize::from(number) % PEERS]
    }

    /// Signs the contents and lets the message come from a link.
    fn inject(&mut self, link: u8, peer: u8, header: ForwardingHeader, contents: &[u8]) {
        let Some(link) = self.link(link) else { return };
        let (overlay, id) = (header.overlay, header.transaction_id);
        let Ok(rest) = seal_raw(self.peer(peer), overlay, id, contents, &[]) else { return };
        if let Ok(message) = header.join(&rest, MAX_MESSAGE_SIZE) {
            self.tell(link, LinkEvent::Message(message));
        }
    }
}

/// Contents with this code; those with a body of their own bytes may be no contents at all.
fn contents(code: u16, script: &mut Script<'_>) -> Vec<u8> {
    let body = script.bytes();
    let contents = MessageContents::new(MessageCode(code), Bytes::copy_from_slice(body));
    contents.to_bytes().map_or_else(|_| body.to_vec(), |bytes| bytes.to_vec())
}

fn stored_value(script: &mut Script<'_>) -> StoredDataValue {
    let model = script.or_zero();
    let exists = model & 0x80 == 0;
    let index =
        if model & 0x40 == 0 { u32::from(script.uint16()) } else { StoredDataValue::APPEND };
    let key = Bytes::copy_from_slice(script.bytes());
    let value = DataValue { exists, value: Bytes::copy_from_slice(script.bytes()) };
    match model % 3 {
        0 => StoredDataValue::Single(value),
        1 => StoredDataValue::Array { index, value },
        _ => StoredDataValue::Dictionary { key, value },
    }
}
