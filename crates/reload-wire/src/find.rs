//! `FindReq` and `FindAns` (section 7.4.4).

use crate::{Decode, Decoded, Dialect, Encode, EncodeError, KindId, ResourceId, Writer, read};

/// Which resources near this one hold values of these Kinds?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindReq {
    /// The resource.
    pub resource: ResourceId,
    /// The Kinds, each once.
    pub kinds: Vec<KindId>,
}

impl Decode for FindReq {
    const NAME: &'static str = "find_req";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, resource) = read::field("resource", dialect, input)?;
        let (rest, kinds) = read::list8("kinds", dialect, rest)?;
        Ok((rest, Self { resource, kinds }))
    }
}

impl Encode for FindReq {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let twice = |(at, kind): (usize, &KindId)| self.kinds[..at].contains(kind);
        if self.kinds.iter().enumerate().any(twice) {
            return Err(EncodeError::NotAllowed { field: "find_req.kinds" }); // section 7.4.4.1
        }
        self.resource.encode(out)?;
        out.list8("kinds", &self.kinds)
    }
}

/// The closest resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FindAns {
    /// One entry for each Kind.
    pub results: Vec<FindKindData>,
}

impl Decode for FindAns {
    const NAME: &'static str = "find_ans";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, results) = read::list16("results", dialect, input)?;
        Ok((rest, Self { results }))
    }
}

impl Encode for FindAns {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list16("results", &self.results)
    }
}

/// The closest resource with a value of one Kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindKindData {
    /// The Kind.
    pub kind: KindId,
    /// The closest resource; see [`FindKindData::resource`] for "none".
    pub closest: ResourceId,
}

impl FindKindData {
    /// The closest resource, if there is one: zero, with any number of bytes, means none.
    #[must_use]
    pub fn resource(&self) -> Option<&ResourceId> {
        let found = self.closest.as_bytes().iter().any(|byte| *byte != 0);
        found.then_some(&self.closest)
    }
}

impl Decode for FindKindData {
    const NAME: &'static str = "find_kind_data";

    fn decode<'a>(dialect: &Dialect, input: &'a [u8]) -> Decoded<'a, Self> {
        let (rest, kind) = read::field("kind", dialect, input)?;
        let (rest, closest) = read::field("closest", dialect, rest)?;
        Ok((rest, Self { kind, closest }))
    }
}

impl Encode for FindKindData {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.kind.encode(out)?;
        self.closest.encode(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-7.4.4.2-05
    #[test]
    fn zero_of_any_length_means_that_nothing_was_found() {
        let data = |bytes: &[u8]| FindKindData {
            kind: KindId::TURN_SERVICE,
            closest: ResourceId::new(bytes).unwrap(),
        };
        assert_eq!(data(&[]).resource(), None);
        assert_eq!(data(&[0; 16]).resource(), None);
        assert!(data(&[0, 1]).resource().is_some());
    }
}
