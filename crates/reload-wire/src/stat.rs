//! `StatReq` and `StatAns` (section 7.4.3): what a Fetch would return, without the values.

use bytes::Bytes;

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, KindId, ResourceId, StoredDataSpecifier,
    UnixTime, Writer, read,
};

/// Descriptions wanted of values at one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatReq {
    /// The resource.
    pub resource: ResourceId,
    /// Which values, Kind by Kind.
    pub specifiers: Vec<StoredDataSpecifier>,
}

impl Decode for StatReq {
    const NAME: &'static str = "stat_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, resource) = read::field("resource", dialect, input)?;
        let (rest, specifiers) = read::list16("specifiers", dialect, rest)?;
        Ok((rest, Self { resource, specifiers }))
    }
}

impl Encode for StatReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.resource.encode(out)?;
        out.list16("specifiers", &self.specifiers)
    }
}

/// The descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatAns {
    /// One entry for each Kind of the request.
    pub kind_responses: Vec<StatKindResponse>,
}

impl Decode for StatAns {
    const NAME: &'static str = "stat_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind_responses) = read::list32("kind_responses", dialect, input)?;
        Ok((rest, Self { kind_responses }))
    }
}

impl Encode for StatAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list32("kind_responses", &self.kind_responses)
    }
}

/// The descriptions of the values of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatKindResponse {
    /// The Kind.
    pub kind: KindId,
    /// The generation now.
    pub generation: u64,
    /// One description a value.
    pub values: Vec<StoredMetaData>,
}

impl Decode for StatKindResponse {
    const NAME: &'static str = "stat_kind_response";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, generation) = read::uint64("generation", rest)?;
        let (rest, values) = read::list32("values", dialect, rest)?;
        Ok((rest, Self { kind, generation, values }))
    }
}

impl Encode for StatKindResponse {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        out.uint64(self.generation)?;
        out.list32("values", &self.values)
    }
}

/// The description of a value. Its `value_length` on the wire is the size of what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMetaData {
    /// When the writer says the value was stored.
    pub storage_time: UnixTime,
    /// How many seconds the value lives.
    pub lifetime: u32,
    /// The encoded [`crate::MetaDataValue`].
    pub metadata: Bytes,
}

impl Decode for StoredMetaData {
    const NAME: &'static str = "stored_meta_data";

    fn decode<'a>(_: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        read::nested32("value_length", input, |part| {
            let (part, storage_time) = read::uint64("storage_time", part)?;
            let (part, lifetime) = read::uint32("lifetime", part)?;
            let metadata = Bytes::copy_from_slice(part);
            Ok((&[], Self { storage_time: UnixTime(storage_time), lifetime, metadata }))
        })
    }
}

impl Encode for StoredMetaData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.nested32("value_length", |out| {
            out.uint64(self.storage_time.0)?;
            out.uint32(self.lifetime)?;
            out.bytes(&self.metadata)
        })
    }
}
