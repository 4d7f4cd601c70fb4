//! An overlay with a CA, writers with real keys, and a home with a store.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reload_config::{
    AccessControl, Configuration, ConfigurationBuilder, KindBlock, KindDefinition, Leniency,
};
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, Validity, certificates_to_pem, sign_value,
    verify_value_of,
};
use reload_storage::{Address, Batch, Change, Slot, Store, StoredValue, ValueKey};
use reload_store::{PersistentStore, ReadBack, Report, Settings};
use reload_wire::{DataModel, DataValue, KindId, NodeId, ResourceId, UnixTime};
use tempfile::TempDir;

pub const OVERLAY: &str = "example.org";
pub const SINGLE: KindId = KindId(0xf000_0001);
pub const NODE: KindId = KindId(0xf000_0005);
pub const LIFETIME: u32 = 3600;

/// The overlay and the home of one peer.
pub struct Bed {
    pub configuration: Configuration,
    issuer: Issuer,
    pub home: TempDir,
}

pub fn hash(name: &[u8]) -> ResourceId {
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, name);
    ResourceId::new(&hash.as_ref()[..16]).unwrap()
}

pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixTime(u64::try_from(since.as_millis()).unwrap())
}

pub fn kind(id: KindId, access: AccessControl) -> KindBlock {
    KindBlock::new(KindDefinition::private(id, DataModel::Single, access, 1, 9999))
}

impl Bed {
    pub fn new() -> Self {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let year = Validity::starting(now(), Duration::from_secs(365 * 86_400));
        let issuer = Issuer::create(key, "Test CA", year).unwrap();
        let mut builder = ConfigurationBuilder::new(OVERLAY);
        builder.root_certs = vec![issuer.certificate_der().clone()];
        builder.kinds =
            vec![kind(SINGLE, AccessControl::UserMatch), kind(NODE, AccessControl::NodeMatch)];
        let configuration = builder.to_configuration().unwrap();
        Self { configuration, issuer, home: tempfile::tempdir().unwrap() }
    }

    pub fn directory(&self) -> PathBuf {
        self.home.path().join("store")
    }

    pub fn file(&self) -> PathBuf {
        self.directory().join("values.redb")
    }

    /// The same overlay with other Kinds.
    pub fn with_kinds(&mut self, kinds: Vec<KindBlock>, bad_nodes: Vec<NodeId>) {
        let mut builder = ConfigurationBuilder::from_configuration(&self.configuration).unwrap();
        builder.kinds = kinds;
        builder.bad_nodes = bad_nodes;
        self.configuration = builder.to_configuration().unwrap();
    }

    pub fn trust(&self) -> Trust {
        Trust::new(&self.configuration, Leniency::Strict).unwrap()
    }

    pub fn writer(&self, name: &str, valid: Duration) -> Credentials {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let validity = Validity::starting(now(), valid);
        let (node, user) = (node_id(name), format!("{name}@{OVERLAY}"));
        let der = self.issuer.node_certificate(key.spki(), OVERLAY, &[node], Some(&user), validity);
        let pem = certificates_to_pem([&der.unwrap()]);
        Credentials::load(&key.to_pem(), &pem, &self.trust(), now()).unwrap()
    }

    pub fn open(&self) -> (PersistentStore, Report) {
        let trust = self.trust();
        let read_back =
            ReadBack { configuration: &self.configuration, trust: &trust, resource_id: &hash };
        PersistentStore::open(&self.directory(), &read_back, Settings::default()).unwrap()
    }

    /// A batch with one value at a resource, and its counter.
    pub fn batch(
        &self,
        writer: &Credentials,
        resource: &ResourceId,
        kind: KindId,
        lifetime: u32,
    ) -> Batch {
        let data = DataValue::new(Bytes::from(vec![7; 600]));
        let value = ValueKey::Single.with(data);
        let signed = sign_value(writer, resource, kind, now(), lifetime, &value).unwrap();
        let certificate = writer.certificate();
        let place = (kind, DataModel::Single);
        let verified =
            verify_value_of(&signed, resource, place, &self.trust(), certificate, now()).unwrap();
        let at = Address { resource: resource.clone(), kind, key: ValueKey::Single };
        let resource = resource.clone();
        [
            Change::Put(at, Box::new(StoredValue::new(&verified, now()))),
            Change::Generation { resource, kind, generation: 5 },
        ]
        .into_iter()
        .collect()
    }
}

pub fn node_id(name: &str) -> NodeId {
    let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    NodeId::new(&hash.as_ref()[..16]).unwrap()
}

pub fn user_resource(name: &str) -> ResourceId {
    hash(format!("{name}@{OVERLAY}").as_bytes())
}

pub fn slot<'a>(store: &'a PersistentStore, name: &str) -> Option<&'a Slot> {
    store.slot(&user_resource(name), SINGLE)
}
