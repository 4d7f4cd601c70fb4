//! Single structures by their names in the RFC, as the test vectors have them.

use reload_wire::{DataModel, KindId, MessageCode};

use crate::body::{self, Reader, unknown_kinds};
use crate::chord::chord_leave_data;
use crate::frames::frame_fields;
use crate::header::{destination_fields, header, option_fields, resource_id};
use crate::link::{address, candidate_fields};
use crate::message::{
    certificate_fields, contents, extension_fields, identity, security_block, signature,
};
use crate::sip::sip_registration;
use crate::storage::{
    array_range_fields, data_value, meta_data, meta_data_value, model_specifier, specifier,
    stored_data, stored_data_value, stored_meta_data, turn_server,
};
use crate::walk::Walk;

/// All of the part as the structure of this name; false if there is none.
pub(crate) fn structure(walk: &mut Walk<'_>, name: &str, model: Option<DataModel>) -> bool {
    if let Some(code) = method(name)
        && let Some((root, _, reader)) = body::structure(code)
    {
        walk.whole(root, reader);
        return true;
    }
    if let Some((root, reader)) = plain(name) {
        walk.whole(root, reader);
        return true;
    }
    let Some(model) = model else { return false };
    match name {
        "StoredDataValue" => {
            walk.whole("stored_data_value", |walk| stored_data_value(walk, model, None));
        }
        "MetaDataValue" => walk.whole("meta_data_value", |walk| meta_data_value(walk, model)),
        "ModelSpecifier" => walk.whole("model_specifier", |walk| model_specifier(walk, model)),
        _ => return false,
    }
    true
}

/// A message that has this structure as its body.
fn method(name: &str) -> Option<MessageCode> {
    Some(match name {
        "ProbeReq" => MessageCode::PROBE_REQUEST,
        "ProbeAns" => MessageCode::PROBE_ANSWER,
        "AttachReqAns" => MessageCode::ATTACH_REQUEST,
        "AppAttachReqAns" => MessageCode::APP_ATTACH_REQUEST,
        "StoreReq" => MessageCode::STORE_REQUEST,
        "StoreAns" => MessageCode::STORE_ANSWER,
        "FetchReq" => MessageCode::FETCH_REQUEST,
        "FetchAns" => MessageCode::FETCH_ANSWER,
        "FindReq" => MessageCode::FIND_REQUEST,
        "FindAns" => MessageCode::FIND_ANSWER,
        "JoinReq" => MessageCode::JOIN_REQUEST,
        "JoinAns" => MessageCode::JOIN_ANSWER,
        "LeaveReq" => MessageCode::LEAVE_REQUEST,
        "LeaveAns" => MessageCode::LEAVE_ANSWER,
        "ChordUpdate" => MessageCode::UPDATE_REQUEST,
        "UpdateAns" => MessageCode::UPDATE_ANSWER,
        "RouteQueryReq" => MessageCode::ROUTE_QUERY_REQUEST,
        "ChordRouteQueryAns" => MessageCode::ROUTE_QUERY_ANSWER,
        "PingReq" => MessageCode::PING_REQUEST,
        "PingAns" => MessageCode::PING_ANSWER,
        "StatReq" => MessageCode::STAT_REQUEST,
        "StatAns" => MessageCode::STAT_ANSWER,
        "ConfigUpdateReq" => MessageCode::CONFIG_UPDATE_REQUEST,
        "ConfigUpdateAns" => MessageCode::CONFIG_UPDATE_ANSWER,
        "ErrorResponse" => MessageCode::ERROR,
        _ => return None,
    })
}

/// Structures that are read without more knowledge.
fn plain(name: &str) -> Option<(&'static str, Reader)> {
    Some(match name {
        "ForwardingHeader" => ("header", |walk| header(walk).map(drop)),
        "Destination" => ("destination", destination_fields),
        "ForwardingOption" => ("forwarding_option", option_fields),
        "MessageContents" => ("contents", contents),
        "MessageExtension" => ("extension", extension_fields),
        "SecurityBlock" => ("security_block", security_block),
        "GenericCertificate" => ("generic_certificate", certificate_fields),
        "Signature" => ("signature", signature),
        "SignerIdentity" => ("identity", identity),
        "FramedMessage" => ("framed_message", frame_fields),
        "IceCandidate" => ("ice_candidate", candidate_fields),
        "IpAddressPort" => ("ip_address_port", address),
        "NodeId" => ("node_id", |walk| walk.node_id("node_id")),
        "ResourceId" => ("resource_id", resource_id),
        "UnknownKinds" => ("unknown_kinds", unknown_kinds),
        "ChordLeaveData" => ("chord_leave_data", chord_leave_data),
        "StoredData" => ("stored_data", |walk| stored_data(walk, no_kind())),
        "DataValue" => ("data_value", |walk| data_value(walk, no_kind())),
        "StoredDataSpecifier" => ("stored_data_specifier", specifier),
        "ArrayRange" => ("array_range", array_range_fields),
        "StoredMetaData" => ("stored_meta_data", |walk| stored_meta_data(walk, no_kind())),
        "MetaData" => ("meta_data", meta_data),
        "TurnServer" => ("turn_server", turn_server),
        "SipRegistration" => ("sip_registration", sip_registration),
        _ => return None,
    })
}

/// A value outside a message belongs to no Kind.
const fn no_kind() -> Option<KindId> {
    None
}
