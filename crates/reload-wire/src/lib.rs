//! The bytes of RELOAD (RFC 6940): header, contents, security block, methods, frames.
//!
//! Every structure of sections 6.3 to 10.9 is a type that owns its data and knows how to [`Decode`]
//! and [`Encode`] itself. Nothing here checks a signature, a policy or a table: unknown values
//! survive, and whether they are an error is decided above.
//!
//! ```
//! use bytes::Bytes;
//! use reload_wire::{Decode, Dialect, Encode, PingReq};
//!
//! let ping = PingReq { padding: Bytes::from_static(b"abc") };
//! let bytes = ping.to_bytes()?;
//! assert_eq!(&bytes[..], b"\x00\x03abc");
//! assert_eq!(PingReq::decode_exact(&Dialect::default(), &bytes)?, ping);
//! let error = PingReq::decode_exact(&Dialect::default(), b"\x00\x01abc").unwrap_err();
//! assert_eq!(error.to_string(), "bytes left over at byte 3 (ping_req)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod app_attach;
mod attach;
mod chord;
mod code_points;
mod codec;
mod config_update;
mod data_model;
mod destination;
mod error_response;
mod fetch;
mod find;
mod forwarding_header;
mod forwarding_option;
mod framed_message;
mod ice_candidate;
mod ip_address_port;
mod join;
mod kind_id;
mod leave;
mod message;
mod message_contents;
mod meta_data;
mod model_specifier;
mod node_id;
mod ping;
mod probe;
mod resource_id;
mod route_query;
mod security_block;
mod signature;
mod sip_registration;
mod stat;
mod store;
mod stored_data;
mod time;
mod turn_server;
mod update;

pub use app_attach::AppAttachReqAns;
pub use attach::AttachReqAns;
pub use chord::{ChordLeaveData, ChordRouteQueryAns, ChordUpdate, ChordUpdateKind};
pub use code_points::{
    ErrorCode, HashAlgorithm, MessageCode, OverlayLinkType, ProbeInformationType,
    SignatureAlgorithm,
};
pub use codec::read;
pub use codec::{
    Decode, DecodeError, Decoded, Dialect, Encode, EncodeError, Fault, Limits, MAX_MESSAGE_SIZE,
    Writer,
};
pub use config_update::{ConfigUpdateAns, ConfigUpdateReq};
pub use data_model::{DataModel, DataValue, StoredDataValue};
pub use destination::Destination;
pub use error_response::{ErrorResponse, UnknownKinds};
pub use fetch::{FetchAns, FetchKindResponse, FetchReq};
pub use find::{FindAns, FindKindData, FindReq};
pub use forwarding_header::{
    ForwardingHeader, Fragment, HEADER_SIZE, RELO_TOKEN, TransactionId, VERSION,
};
pub use forwarding_option::ForwardingOption;
pub use framed_message::{FRAME_ACK, FRAME_ACK_SIZE, FRAME_DATA, FRAME_HEADER_SIZE, FramedMessage};
pub use ice_candidate::{CandType, IceCandidate, IceExtension};
pub use ip_address_port::IpAddressPort;
pub use join::{JoinAns, JoinReq};
pub use kind_id::KindId;
pub use leave::{LeaveAns, LeaveReq};
pub use message::{MessageParts, peek_message_code};
pub use message_contents::{MessageContents, MessageExtension};
pub use meta_data::{MetaData, MetaDataValue};
pub use model_specifier::{ArrayRange, ModelSpecifier, StoredDataSpecifier};
pub use node_id::{IdError, NodeId, NodeIdLength};
pub use ping::{PingAns, PingReq};
pub use probe::{ProbeAns, ProbeInformation, ProbeReq};
pub use resource_id::ResourceId;
pub use route_query::RouteQueryReq;
pub use security_block::{GenericCertificate, SecurityBlock};
pub use signature::{Signature, SignatureAndHashAlgorithm, SignerIdentity};
pub use sip_registration::SipRegistration;
pub use stat::{StatAns, StatKindResponse, StatReq, StoredMetaData};
pub use store::{StoreAns, StoreKindData, StoreKindResponse, StoreReq};
pub use stored_data::StoredData;
pub use time::{Now, UnixTime};
pub use turn_server::TurnServer;
pub use update::UpdateAns;
