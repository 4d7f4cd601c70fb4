//! What a storing peer takes as a registration.

use reload_storage::Candidate;
use reload_wire::Dialect;

use super::*;

fn taken(value: DataValue) -> bool {
    let mut bed = Bed::new();
    bed.register("bob@dht.example.org", 7, &route(7));
    let fetched = bed.fetch(&hash(b"bob@dht.example.org"));
    let signer = fetched[0].values[0].signer();
    let key = Bytes::copy_from_slice(node(7).as_bytes());
    let value = StoredDataValue::Dictionary { key, value };
    let (dialect, resource) = (&Dialect::default(), &hash(b"bob@dht.example.org"));
    is_registration(&Candidate { dialect, resource, value: &value, signer })
}

// R7904-3.2-05, R7904-3.2-06, R7904-3.2-07
#[test]
fn registrations_of_all_types_are_taken_and_removals() {
    let future = SipRegistration::Unknown { kind: 7, data: Bytes::from_static(b"abc") };
    let odd = SipRegistration::Route {
        contact_prefs: Bytes::from_static(b"((("),
        destination_list: vec![Destination::compact(1)],
    };
    let unescaped = SipRegistration::Uri(Bytes::from_static(b"a#b@dht.example.org"));
    for value in [route(7), forward("sip:sam@dht.example.org"), future, odd, unescaped] {
        assert!(taken(DataValue::new(value.to_bytes().unwrap())), "{value:?}");
    }
    assert!(taken(DataValue::absent()));
}

// R7904-3.2-04, R7904-3.2-06
#[test]
fn what_no_reader_could_use_is_not_taken() {
    let nobody = SipRegistration::Uri(Bytes::from_static(b"sip:dht.example.org"));
    let noise = SipRegistration::Uri(Bytes::from_static(b"\xff@x"));
    for value in [nobody, noise] {
        assert!(!taken(DataValue::new(value.to_bytes().unwrap())), "{value:?}");
    }
    for bytes in
        [&b""[..], b"\x02\x00\x06\x00\x00\x00\x02\x80\x01", b"\x01\x00\x02\x00\x00\x00", b"text"]
    {
        assert!(!taken(DataValue::new(bytes)), "{bytes:?}");
    }
}
