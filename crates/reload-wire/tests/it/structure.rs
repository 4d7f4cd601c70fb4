//! Every structure by its name in the RFC, decoded and written again without knowing its type.

use bytes::Bytes;
use reload_wire::*;
use toml::Value;

use crate::fields::Fields;

/// What became of some bytes.
pub(crate) struct Read {
    /// The values of the fields.
    pub(crate) fields: Value,
    /// The same value written again.
    pub(crate) written: Result<Bytes, EncodeError>,
}

fn read<T: Decode + Encode + Fields>(dialect: &Dialect, bytes: &[u8]) -> Result<Read, DecodeError> {
    T::decode_exact(dialect, bytes).map(|value| shown(&value))
}

fn shown<T: Encode + Fields>(value: &T) -> Read {
    Read { fields: value.fields(), written: value.to_bytes() }
}

macro_rules! structures {
    ($($type:ident)*) => {
        /// The structures that decode without a data model.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($type)),*];

        /// Decodes the structure of this name.
        pub(crate) fn decode(
            name: &str,
            model: Option<DataModel>,
            dialect: &Dialect,
            bytes: &[u8],
        ) -> Result<Read, DecodeError> {
            match (name, model) {
                $((stringify!($type), None) => read::<$type>(dialect, bytes),)*
                ("StoredDataValue", Some(model)) => {
                    StoredDataValue::decode_as(dialect, model, bytes).map(|value| shown(&value))
                }
                ("MetaDataValue", Some(model)) => {
                    MetaDataValue::decode_as(dialect, model, bytes).map(|value| shown(&value))
                }
                ("ModelSpecifier", Some(model)) => {
                    ModelSpecifier::decode_as(dialect, model, bytes).map(|value| shown(&value))
                }
                _ => panic!("no structure {name} with model {model:?}"),
            }
        }
    };
}

structures! {
    AppAttachReqAns ArrayRange AttachReqAns ChordLeaveData ChordRouteQueryAns ChordUpdate
    ConfigUpdateAns ConfigUpdateReq DataValue Destination ErrorResponse FetchAns FetchReq FindAns
    FindReq ForwardingHeader ForwardingOption FramedMessage GenericCertificate IceCandidate
    IpAddressPort JoinAns JoinReq LeaveAns LeaveReq MessageContents MessageExtension MetaData NodeId
    PingAns PingReq ProbeAns ProbeReq ResourceId RouteQueryReq SecurityBlock Signature
    SignerIdentity SipRegistration StatAns StatReq StoreAns StoreReq StoredData StoredDataSpecifier StoredMetaData
    TurnServer UnknownKinds UpdateAns
}
