//! An overlay for tests: a configuration with one Kind of each sort, writers, a place that says what
//! a test wants, and the way from a request to `Verified` and from an answer to values.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_config::{AccessControl, Configuration, ConfigurationBuilder, KindBlock};
use reload_config::{KindDefinition, Leniency};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, KindModels, StoreReq, Trust, Validity, Verified,
    VerifiedCertificate, certificates_to_pem, seal, sign_value, verify_message, verify_store,
};
use reload_storage::{Answer, CopyBatch, MemoryStore, Place, Refusal, Storage, Store, Stored};
use reload_wire::{
    DataModel, DataValue, Decode, Dialect, Encode, FetchAns, ForwardingHeader, Fragment, KindId,
    MessageCode, MessageContents, MessageParts, NodeId, Now, ResourceId, StoreKindData, StoredData,
    StoredDataValue, TransactionId, UnixTime,
};
use ring::digest;
use std::sync::Arc;

pub const OVERLAY: &str = "example.org";
/// USER-MATCH, one of each data model.
pub const SINGLE: KindId = KindId(0xf000_0001);
pub const ARRAY: KindId = KindId(0xf000_0002);
pub const DICTIONARY: KindId = KindId(0xf000_0003);
/// NODE-MULTIPLE with i up to [`MAX_I`].
pub const MULTIPLE: KindId = KindId(0xf000_0004);
/// NODE-MATCH.
pub const NODE: KindId = KindId(0xf000_0005);
/// USER-NODE-MATCH.
pub const USER_NODE: KindId = KindId(0xf000_0006);
/// In no configuration.
pub const UNKNOWN: KindId = KindId(0xf000_1234);

pub const MAX_COUNT: usize = 6;
pub const MAX_SIZE: usize = 100;
pub const MAX_I: u8 = 3;
/// Seconds of most values here.
pub const LIFETIME: u32 = 3600;

pub struct Bed {
    pub configuration: Configuration,
    pub trust: Trust,
    pub now: Now,
    issuer: Option<Issuer>,
}

impl Bed {
    /// Writers with the signatures of the simulation only.
    pub fn new() -> Self {
        Self::build(None)
    }

    /// Writers with real keys too.
    pub fn with_authority() -> Self {
        let year = Validity::starting(start().wall, Duration::from_secs(365 * 86_400));
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        Self::build(Some(Issuer::create(key, "Test CA", year).unwrap()))
    }

    fn build(issuer: Option<Issuer>) -> Self {
        let mut builder = ConfigurationBuilder::new(OVERLAY);
        builder.kinds = kinds();
        if let Some(issuer) = &issuer {
            builder.root_certs = vec![issuer.certificate_der().clone()];
        }
        let configuration = builder.to_configuration().unwrap();
        let trust = Trust::new(&configuration, Leniency::Strict).unwrap().for_simulation();
        Self { configuration, trust, now: start(), issuer }
    }

    /// The same overlay with other Kinds and bad-nodes.
    pub fn reconfigured(&self, kinds: Vec<KindBlock>, bad_nodes: Vec<NodeId>) -> Configuration {
        let mut builder = ConfigurationBuilder::from_configuration(&self.configuration).unwrap();
        builder.kinds = kinds;
        builder.bad_nodes = bad_nodes;
        builder.to_configuration().unwrap()
    }

    pub fn storage(&self) -> Storage<MemoryStore> {
        Storage::new(MemoryStore::new(), &self.configuration)
    }

    pub fn wait(&mut self, span: Duration) {
        self.now = self.now.after(span);
    }

    /// A simulated node of the user `name@example.org`.
    pub fn writer(&self, name: &str) -> Credentials {
        Credentials::simulate(node_id(name), Some(&user(name)), &self.trust).unwrap()
    }

    /// A node with a real key and certificate, of several Node-IDs, acting as the first.
    pub fn real_writer(&self, name: &str, node_ids: &[NodeId], valid: Duration) -> Credentials {
        let issuer = self.issuer.as_ref().expect("the bed has an authority");
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let validity = Validity::starting(self.now.wall, valid);
        let der = issuer
            .node_certificate(key.spki(), OVERLAY, node_ids, Some(&user(name)), validity)
            .unwrap();
        let pem = certificates_to_pem([&der]);
        Credentials::load(&key.to_pem(), &pem, &self.trust, self.now.wall).unwrap()
    }

    pub fn user_resource(&self, name: &str) -> ResourceId {
        resource_id(user(name).as_bytes())
    }

    /// A request whose values and message are signed by `writer`.
    pub fn sign(&self, writer: &Credentials, request: &Request) -> Verified<StoreReq> {
        self.sign_by(writer, writer, request)
    }

