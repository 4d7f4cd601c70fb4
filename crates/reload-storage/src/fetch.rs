//! Fetch (section 7.4.2): the values asked for, with the certificates of their writers.

use bytes::Bytes;
use reload_identity::{VerifiedCertificate, synthetic_signature};
use reload_wire::{
    DataValue, Encode, FetchAns, FetchKindResponse, FetchReq, Now, ResourceId, SignerIdentity,
    StoredData, StoredDataSpecifier, UnixTime,
};

use crate::refusal::Refusal;
use crate::select::{Selected, Selection};
use crate::storage::Storage;
use crate::store::Store;
use crate::values::ValueKey;

/// The message body of an answer and what its security block has to hold besides the own certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The message body.
    pub body: Bytes,
    /// The certificates (DER) of the writers of the values, each once.
    pub certificates: Vec<Bytes>,
}

impl<S: Store> Storage<S> {
    /// Answers a Fetch from what is here; whether this peer should be asked is the node's business.
    /// `max_size` is for body and certificates together: an answer is never cut.
    ///
    /// # Errors
    ///
    /// Unknown Kinds, bad specifiers, or an answer that would be larger than `max_size`.
    pub fn fetch(
        &self,
        now: Now,
        request: &FetchReq,
        max_size: Option<usize>,
    ) -> Result<Answer, Refusal> {
        let mut budget = Budget::new(max_size);
        let mut certificates = Certificates::default();
        let mut kind_responses = Vec::new();
        for selection in self.selections(now, &request.resource, &request.specifiers)? {
            budget.spend(RESPONSE_HEADER)?;
            let mut values = Vec::new();
            selection.visit(|selected| {
                let data = stored_data(&selected, now.wall)?;
                budget.spend(stored_data_size(&data))?;
                if let Selected::Stored(_, value) = selected {
                    budget.spend(certificates.add(value.certificate()))?;
                }
                values.push(data);
                Ok(())
            })?;
            let (kind, generation) = (selection.kind().id, selection.generation());
            kind_responses.push(FetchKindResponse { kind, generation, values });
        }
        let body = FetchAns { kind_responses }.to_bytes()?;
        Ok(Answer { body, certificates: certificates.into_list() })
    }

    /// The selections of a Fetch or Stat, one a specifier.
    pub(crate) fn selections(
        &self,
        now: Now,
        resource: &ResourceId,
        specifiers: &[StoredDataSpecifier],
    ) -> Result<Vec<Selection<'_>>, Refusal> {
        self.check_kinds(specifiers.iter().map(|specifier| specifier.kind))?;
        let known =
            specifiers.iter().filter_map(|asked| Some((asked, self.kinds.get(asked.kind)?)));
        known
            .map(|(asked, kind)| {
                let slot = self.store.slot(resource, kind.id);
                let state = (slot, self.store.generation(resource, kind.id));
                Selection::read(&self.dialect, kind, state, asked, now.wall)
            })
            .collect()
    }
}

/// Bytes of a response before its values: Kind, generation counter, length (section 7.4.2.2).
pub(crate) const RESPONSE_HEADER: usize = 4 + 8 + 4;

/// Certificates of an answer or a copy, each once.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    list: Vec<Bytes>,
}

/// Bytes around a certificate in a security block: its type and length (section 6.3.4).
const CERTIFICATE_HEADER: usize = 1 + 2;

impl Certificates {
    /// Adds a certificate and its chain; gives the bytes that they add to the message.
    pub(crate) fn add(&mut self, certificate: &VerifiedCertificate) -> usize {
        let new = self.missing(certificate);
        self.list.extend(new.iter().cloned());
        size_of(&new)
    }

    /// The bytes that [`Certificates::add`] would add.
    pub(crate) fn cost(&self, certificate: &VerifiedCertificate) -> usize {
        size_of(&self.missing(certificate))
    }

    pub(crate) fn into_list(self) -> Vec<Bytes> {
        self.list
    }

    fn missing(&self, certificate: &VerifiedCertificate) -> Vec<Bytes> {
        let all = std::iter::once(certificate.der()).chain(certificate.chain());
        all.filter(|der| !self.list.contains(der)).cloned().collect()
    }
}

fn size_of(certificates: &[Bytes]) -> usize {
    certificates.iter().map(|der| CERTIFICATE_HEADER + der.len()).sum()
}

/// What an answer may still grow by.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Option<usize>,
    spent: usize,
}

impl Budget {
    /// A budget of `limit` bytes for a whole answer; its own length field is taken at once.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self { limit, spent: 4 }
    }

    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.spent = self.spent.saturating_add(bytes);
        match self.limit {
            Some(limit) if self.spent > limit => Err(Refusal::AnswerTooLarge { limit }),
            Some(_) | None => Ok(()),
        }
    }
}

fn stored_data(selected: &Selected<'_>, now: UnixTime) -> Result<StoredData, Refusal> {
    match selected {
        Selected::Stored(key, value) => Ok(value.to_wire(key, now)?),
        Selected::Absent(key) => synthetic(key),
    }
}

/// The value for an element that isn't there: unsigned, as the answer is signed (7.4.2.2, E05).
fn synthetic(key: &ValueKey) -> Result<StoredData, Refusal> {
    Ok(StoredData {
        storage_time: UnixTime(0),
        lifetime: 0,
        value: key.with(DataValue::absent()).to_bytes()?,
        signature: synthetic_signature(),
    })
}

/// Bytes of an encoded StoredData (sections 7 and 6.3.4).
pub(crate) fn stored_data_size(data: &StoredData) -> usize {
    let identity = match &data.signature.identity {
        SignerIdentity::CertHash { hash, .. } | SignerIdentity::CertHashNodeId { hash, .. } => {
            1 + 1 + hash.len()
        }
        SignerIdentity::None => 0,
        SignerIdentity::Unknown { data, .. } => data.len(),
    };
    let signature = 2 + (1 + 2 + identity) + 2 + data.signature.value.len();
    4 + 8 + 4 + data.value.len() + signature
}
