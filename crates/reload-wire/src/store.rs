//! `StoreReq` and `StoreAns` (section 7.4.1). Whether a Store is taken is decided by the storage
//! crate.

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, KindId, NodeId, ResourceId, StoredData, Writer,
    read,
};

/// Values to be stored at one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreReq {
    /// The resource.
    pub resource: ResourceId,
    /// 0 from a writer; the number of the replica from a storing peer.
    pub replica_number: u8,
    /// The values, Kind by Kind.
    pub kind_data: Vec<StoreKindData>,
}

impl Decode for StoreReq {
    const NAME: &'static str = "store_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, resource) = read::field("resource", dialect, input)?;
        let (rest, replica_number) = read::uint8("replica_number", rest)?;
        let (rest, kind_data) = read::list32("kind_data", dialect, rest)?;
        Ok((rest, Self { resource, replica_number, kind_data }))
    }
}

impl Encode for StoreReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.resource.encode(out)?;
        out.uint8(self.replica_number)?;
        out.list32("kind_data", &self.kind_data)
    }
}

/// Values of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKindData {
    /// The Kind.
    pub kind: KindId,
    /// The generation the writer expects, or 0.
    pub generation_counter: u64,
    /// The values.
    pub values: Vec<StoredData>,
}

impl Decode for StoreKindData {
    const NAME: &'static str = "store_kind_data";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, generation_counter) = read::uint64("generation_counter", rest)?;
        let (rest, values) = read::list32("values", dialect, rest)?;
        Ok((rest, Self { kind, generation_counter, values }))
    }
}

impl Encode for StoreKindData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        out.uint64(self.generation_counter)?;
        out.list32("values", &self.values)
    }
}

/// What was stored. Also the info of `Error_Generation_Counter_Too_Low`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreAns {
    /// One entry for each Kind.
    pub kind_responses: Vec<StoreKindResponse>,
}

impl Decode for StoreAns {
    const NAME: &'static str = "store_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind_responses) = read::list16("kind_responses", dialect, input)?;
        Ok((rest, Self { kind_responses }))
    }
}

impl Encode for StoreAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list16("kind_responses", &self.kind_responses)
    }
}

/// What was stored of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreKindResponse {
    /// The Kind.
    pub kind: KindId,
    /// The generation now.
    pub generation_counter: u64,
    /// The peers that hold copies.
    pub replicas: Vec<NodeId>,
}

impl Decode for StoreKindResponse {
    const NAME: &'static str = "store_kind_response";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, generation_counter) = read::uint64("generation_counter", rest)?;
        let (rest, replicas) = read::list16("replicas", dialect, rest)?;
        Ok((rest, Self { kind, generation_counter, replicas }))
    }
}

impl Encode for StoreKindResponse {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        out.uint64(self.generation_counter)?;
        out.list16("replicas", &self.replicas)
    }
}