    /// A request of `sender` with the values of `writer`.
    pub fn sign_by(
        &self,
        sender: &Credentials,
        writer: &Credentials,
        request: &Request,
    ) -> Verified<StoreReq> {
        let body = request.signed(writer).to_bytes().unwrap();
        let known = [Arc::clone(sender.certificate()), Arc::clone(writer.certificate())];
        self.verified(sender, body, &[], &known)
    }

    /// What a copy is at the peer that gets it: nothing is known but what the message brings.
    pub fn sign_copy(&self, batch: &CopyBatch) -> Verified<StoreReq> {
        let peer = self.writer("the peer that copies");
        self.verified(&peer, batch.body.clone(), &batch.certificates, &[])
    }

    fn verified(
        &self,
        sender: &Credentials,
        body: Bytes,
        certificates: &[Bytes],
        known: &[Arc<VerifiedCertificate>],
    ) -> Verified<StoreReq> {
        let message = self.message(sender, MessageCode::STORE_REQUEST, body, certificates);
        let now = self.now.wall;
        let message = verify_message(message, &self.trust, known, now).unwrap();
        let models = KindModels::new(&self.configuration);
        verify_store(&message, &self.trust, known, &models, now).unwrap()
    }

    /// A message as it arrives.
    pub fn message(
        &self,
        sender: &Credentials,
        code: MessageCode,
        body: Bytes,
        certificates: &[Bytes],
    ) -> MessageParts {
        let overlay = self.configuration.overlay_hash();
        let transaction_id = TransactionId(1);
        let contents = MessageContents::new(code, body);
        let rest = seal(sender, overlay, transaction_id, &contents, certificates).unwrap();
        let header = ForwardingHeader {
            overlay,
            configuration_sequence: 0,
            ttl: 100,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id,
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: Vec::new(),
            options: Vec::new(),
        };
        let bytes = header.join(&rest, reload_wire::MAX_MESSAGE_SIZE).unwrap();
        MessageParts::decode(&Dialect::default(), &bytes).unwrap()
    }

    /// Stores at a peer that is responsible for everything.
    pub fn store<S: Store>(
        &self,
        storage: &mut Storage<S>,
        writer: &Credentials,
        request: &Request,
    ) -> Result<Stored, Refusal> {
        storage.store(self.now, &self.sign(writer, request), &TestPlace::responsible())
    }

    /// Generation counter and all values of a Kind.
    pub fn fetch_all<S: Store>(
        &self,
        storage: &Storage<S>,
        resource: &ResourceId,
        kind: KindId,
    ) -> (u64, Vec<Fetched>) {
        let request = storage.fetch_all_request(resource, &[kind]).unwrap();
        let answer = storage.fetch(self.now, &request, None).unwrap();
        values_of(&answer, storage.model(kind).unwrap())
    }

    /// The bytes of a single value, or none.
    pub fn single<S: Store>(&self, storage: &Storage<S>, resource: &ResourceId) -> Option<Bytes> {
        let (_, values) = self.fetch_all(storage, resource, SINGLE);
        let data = values[0].value.data().clone();
        data.exists.then_some(data.value)
    }

    pub fn is_synthetic(&self, value: &Fetched) -> bool {
        !value.value.data().exists && value.storage_time == UnixTime(0)
    }
}

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub storage_time: UnixTime,
    pub lifetime: u32,
    pub value: StoredDataValue,
}

/// Generation counter and values of the first Kind of a FetchAns.
pub fn values_of(answer: &Answer, model: DataModel) -> (u64, Vec<Fetched>) {
    let dialect = Dialect::default();
    let answer = FetchAns::decode_exact(&dialect, &answer.body).unwrap();
    let response = &answer.kind_responses[0];
    let fetched = |data: &StoredData| Fetched {
        storage_time: data.storage_time,
        lifetime: data.lifetime,
        value: StoredDataValue::decode_as(&dialect, model, &data.value).unwrap(),
    };
    (response.generation, response.values.iter().map(fetched).collect())
}

/// Storage time, lifetime and value of each.
pub type Values = Vec<(u64, u32, StoredDataValue)>;

/// A StoreReq before its values are signed: Kind, generation counter and values.
#[derive(Clone, Debug)]
pub struct Request {
    pub resource: ResourceId,
    pub replica_number: u8,
    pub kinds: Vec<(KindId, u64, Values)>,
}

impl Request {
    pub fn new(resource: &ResourceId) -> Self {
        Self { resource: resource.clone(), replica_number: 0, kinds: Vec::new() }
    }

