//! The rules of the SIP usage, one a test.

mod addresses;
mod lookups;
mod preferences;
mod registrations;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reload_config::{
    Configuration, ConfigurationBuilder, DomainPattern, DomainRestriction, KindBlock,
    KindDefinition, Leniency, iana_kind,
};
use reload_identity::{
    Credentials, FetchedKind, KindModels, Trust, seal, sign_value, verify_fetch_answer,
    verify_message,
};
use reload_wire::{
    DataValue, Destination, Encode, FetchAns, FetchKindResponse, ForwardingHeader, Fragment,
    KindId, MessageCode, MessageContents, MessageParts, NodeId, Now, ResourceId, SipRegistration,
    StoredData, StoredDataValue, TransactionId, UnixTime,
};
use sha1::{Digest, Sha1};

use super::*;

const OVERLAY: &str = "dht.example.org";

#[allow(clippy::disallowed_methods, reason = "a test needs some moment to begin with")]
fn start() -> Now {
    Now { mono: Instant::now(), wall: UnixTime::from_secs(1_800_000_000) }
}

fn patterns(texts: &[&str]) -> DomainRestriction {
    let patterns = texts.iter().map(|text| DomainPattern::new(text).unwrap()).collect();
    DomainRestriction { enable: true, patterns }
}

/// The overlay with this restriction of domains.
fn restricted(domain_restriction: Option<DomainRestriction>) -> Configuration {
    let kind = KindDefinition::registered(iana_kind("SIP-REGISTRATION").unwrap(), 20, 4000);
    let mut builder = ConfigurationBuilder::new_overlay(OVERLAY);
    builder.kinds = vec![KindBlock::new(KindDefinition { domain_restriction, ..kind })];
    builder.to_configuration().unwrap()
}

/// That with its own domain alone.
fn configuration() -> Configuration {
    restricted(Some(DomainRestriction::own_domain()))
}

/// SHA-1, as in section 10.2.
fn hash(name: &[u8]) -> ResourceId {
    ResourceId::new(&Sha1::digest(name)[..16]).unwrap()
}

fn node(number: u128) -> NodeId {
    NodeId::from_u128(number)
}

fn aor(text: &str) -> Aor {
    Aor::parse(text).unwrap()
}

fn uri(text: &str) -> SipUri {
    SipUri::parse(text).unwrap()
}

fn forward(to: &str) -> SipRegistration {
    SipContact::forward(to).unwrap().registration().clone()
}

fn route(number: u128) -> SipRegistration {
    SipContact::node(&ContactPrefs::none(), node(number)).registration().clone()
}

fn preferring(prefs: &str, number: u128) -> SipRegistration {
    let prefs = ContactPrefs::parse(prefs.as_bytes()).unwrap();
    SipContact::node(&prefs, node(number)).registration().clone()
}

/// An overlay in which everybody has signed what there is.
struct Bed {
    configuration: Arc<Configuration>,
    trust: Trust,
    now: Now,
    values: Vec<(Aor, StoredData, Credentials)>,
}

impl Bed {
    fn new() -> Self {
        let configuration = Arc::new(configuration());
        let trust = Trust::new(&configuration, Leniency::Strict).unwrap().for_simulation();
        Self { configuration, trust, now: start(), values: Vec::new() }
    }

    fn user(&self, aor: &str, number: u128) -> Credentials {
        Credentials::simulate(node(number), Some(aor), &self.trust).unwrap()
    }

    /// The user registers this at the node of this number.
    fn register(&mut self, aor: &str, number: u128, registration: &SipRegistration) {
        let value = registration.to_bytes().unwrap();
        self.put(aor, &self.user(aor, number), node(number), &value);
    }

    /// A value of this signer under an AOR and a key.
    fn put(&mut self, name: &str, signer: &Credentials, key: NodeId, value: &Bytes) {
        let data = DataValue::new(value.clone());
        self.put_data(name, signer, key, data);
    }

    fn put_data(&mut self, name: &str, signer: &Credentials, key: NodeId, value: DataValue) {
        let key = Bytes::copy_from_slice(key.as_bytes());
        let value = StoredDataValue::Dictionary { key, value };
        let (resource, kind) = (hash(name.as_bytes()), KindId::SIP_REGISTRATION);
        let data = sign_value(signer, &resource, kind, self.now.wall, 600, &value).unwrap();
        self.values.push((aor(name), data, signer.clone()));
    }

    /// What a Fetch of a resource gives, its signatures checked as the node does.
    fn fetch(&self, resource: &ResourceId) -> Vec<FetchedKind> {
        let here = self.values.iter().filter(|(aor, ..)| aor.resource(hash) == *resource);
        let values = here.clone().map(|(_, data, _)| data.clone()).collect();
        let kind = KindId::SIP_REGISTRATION;
        let kind_responses = vec![FetchKindResponse { kind, generation: 1, values }];
        let body = FetchAns { kind_responses }.to_bytes().unwrap();
        let mut known: Vec<_> = here.map(|(_, _, signer)| signer.certificate().clone()).collect();
        let peer = self.user("peer@dht.example.org", 1_000_000);
        known.push(peer.certificate().clone());
        let message = verify_message(self.message(&peer, body), &self.trust, &known, self.now.wall);
        let models = KindModels::new(&self.configuration);
        let message = message.unwrap();
        let now = self.now.wall;
        verify_fetch_answer(&message, resource, &self.trust, &known, &models, now).unwrap().kinds
    }

    fn message(&self, sender: &Credentials, body: Bytes) -> MessageParts {
        let (overlay, transaction_id) = (self.configuration.overlay_hash(), TransactionId(1));
        let contents = MessageContents::new(MessageCode::FETCH_ANSWER, body);
        let rest = seal(sender, overlay, transaction_id, &contents, &[]).unwrap();
        let header = ForwardingHeader {
            overlay,
            configuration_sequence: 0,
            ttl: 100,
            fragment: Fragment::WHOLE,
            length: 0,
            transaction_id,
            max_response_length: 0,
            via_list: Vec::new(),
            destination_list: vec![Destination::Node(node(5))],
            options: Vec::new(),
        };
        let bytes = header.join(&rest, reload_wire::MAX_MESSAGE_SIZE).unwrap();
        MessageParts::decode(&self.configuration.dialect(), &bytes).unwrap()
    }
}
