//! Stored values, metadata and specifiers: structures whose layout follows from the data model.

use reload_wire::{
    DataModel, DataValue, Decode, Dialect, Encode, MetaDataValue, ModelSpecifier, StoredData,
    StoredDataSpecifier, StoredDataValue, StoredMetaData, TurnServer,
};

use crate::round::{again, dialect_and_rest, round_trip};

/// The first byte chooses the length of Node-IDs, the second the structure, the rest is it.
pub fn stored_values(data: &[u8]) {
    let Some((dialect, rest)) = dialect_and_rest(data) else { return };
    let Some((choice, bytes)) = rest.split_first() else { return };
    match choice % 8 {
        0 => {
            if let Some(value) = round_trip::<StoredData>(&dialect, bytes) {
                open_all(&dialect, &value);
            }
        }
        1 => DataModel::ALL.into_iter().for_each(|model| {
            again(bytes, |bytes| StoredDataValue::decode_as(&dialect, model, bytes));
        }),
        2 => open_metadata(&dialect, bytes),
        3 => open_specifier(&dialect, bytes),
        4 => drop(round_trip::<StoredMetaData>(&dialect, bytes)),
        5 => drop(round_trip::<StoredDataSpecifier>(&dialect, bytes)),
        6 => drop(round_trip::<DataValue>(&dialect, bytes)),
        _ => drop(round_trip::<TurnServer>(&dialect, bytes)),
    }
}

/// Opens a stored value in every data model: the bytes stay the same, and it opens to itself.
pub(crate) fn open_all(dialect: &Dialect, data: &StoredData) {
    let written = data.to_bytes().expect("it was read from fewer bytes");
    for model in DataModel::ALL {
        let Ok((opened, value)) = data.open(dialect, model) else { continue };
        assert_eq!(value.model(), model);
        assert_eq!(opened.to_bytes().as_ref(), Ok(&written), "{model}: bytes have changed");
        assert_eq!(value.to_bytes().as_ref(), Ok(&opened.value), "{model}");
        assert_eq!(opened.open(dialect, model), Ok((opened.clone(), value)), "{model}");
        let again = StoredData::decode_exact(dialect, &written).expect("it was read before");
        assert_eq!(again.open(dialect, model).ok().map(|(it, _)| it), Some(opened), "{model}");
    }
}

/// Reads metadata in every data model.
pub(crate) fn open_metadata(dialect: &Dialect, bytes: &[u8]) {
    for model in DataModel::ALL {
        again(bytes, |bytes| MetaDataValue::decode_as(dialect, model, bytes));
    }
}

/// Reads a specifier in every data model.
pub(crate) fn open_specifier(dialect: &Dialect, bytes: &[u8]) {
    for model in DataModel::ALL {
        again(bytes, |bytes| ModelSpecifier::decode_as(dialect, model, bytes));
    }
}
