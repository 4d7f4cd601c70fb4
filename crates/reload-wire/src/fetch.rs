//! `FetchReq` and `FetchAns` (section 7.4.2).

use crate::{
    Decode, Decoded, Dialect, Encode, EncodeError, KindId, ResourceId, StoredData,
    StoredDataSpecifier, Writer, read,
};

/// Values wanted from one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchReq {
    /// The resource.
    pub resource: ResourceId,
    /// Which values, Kind by Kind.
    pub specifiers: Vec<StoredDataSpecifier>,
}

impl Decode for FetchReq {
    const NAME: &'static str = "fetch_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, resource) = read::field("resource", dialect, input)?;
        let (rest, specifiers) = read::list16("specifiers", dialect, rest)?;
        Ok((rest, Self { resource, specifiers }))
    }
}

impl Encode for FetchReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.resource.encode(out)?;
        out.list16("specifiers", &self.specifiers)
    }
}

/// The values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchAns {
    /// One entry for each Kind of the request.
    pub kind_responses: Vec<FetchKindResponse>,
}

impl Decode for FetchAns {
    const NAME: &'static str = "fetch_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind_responses) = read::list32("kind_responses", dialect, input)?;
        Ok((rest, Self { kind_responses }))
    }
}

impl Encode for FetchAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list32("kind_responses", &self.kind_responses)
    }
}

/// The values of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchKindResponse {
    /// The Kind.
    pub kind: KindId,
    /// The generation now.
    pub generation: u64,
    /// The values; none if the asker has seen this generation.
    pub values: Vec<StoredData>,
}

impl Decode for FetchKindResponse {
    const NAME: &'static str = "fetch_kind_response";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, generation) = read::uint64("generation", rest)?;
        let (rest, values) = read::list32("values", dialect, rest)?;
        Ok((rest, Self { kind, generation, values }))
    }
}

impl Encode for FetchKindResponse {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        out.uint64(self.generation)?;
        out.list32("values", &self.values)
    }
}