    /// One value of lifetime [`LIFETIME`] with generation counter 0.
    pub fn of(resource: &ResourceId, kind: KindId, time: u64, value: StoredDataValue) -> Self {
        Self::new(resource).kind(kind, 0, vec![(time, LIFETIME, value)])
    }

    pub fn kind(mut self, kind: KindId, generation: u64, values: Values) -> Self {
        self.kinds.push((kind, generation, values));
        self
    }

    pub fn replica(self, replica_number: u8) -> Self {
        Self { replica_number, ..self }
    }

    /// Sets the generation counter of all Kinds.
    pub fn generation(mut self, generation: u64) -> Self {
        self.kinds.iter_mut().for_each(|kind| kind.1 = generation);
        self
    }

    fn signed(&self, writer: &Credentials) -> reload_wire::StoreReq {
        let sign = |kind: KindId, (time, lifetime, value): &(u64, u32, StoredDataValue)| {
            sign_value(writer, &self.resource, kind, UnixTime(*time), *lifetime, value).unwrap()
        };
        let data = |(kind, generation, values): &(KindId, u64, Vec<_>)| StoreKindData {
            kind: *kind,
            generation_counter: *generation,
            values: values.iter().map(|value| sign(*kind, value)).collect(),
        };
        reload_wire::StoreReq {
            resource: self.resource.clone(),
            replica_number: self.replica_number,
            kind_data: self.kinds.iter().map(data).collect(),
        }
    }
}

/// A place in the overlay that is what the test says; SHA-1 as in section 10.2.
#[derive(Clone, Copy, Debug)]
pub struct TestPlace {
    pub responsible: bool,
    pub admits: bool,
}

impl TestPlace {
    pub fn responsible() -> Self {
        Self { responsible: true, admits: true }
    }

    pub fn replica() -> Self {
        Self { responsible: false, admits: true }
    }

    pub fn elsewhere() -> Self {
        Self { responsible: false, admits: false }
    }
}

impl Place for TestPlace {
    fn resource_id(&self, name: &[u8]) -> ResourceId {
        resource_id(name)
    }

    fn is_responsible(&self, _: &ResourceId) -> bool {
        self.responsible
    }

    fn admits_replica(&self, _: &ResourceId, _: &NodeId) -> bool {
        self.admits
    }
}

pub fn resource_id(name: &[u8]) -> ResourceId {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, name);
    ResourceId::new(&hash.as_ref()[..16]).unwrap()
}

pub fn user(name: &str) -> String {
    format!("{}@{OVERLAY}", name.replace(' ', "-"))
}

pub fn node_id(name: &str) -> NodeId {
    NodeId::new(&digest::digest(&digest::SHA256, name.as_bytes()).as_ref()[..16]).unwrap()
}

pub fn single(value: &[u8]) -> StoredDataValue {
    StoredDataValue::Single(DataValue::new(Bytes::copy_from_slice(value)))
}

/// An array entry.
pub fn put(index: u32, value: &[u8]) -> StoredDataValue {
    StoredDataValue::Array { index, value: DataValue::new(Bytes::copy_from_slice(value)) }
}

pub fn append(value: &[u8]) -> StoredDataValue {
    put(StoredDataValue::APPEND, value)
}

pub fn entry(key: &[u8], value: &[u8]) -> StoredDataValue {
    let value = DataValue::new(Bytes::copy_from_slice(value));
    StoredDataValue::Dictionary { key: Bytes::copy_from_slice(key), value }
}

pub fn removed() -> StoredDataValue {
    StoredDataValue::Single(DataValue::absent())
}

pub fn kinds() -> Vec<KindBlock> {
    let kind = |id, model, access, count: usize| {
        let (count, size) = (u32::try_from(count).unwrap(), u32::try_from(MAX_SIZE).unwrap());
        KindBlock::new(KindDefinition::private(id, model, access, count, size))
    };
    let multiple = AccessControl::NodeMultiple { max: MAX_I };
    vec![
        kind(SINGLE, DataModel::Single, AccessControl::UserMatch, 1),
        kind(ARRAY, DataModel::Array, AccessControl::UserMatch, MAX_COUNT),
        kind(DICTIONARY, DataModel::Dictionary, AccessControl::UserMatch, MAX_COUNT),
        kind(MULTIPLE, DataModel::Single, multiple, 1),
        kind(NODE, DataModel::Single, AccessControl::NodeMatch, 1),
        kind(USER_NODE, DataModel::Dictionary, AccessControl::UserNodeMatch, MAX_COUNT),
    ]
}

/// Both clocks at the start of a test.
#[expect(clippy::disallowed_methods, reason = "an Instant can be had no other way")]
fn start() -> Now {
    Now { mono: Instant::now(), wall: UnixTime::from_secs(1_800_000_000) }
}
