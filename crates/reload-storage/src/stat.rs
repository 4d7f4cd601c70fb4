//! Stat (section 7.4.3): what is stored, without the values themselves.

use bytes::Bytes;
use reload_wire::{
    Encode, HashAlgorithm, MetaData, MetaDataValue, Now, StatAns, StatKindResponse, StatReq,
    StoredMetaData, UnixTime,
};
use ring::digest;

use crate::fetch::{Answer, Budget, RESPONSE_HEADER};
use crate::refusal::Refusal;
use crate::select::Selected;
use crate::storage::Storage;
use crate::store::Store;
use crate::values::{StoredValue, ValueKey};

/// Bytes of a StoredMetaData besides its metadata: length, storage time, lifetime (7.4.3.2).
const METADATA_HEADER: usize = 4 + 8 + 4;

impl<S: Store> Storage<S> {
    /// Answers a Stat: the same elements as a Fetch with the same specifiers.
    ///
    /// # Errors
    ///
    /// As [`Storage::fetch`].
    pub fn stat(
        &self,
        now: Now,
        request: &StatReq,
        max_size: Option<usize>,
    ) -> Result<Answer, Refusal> {
        let mut budget = Budget::new(max_size);
        let mut kind_responses = Vec::new();
        for selection in self.selections(now, &request.resource, &request.specifiers)? {
            budget.spend(RESPONSE_HEADER)?;
            let mut values = Vec::new();
            selection.visit(|selected| {
                let data = stored_metadata(&selected, now.wall)?;
                budget.spend(METADATA_HEADER + data.metadata.len())?;
                values.push(data);
                Ok(())
            })?;
            let (kind, generation) = (selection.kind().id, selection.generation());
            kind_responses.push(StatKindResponse { kind, generation, values });
        }
        let body = StatAns { kind_responses }.to_bytes()?;
        Ok(Answer { body, certificates: Vec::new() })
    }
}

fn stored_metadata(selected: &Selected<'_>, now: UnixTime) -> Result<StoredMetaData, Refusal> {
    let (key, storage_time, lifetime, metadata) = match selected {
        Selected::Stored(key, value) => {
            (*key, value.storage_time(), value.remaining(now), metadata_of(value)?)
        }
        Selected::Absent(key) => (key, UnixTime(0), 0, absent()),
    };
    let metadata = with_key(key, metadata).to_bytes()?;
    Ok(StoredMetaData { storage_time, lifetime, metadata })
}

/// The digest is over the value with the four bytes of its length (section 7.4.3.2, E66).
fn metadata_of(stored: &StoredValue) -> Result<MetaData, Refusal> {
    let value = stored.value();
    // The codec bounds a value far below 4 GiB.
    let value_length = u32::try_from(value.value.len()).unwrap_or(u32::MAX);
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(&value_length.to_be_bytes());
    hash.update(&value.value);
    Ok(MetaData {
        exists: value.exists,
        value_length,
        hash_algorithm: HashAlgorithm::SHA256,
        hash_value: Bytes::copy_from_slice(hash.finish().as_ref()),
    })
}

fn absent() -> MetaData {
    MetaData {
        exists: false,
        value_length: 0,
        hash_algorithm: HashAlgorithm::NONE,
        hash_value: Bytes::new(),
    }
}

fn with_key(key: &ValueKey, value: MetaData) -> MetaDataValue {
    match key {
        ValueKey::Single => MetaDataValue::Single(value),
        ValueKey::Index(index) => MetaDataValue::Array { index: *index, value },
        ValueKey::Key(key) => MetaDataValue::Dictionary { key: key.clone(), value },
    }
}
