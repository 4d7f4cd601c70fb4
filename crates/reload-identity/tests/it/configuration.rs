//! Signatures over configurations and Kinds (11.1, E11, E12).

use crate::fixture::{NOW, OVERLAY, ca, node, node_id, trust};
use reload_config::{
    Configuration, ConfigurationBuilder, Leniency, OverlayDocument, ReadOptions, assemble,
    assemble_unsigned,
};
use reload_identity::{
    ConfigurationError, Credentials, Issuer, OverlayConfig, Signers, Verified, VerifyError,
    sign_configuration, sign_kind, verify_configuration, verify_kind,
};
use reload_wire::{KindId, UnixTime};

fn builder(ca: &Issuer, signer: u8) -> ConfigurationBuilder {
    let mut builder = ConfigurationBuilder::new_overlay(OVERLAY);
    builder.sequence = 5;
    builder.root_certs = vec![ca.certificate_der().clone()];
    builder.configuration_signers = vec![node_id(signer)];
    builder.kind_signers = vec![node_id(signer)];
    builder
}

fn signed(mut builder: ConfigurationBuilder, by: &Credentials) -> Vec<u8> {
    builder.sign_kinds(|kind| sign_kind(by, kind)).unwrap();
    let raw = builder.build().unwrap();
    assemble(&raw, &sign_configuration(by, &raw).unwrap())
}

fn first_use(bytes: &[u8]) -> Result<Verified<OverlayConfig>, ConfigurationError> {
    let document = OverlayDocument::parse(bytes).unwrap();
    verify_configuration(&document, OVERLAY, Signers::FirstUse, Leniency::Strict, NOW)
}

fn after(previous: &Configuration, bytes: &[u8]) -> Result<(), ConfigurationError> {
    let document = OverlayDocument::parse(bytes).unwrap();
    let signers = Signers::Previous(previous);
    verify_configuration(&document, OVERLAY, signers, Leniency::Strict, NOW).map(|_| ())
}

#[test]
fn signed_configuration_is_taken_on_first_use() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let config = first_use(&signed(builder(&ca, 1), &signer)).unwrap();
    assert_eq!(config.signer.node_id, node_id(1));
    assert_eq!(config.configuration.sequence, 5);
}

// R6940-6.5.4.2-03, R6940-11.1-45, R6940-11.1-48
#[test]
fn every_changed_byte_of_the_configuration_is_refused() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let bytes = signed(builder(&ca, 1), &signer);
    let good = first_use(&bytes).unwrap().into_inner().configuration;
    let start = bytes.windows(14).position(|part| part == b"<configuration").unwrap();
    for index in start..start + good.raw.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let Ok(document) = OverlayDocument::parse(&changed) else { continue };
        let signers = Signers::Previous(&good);
        let result = verify_configuration(&document, OVERLAY, signers, Leniency::Strict, NOW);
        assert!(result.is_err(), "byte {index}");
    }
}

// R6940-4.1-01, R6940-6.3.2.1-01, R6940-11.1-48
#[test]
fn unsigned_configuration_is_refused() {
    let ca = ca("CA");
    let bytes = assemble_unsigned(&builder(&ca, 1).build().unwrap());
    let error = first_use(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "the configuration of vectors.example is not signed");
}

// R6940-11.1-47
#[test]
fn signer_must_be_listed_in_the_previous_configuration() {
    let ca = ca("CA");
    let (old, new) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let previous = first_use(&signed(builder(&ca, 1), &old)).unwrap().into_inner().configuration;
    let mut next = builder(&ca, 2);
    next.sequence = 6;
    let self_made = signed(next.clone(), &new);
    let expected = ConfigurationError::NotASigner(node_id(2));
    assert_eq!(after(&previous, &self_made), Err(expected));
    assert!(first_use(&self_made).is_ok());
    next.kind_signers = vec![node_id(1)];
    assert_eq!(after(&previous, &signed(next, &old)), Ok(()));
}

// R6940-11.1-48
#[test]
fn signer_of_another_authority_is_refused() {
    let (ours, theirs) = (ca("CA"), ca("Other"));
    let old = node(&ours, &[1], None);
    let previous = first_use(&signed(builder(&ours, 1), &old)).unwrap().into_inner().configuration;
    let mut next = builder(&theirs, 1);
    next.sequence = 6;
    let error = after(&previous, &signed(next, &node(&theirs, &[1], None))).unwrap_err();
    assert!(matches!(error, ConfigurationError::Signature(VerifyError::UnknownIssuer { .. })));
}

// R6940-6.5.4.2-02
#[test]
fn older_configuration_is_refused_and_the_same_one_is_not() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let bytes = signed(builder(&ca, 1), &signer);
    let previous = first_use(&bytes).unwrap().into_inner().configuration;
    assert_eq!(after(&previous, &bytes), Ok(()));
    let mut old = builder(&ca, 1);
    old.sequence = 4;
    let expected = ConfigurationError::Older { found: 4, current: 5 };
    assert_eq!(after(&previous, &signed(old, &signer)), Err(expected));
    let mut other = builder(&ca, 1);
    other.initial_ttl = 9;
    let expected = ConfigurationError::Older { found: 5, current: 5 };
    assert_eq!(after(&previous, &signed(other, &signer)), Err(expected));
}

