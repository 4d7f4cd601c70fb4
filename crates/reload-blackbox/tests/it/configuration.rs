//! ConfigUpdate (section 6.5.4): documents and kinds that nobody may believe.

use anyhow::{Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, AnyError, Error};
use reload_blackbox::{Draft, Row, Story, World};
use reload_config::{
    AccessControl, ConfigurationBuilder, KindBlock, KindDefinition, assemble, assemble_unsigned,
};
use reload_identity::{Credentials, sign_configuration, sign_kind};
use reload_wire::{ConfigUpdateReq, DataModel, ErrorCode, KindId, MessageCode};

use crate::store::UNKNOWN;

const FORBIDDEN: Expect = Error(ErrorCode::FORBIDDEN);
const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);
const TOO_OLD: Expect = Error(ErrorCode::CONFIG_TOO_OLD);

fn update(world: &World, request: &ConfigUpdateReq) -> Draft {
    world.request(MessageCode::CONFIG_UPDATE_REQUEST, request)
}

fn document(world: &World, document: Vec<u8>) -> Draft {
    update(world, &ConfigUpdateReq::Config(document.into()))
}

/// The element of the next configuration, with changes.
fn next(world: &World, edit: impl FnOnce(&mut ConfigurationBuilder)) -> Bytes {
    let mut builder = ConfigurationBuilder::from_configuration(&world.configuration).unwrap();
    builder.sequence += 1;
    builder.initial_ttl = 42;
    edit(&mut builder);
    builder.build().unwrap()
}

fn signed(element: &[u8], by: &Credentials) -> Vec<u8> {
    assemble(element, &sign_configuration(by, element).unwrap())
}

fn signed_next(world: &World, edit: impl FnOnce(&mut ConfigurationBuilder)) -> Draft {
    document(world, signed(&next(world, edit), &world.people.signer))
}

/// A document in which one text is replaced after signing.
fn tampered(world: &World, from: &str, to: &str) -> Draft {
    let text = String::from_utf8(signed(&next(world, |_| {}), &world.people.signer)).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    document(world, text.replacen(from, to, 1).into_bytes())
}

fn block() -> KindBlock {
    let access = AccessControl::UserMatch;
    KindBlock::new(KindDefinition::private(UNKNOWN[0], DataModel::Single, access, 1, 100))
}

fn signed_block(block: KindBlock, by: &Credentials) -> KindBlock {
    let signature = sign_kind(by, &block.raw).unwrap();
    block.with_signature(signature)
}

fn kinds(world: &World, kinds: &[Vec<u8>]) -> Draft {
    update(world, &ConfigUpdateReq::Kinds(kinds.iter().cloned().map(Bytes::from).collect()))
}

