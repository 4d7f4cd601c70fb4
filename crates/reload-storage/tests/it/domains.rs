//! The domains whose users may store SIP-REGISTRATION (RFC 7904 sections 3.3 and 3.4), and values that
//! the usage of a Kind does not take.

use bytes::Bytes;
use reload_config::iana_kind;
use reload_config::{Configuration, DomainPattern, DomainRestriction, KindBlock, KindDefinition};
use reload_identity::Credentials;
use reload_storage::{MemoryStore, Refusal, Storage};
use reload_wire::{DataValue, ErrorCode, KindId, StoredDataValue};

use crate::bed::*;

const SIP: KindId = KindId::SIP_REGISTRATION;

fn restricted(bed: &Bed, restriction: Option<DomainRestriction>) -> Configuration {
    let kind = KindDefinition::registered(iana_kind("SIP-REGISTRATION").unwrap(), 10, 1000);
    let kind = KindDefinition { domain_restriction: restriction, ..kind };
    bed.reconfigured(vec![KindBlock::new(kind)], Vec::new())
}

/// A bed with the Kind in place of its own, and its storage.
fn bed(restriction: Option<DomainRestriction>) -> (Bed, Storage<MemoryStore>) {
    let mut bed = Bed::new();
    bed.configuration = restricted(&bed, restriction);
    let storage = bed.storage();
    (bed, storage)
}

fn patterns(texts: &[&str]) -> DomainRestriction {
    let patterns = texts.iter().map(|text| DomainPattern::new(text).unwrap()).collect();
    DomainRestriction { enable: true, patterns }
}

fn user_of(bed: &Bed, aor: &str) -> Credentials {
    Credentials::simulate(node_id(aor), Some(aor), &bed.trust).unwrap()
}

/// Stores an entry under the writer's own AOR and Node-ID.
fn register(
    bed: &Bed,
    storage: &mut Storage<MemoryStore>,
    aor: &str,
    value: StoredDataValue,
) -> Result<(), Refusal> {
    let request = Request::of(&resource_id(aor.as_bytes()), SIP, 1, value);
    bed.store(storage, &user_of(bed, aor), &request).map(drop)
}

fn own_entry(aor: &str) -> StoredDataValue {
    entry(node_id(aor).as_bytes(), b"x")
}

fn taken(restriction: Option<DomainRestriction>, aor: &str) -> bool {
    let (bed, mut storage) = bed(restriction);
    match register(&bed, &mut storage, aor, own_entry(aor)) {
        Ok(()) => storage.value_count() == 1,
        Err(refusal) => {
            assert!(matches!(refusal, Refusal::ForeignDomain { .. }), "{refusal}");
            assert_eq!((refusal.code(), storage.value_count()), (ErrorCode::FORBIDDEN, 0));
            false
        }
    }
}

// R7904-3.4-05, R7904-3.4-06
#[test]
fn without_a_restriction_users_of_all_domains_are_taken() {
    for aor in ["a@example.org", "b@other.example", "c@third.test"] {
        assert!(taken(None, aor), "{aor}");
    }
}

// R7904-3.1-03, R7904-3.4-07, R7904-3.3-01, R7904-3.3-04, R7904-3.3-07
#[test]
fn a_restriction_that_is_not_enabled_takes_the_overlays_own_domain() {
    let own = DomainRestriction::own_domain();
    assert!(taken(Some(own.clone()), "a@example.org"));
    assert!(!taken(Some(own.clone()), "a@my.example"));
    assert!(!taken(Some(own), "a@sub.example.org"));
    let ignored = DomainRestriction { enable: false, ..patterns(&[r"my\.example"]) };
    assert!(!taken(Some(ignored), "a@my.example"));
}

// R7904-3.4-08, R7904-3.4-03, R7904-3.3-01, R7904-3.3-04, R7904-3.3-07
#[test]
fn an_enabled_restriction_takes_what_matches_a_pattern() {
    let two = || Some(patterns(&[r"dht\.example\.com", r".*\.my\.example"]));
    for aor in ["a@dht.example.com", "a@x.my.example"] {
        assert!(taken(two(), aor), "{aor}");
    }
    for aor in ["a@dht.example.com.evil", "a@example.com", "a@my.example", "a@example.org"] {
        assert!(!taken(two(), aor), "{aor}");
    }
    assert!(!taken(Some(patterns(&[])), "a@example.org"));
}

// R7904-3.3-01, R7904-3.3-07
#[test]
fn a_removal_passes_the_same_check() {
    let (bed, mut storage) = bed(Some(DomainRestriction::own_domain()));
    let key = Bytes::copy_from_slice(node_id("a@my.example").as_bytes());
    let removal = StoredDataValue::Dictionary { key, value: DataValue::absent() };
    let refusal = register(&bed, &mut storage, "a@my.example", removal).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::FORBIDDEN);
}

// R7904-3.3-02, R7904-3.3-05, R7904-3.3-06, R7904-3.3-07, R7904-3.3-08
#[test]
fn a_registration_stands_under_the_own_name_and_the_own_node_id() {
    let (bed, mut storage) = bed(None);
    let alice = user_of(&bed, "alice@example.org");
    let own = resource_id(b"alice@example.org");
    let bobs = resource_id(b"bob@example.org");
    let attempts = [
        (&bobs, own_entry("alice@example.org")),
        (&own, own_entry("bob@example.org")),
        (&own, own_entry("alice@example.org")),
    ];
    let codes = attempts.map(|(resource, value)| {
        let request = Request::of(resource, SIP, 1, value);
        bed.store(&mut storage, &alice, &request).err().map(|refusal| refusal.code())
    });
    assert_eq!(codes, [Some(ErrorCode::FORBIDDEN), Some(ErrorCode::FORBIDDEN), None]);
    assert_eq!(storage.value_count(), 1);
}

// R7904-7-04
#[test]
fn a_second_registration_of_a_node_replaces_the_first() {
    let (bed, mut storage) = bed(None);
    let alice = user_of(&bed, "alice@example.org");
    let own = resource_id(b"alice@example.org");
    for time in [1, 2] {
        let request = Request::of(&own, SIP, time, own_entry("alice@example.org"));
        bed.store(&mut storage, &alice, &request).unwrap();
    }
    assert_eq!(storage.value_count(), 1);
}
