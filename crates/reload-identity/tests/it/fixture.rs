//! An overlay with an authority and two nodes, and the keys of `testvectors/identity`.

use bytes::Bytes;
use reload_config::Leniency;
use reload_identity::{
    Algorithm, Credentials, Issuer, KeyPair, Trust, TrustSettings, Validity, certificates_from_pem,
};
use reload_wire::{NodeId, NodeIdLength, UnixTime};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const OVERLAY: &str = "vectors.example";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn year() -> Validity {
    Validity::starting(NOW, DAY * 365)
}

pub(crate) fn node_id(byte: u8) -> NodeId {
    NodeId::new(&[byte; 16]).unwrap()
}

pub(crate) fn key() -> KeyPair {
    KeyPair::generate(Algorithm::EcdsaP256).unwrap()
}

pub(crate) fn ca(name: &str) -> Issuer {
    Issuer::create(key(), name, year()).unwrap()
}

pub(crate) fn trust_in(roots: &[Bytes], leniency: Leniency, bad_nodes: &[NodeId]) -> Trust {
    Trust::from_settings(&TrustSettings {
        overlay: OVERLAY,
        node_id_length: NodeIdLength::DEFAULT,
        root_certs: roots,
        self_signed: None,
        bad_nodes,
        leniency,
    })
    .unwrap()
}

pub(crate) fn trust(ca: &Issuer) -> Trust {
    trust_in(&[ca.certificate_der().clone()], Leniency::Strict, &[])
}

/// A node of the authority with these Node-IDs.
pub(crate) fn node(ca: &Issuer, ids: &[u8], user: Option<&str>) -> Credentials {
    let key = key();
    let ids: Vec<NodeId> = ids.iter().map(|byte| node_id(*byte)).collect();
    let der = ca.node_certificate(key.spki(), OVERLAY, &ids, user, year()).unwrap();
    let certificate = trust(ca).check(&der, &[], NOW).unwrap();
    Credentials::new(key, certificate).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testvectors/identity")
}

pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

pub(crate) fn der(name: &str) -> Bytes {
    certificates_from_pem(&text(name)).unwrap().remove(0)
}

/// The trust in the authority of `testvectors/identity`.
pub(crate) fn vector_trust(leniency: Leniency) -> Trust {
    trust_in(&[der("ca.crt.pem")], leniency, &[])
}

/// The credentials of `testvectors/identity`: `ecdsa`, `rsa` or `two`.
pub(crate) fn vector_credentials(name: &str) -> Credentials {
    let key = if name == "two" { "rsa" } else { name };
    let trust = vector_trust(Leniency::Strict);
    let (key, certificate) = (text(&format!("{key}.key.pem")), text(&format!("{name}.crt.pem")));
    Credentials::load(&key, &certificate, &trust, NOW).unwrap()
}