fn kind(world: &World, block: &KindBlock) -> Draft {
    kinds(world, &[block.to_xml()])
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("the document in force", Expect::Answer, |w| document(w, w.document.to_vec())),
    // R6940-6.3.2.1-05
    Row::new("the document in force, under 65535", Expect::Answer, |w| {
        document(w, w.document.to_vec()).header(|header| header.configuration_sequence = 65535)
    }),
    Row::new("the document in force, under an older sequence", TOO_OLD, |w| {
        document(w, w.document.to_vec()).header(|header| header.configuration_sequence -= 1)
    }),
    // R6940-6.5.4.2-02
    Row::new("an older document", TOO_OLD, |w| signed_next(w, |builder| builder.sequence -= 2)),
    Row::new("another document of the same sequence", TOO_OLD, |w| signed_next(w, |builder| builder.sequence -= 1)),
    // R6940-6.5.4.2-03
    Row::new("not signed", FORBIDDEN, |w| document(w, assemble_unsigned(&next(w, |_| {})))),
    Row::new("signed by a node", FORBIDDEN, |w| document(w, signed(&next(w, |_| {}), &w.carol))),
    Row::new("signed by a node that lists itself", FORBIDDEN, |w| {
        let carol = w.carol.node_id();
        let element = next(w, |builder| builder.configuration_signers = vec![carol]);
        document(w, signed(&element, &w.carol))
    }),
    Row::new("signed by another CA, which it lists", FORBIDDEN, |w| {
        let mallory = &w.people.other_ca;
        let element = next(w, |builder| builder.configuration_signers.push(mallory.node_id()));
        document(w, signed(&element, mallory))
    }),
    Row::new("changed after signing", FORBIDDEN, |w| tampered(w, "<initial-ttl>42", "<initial-ttl>43")),
    Row::new("signature of something else", FORBIDDEN, |w| {
        let signature = sign_configuration(&w.people.signer, b"something else").unwrap();
        document(w, assemble(&next(w, |_| {}), &signature))
    }),
    Row::new("signature that is none", AnyError, |w| {
        document(w, assemble(&next(w, |_| {}), b"no signature"))
    }),
    // R6940-6.5.4.2-04
    Row::new("no XML", INVALID, |w| document(w, b"no XML at all".to_vec())),
    Row::new("XML cut off", INVALID, |w| document(w, w.document[..w.document.len() / 2].to_vec())),
    Row::new("another XML", INVALID, |w| document(w, b"<html/>".to_vec())),
    Row::new("nothing", INVALID, |w| document(w, Vec::new())),
    Row::new("of another overlay", AnyError, |w| {
        signed_next(w, |builder| "other.example.org".clone_into(&mut builder.instance_name))
    }),
    Row::new("past its expiration", AnyError, |w| {
        signed_next(w, |builder| builder.expiration = Some(reload_wire::UnixTime(1_000)))
    }),
    // R6940-6.5.4.1-03
    Row::new("type 9", AnyError, |w| {
        update(w, &ConfigUpdateReq::Unknown { kind: 9, data: Bytes::from_static(b"what is this") })
    }),
    Row::new("type 0", INVALID, |w| document(w, w.document.to_vec()).body(|body| body[0] = 0)),
    Row::new("inner length longer than the outer", INVALID, |w| {
        document(w, w.document.to_vec()).body(|body| body[5] = 1)
    }),
    Row::new("outer length longer than the inner", INVALID, |w| {
        document(w, w.document.to_vec()).body(|body| {
            let length = u32::try_from(body.len() - 5 + 1).unwrap();
            body[1..5].copy_from_slice(&length.to_be_bytes());
            body.push(0);
        })
    }),
    // R6940-6.5.4.2-05
    Row::new("kind that is not signed", FORBIDDEN, |w| kind(w, &block())),
    Row::new("kind signed by a node", FORBIDDEN, |w| kind(w, &signed_block(block(), &w.carol))),
    Row::new("kind with the signature of another", FORBIDDEN, |w| {
        let signature = sign_kind(&w.people.signer, b"something else").unwrap();
        kind(w, &block().with_signature(signature))
    }),
    Row::new("kind changed after signing", FORBIDDEN, |w| {
        let text = String::from_utf8(signed_block(block(), &w.people.signer).to_xml()).unwrap();
        assert!(text.contains(">100<"), "{text}");
        kinds(w, &[text.replacen(">100<", ">101<", 1).into_bytes()])
    }),
    Row::new("kind that the configuration defines otherwise", FORBIDDEN, |w| {
        let access = AccessControl::UserMatch;
        let other = KindDefinition::private(crate::store::SINGLE, DataModel::Array, access, 9, 9);
        kind(w, &signed_block(KindBlock::new(other), &w.people.signer))
    }),
    Row::new("kind with a reserved number", AnyError, |w| {
        let access = AccessControl::UserMatch;
        let reserved = KindDefinition::private(KindId(0xffff_fffe), DataModel::Single, access, 1, 9);
        kind(w, &signed_block(KindBlock::new(reserved), &w.people.signer))
    }),
    // R6940-7.3-01
    Row::new("kind without a policy", INVALID, |w| {
        let text = String::from_utf8(block().raw.to_vec()).unwrap();
        let (begin, end) = (text.find("<access-control>").unwrap(), text.find("</access-control>").unwrap());
        let raw = text.replacen(&text[begin..end + "</access-control>".len()], "", 1);
        let signature = sign_kind(&w.people.signer, raw.as_bytes()).unwrap();
        let whole = String::from_utf8(block().with_signature(signature).to_xml()).unwrap();
        kinds(w, &[whole.replacen(&text, &raw, 1).into_bytes()])
    }),
    Row::new("kind that is no XML", INVALID, |w| kinds(w, &[b"no XML at all".to_vec()])),
    Row::new("kind that is something else", INVALID, |w| kinds(w, &[b"<kind-signer/>".to_vec()])),
    Row::new("a good kind and a bad one", FORBIDDEN, |w| {
        kinds(w, &[signed_block(block(), &w.people.signer).to_xml(), block().to_xml()])
    }),
];

pub(crate) const STORIES: &[Story] =
    &[Story::new("alice has the configuration and the kinds she had", |w| Box::pin(unchanged(w)))];

async fn unchanged(world: &mut World) -> Result<()> {
    let sequence = u64::from(world.configuration.sequence);
    let status = world.overlay().peer(0).json(&["status"])?;
    ensure!(status["configuration_sequence"] == sequence, "the status is {status}");
    let resource = world.resource_of(&world.carol);
    let value = crate::store::single(b"of no kind");
    let value = reload_blackbox::signed(
        &world.carol,
        &resource,
        UNKNOWN[0],
        reload_blackbox::wall(),
        &value,
    )?;
    let data = vec![crate::store::kind_data(UNKNOWN[0], vec![value])];
    let answer = world.ask(crate::store::store(world, &resource, data)).await?;
    ensure!(answer.error()?.code == ErrorCode::UNKNOWN_KIND, "{:?}", answer.error()?.code);
    Ok(())
}