#[test]
fn expired_configuration_and_expired_signer_are_refused() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let mut short = builder(&ca, 1);
    short.expiration = Some(UnixTime(NOW.0 - 1000));
    let error = first_use(&signed(short, &signer)).unwrap_err();
    assert!(matches!(error, ConfigurationError::Document(_)), "{error}");
    let document = OverlayDocument::parse(&signed(builder(&ca, 1), &signer)).unwrap();
    let late = UnixTime(NOW.0 * 2);
    let error = verify_configuration(&document, OVERLAY, Signers::FirstUse, Leniency::Strict, late)
        .unwrap_err();
    assert!(matches!(error, ConfigurationError::Signature(VerifyError::Expired { .. })));
}

#[test]
fn no_such_overlay_is_said() {
    let ca = ca("CA");
    let document =
        OverlayDocument::parse(&signed(builder(&ca, 1), &node(&ca, &[1], None))).unwrap();
    let error = verify_configuration(&document, "other", Signers::FirstUse, Leniency::Strict, NOW)
        .unwrap_err();
    assert!(matches!(error, ConfigurationError::Document(_)), "{error}");
}

// R6940-6.5.4.2-05, R6940-11.1-42, R6940-11.1-43
#[test]
fn kinds_need_a_kind_signer() {
    let ca = ca("CA");
    let (signer, other) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let mut foreign = builder(&ca, 1);
    foreign.sign_kinds(|kind| sign_kind(&other, kind)).unwrap();
    let raw = foreign.build().unwrap();
    let error =
        first_use(&assemble(&raw, &sign_configuration(&signer, &raw).unwrap())).unwrap_err();
    assert!(
        matches!(error, ConfigurationError::NotAKindSigner { signer, .. } if signer == node_id(2))
    );
}

#[test]
fn unsigned_kinds_are_taken_by_the_lenient_switch_only() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let raw = builder(&ca, 1).build().unwrap();
    let bytes = assemble(&raw, &sign_configuration(&signer, &raw).unwrap());
    let error = first_use(&bytes).unwrap_err();
    assert!(matches!(error, ConfigurationError::Unusable(_)), "{error}");
    let document = OverlayDocument::parse_with(&bytes, &ReadOptions::lenient()).unwrap();
    let signers = Signers::FirstUse;
    assert!(verify_configuration(&document, OVERLAY, signers, Leniency::Lenient, NOW).is_ok());
    let error =
        verify_configuration(&document, OVERLAY, signers, Leniency::Strict, NOW).unwrap_err();
    assert!(matches!(error, ConfigurationError::KindNotSigned(_)));
}

// R6940-11.1-41, R6940-11.1-43
#[test]
fn single_kind_of_an_update_is_verified_over_all_its_bytes() {
    let ca = ca("CA");
    let signer = node(&ca, &[1], None);
    let config = first_use(&signed(builder(&ca, 1), &signer)).unwrap().into_inner().configuration;
    let block = config.kinds.last().unwrap().clone();
    let trust = trust(&ca);
    let definition = verify_kind(&block, &config, &trust, NOW).unwrap();
    assert_eq!(definition.id, block.definition.id);
    for index in 0..block.raw.len() {
        let mut raw = block.raw.to_vec();
        raw[index] ^= 1;
        let mut changed = block.clone();
        changed.raw = raw.into();
        assert!(verify_kind(&changed, &config, &trust, NOW).is_err(), "byte {index}");
    }
    let mut unsigned = block.clone();
    unsigned.signature = None;
    let id: KindId = block.definition.id;
    let error = verify_kind(&unsigned, &config, &trust, NOW).unwrap_err();
    assert_eq!(error, ConfigurationError::KindNotSigned(id));
}

#[test]
fn a_bad_signature_of_a_kind_is_refused_by_the_lenient_switch_too() {
    let ca = ca("CA");
    let (signer, other) = (node(&ca, &[1], None), node(&ca, &[2], None));
    let mut foreign = builder(&ca, 1);
    foreign.sign_kinds(|kind| sign_kind(&other, kind)).unwrap();
    let raw = foreign.build().unwrap();
    let bytes = assemble(&raw, &sign_configuration(&signer, &raw).unwrap());
    let document = OverlayDocument::parse_with(&bytes, &ReadOptions::lenient()).unwrap();
    let error = verify_configuration(&document, OVERLAY, Signers::FirstUse, Leniency::Lenient, NOW)
        .unwrap_err();
    assert!(matches!(error, ConfigurationError::NotAKindSigner { .. }));
}
