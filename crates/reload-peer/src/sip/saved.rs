//! What a home keeps of the registration of its user: the file `sip-registration`.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reload_usages::sip::{RegistrationState, SavedRecord};
use reload_wire::UnixTime;
use serde::{Deserialize, Serialize};

use crate::home::{Home, SIP};

/// The registration, and whether calls are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) state: RegistrationState,
    /// Where calls go instead of to the phones.
    pub(super) forward: Option<String>,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Form {
    /// Milliseconds since 1970.
    last_storage_time: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<RecordForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forward: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecordForm {
    /// base64 of the SipRegistration; none for a removal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    expires: u32,
    kept: bool,
    /// Milliseconds since 1970.
    ends: u64,
}

impl Saved {
    /// Reads it; none if there is no file, or none that can be used, which is told.
    pub(super) fn read(home: &Home) -> Option<Self> {
        if !home.has(SIP) {
            return None;
        }
        let read =
            home.read(SIP).map_err(anyhow::Error::from).and_then(|bytes| Self::parse(&bytes));
        read.inspect_err(|error| {
            let path = home.path(SIP);
            tracing::warn!(
                "{} is passed over, phones have to register anew: {error:#}",
                path.display()
            );
        })
        .ok()
    }

    /// Writes it.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(&self, home: &Home) -> anyhow::Result<()> {
        Ok(home.write(SIP, &self.to_json()?)?)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let form: Form = serde_json::from_slice(bytes).context("it is damaged")?;
        let record = form.record.map(RecordForm::read).transpose()?;
        let last_storage_time = UnixTime(form.last_storage_time);
        let state = RegistrationState { last_storage_time, record };
        Ok(Self { state, forward: form.forward })
    }

    fn to_json(&self) -> anyhow::Result<Vec<u8>> {
        let form = Form {
            last_storage_time: self.state.last_storage_time.0,
            record: self.state.record.as_ref().map(RecordForm::of),
            forward: self.forward.clone(),
        };
        Ok(serde_json::to_vec_pretty(&form)?)
    }
}

impl RecordForm {
    fn of(record: &SavedRecord) -> Self {
        let value = record.value.as_ref().map(|value| STANDARD.encode(value));
        Self { value, expires: record.expires, kept: record.kept, ends: record.ends.0 }
    }

    fn read(self) -> anyhow::Result<SavedRecord> {
        let value = self.value.map(|text| STANDARD.decode(text)).transpose()?;
        let (expires, kept, ends) = (self.expires, self.kept, UnixTime(self.ends));
        Ok(SavedRecord { value: value.map(Into::into), expires, kept, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let record = SavedRecord {
            value: Some(vec![1, 0, 255].into()),
            expires: 3600,
            kept: false,
            ends: UnixTime(1_800_000_000_123),
        };
        let state = RegistrationState {
            last_storage_time: UnixTime(1_700_000_000_000),
            record: Some(record),
        };
        Saved { state, forward: Some("bob@test.example.org".to_owned()) }
    }

    #[test]
    fn a_registration_survives_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        assert_eq!(Saved::read(&home), None);
        saved().write(&home).unwrap();
        assert_eq!(Saved::read(&home), Some(saved()));
        let removal = SavedRecord { value: None, ..saved().state.record.unwrap() };
        let state = RegistrationState { record: Some(removal), ..saved().state };
        let removal = Saved { state, forward: None };
        removal.write(&home).unwrap();
        assert_eq!(Saved::read(&home), Some(removal));
    }

    #[test]
    fn a_damaged_file_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        for damage in [
            "",
            "{}",
            "{\"last_storage_time\": 1, \"record\": {\"value\": \"!\", \"expires\": 1, \"kept\": false, \"ends\": 1}}",
        ] {
            home.write(SIP, damage.as_bytes()).unwrap();
            assert_eq!(Saved::read(&home), None, "{damage}");
        }
    }
}
