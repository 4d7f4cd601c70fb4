//! The fields of the forwarding header (section 6.3.2), one at a time.

use anyhow::{Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{Answer, Error, Silence};
use reload_blackbox::{Draft, Expect, Row, Story, Via, World};
use reload_wire::{ConfigUpdateReq, ErrorCode, Fragment, MessageCode, PingReq};

fn patch<const N: usize>(world: &World, at: usize, bytes: [u8; N]) -> Draft {
    world.ping().bytes(move |message| message[at..at + N].copy_from_slice(&bytes))
}

/// A Ping with so much padding, of which a part is sent as a fragment.
fn part(world: &World, fragment: Fragment, from: usize, to: usize) -> Draft {
    let padding = Bytes::from(vec![7; 2000]);
    let draft = world.request(MessageCode::PING_REQUEST, &PingReq { padding });
    cut(draft, fragment, from, to)
}

/// Only these bytes behind the header.
fn cut(draft: Draft, fragment: Fragment, from: usize, to: usize) -> Draft {
    const HEADER: usize = 38 + 18; // one destination, a Node-ID
    draft.header(|header| header.fragment = fragment).bytes(move |message| {
        let rest = message[HEADER + from..(HEADER + to).min(message.len())].to_vec();
        message.truncate(HEADER);
        message.extend(rest);
        let length = u32::try_from(message.len()).unwrap();
        message[16..20].copy_from_slice(&length.to_be_bytes());
    })
}

const TTL: Expect = Error(ErrorCode::TTL_EXCEEDED);
const TOO_OLD: Expect = Error(ErrorCode::CONFIG_TOO_OLD);
const TOO_NEW: Expect = Error(ErrorCode::CONFIG_TOO_NEW);
const TOO_LARGE: Expect = Error(ErrorCode::RESPONSE_TOO_LARGE);

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.3.3.1-02
    Row::new("nothing at all", Answer, World::ping),
    Row::new("nothing at all, to bob", Answer, World::ping_bob),
    // R6940-6.3.2-02
    Row::new("token", Silence, |w| patch(w, 0, [0x52])),
    // R6940-6.1-01
    Row::new("overlay hash", Silence, |w| {
        let hash = w.configuration.overlay_hash();
        w.ping().header(|header| header.overlay = hash ^ 1)
    }),
    // R6940-6.3.2-05
    Row::new("version 0.1", Silence, |w| patch(w, 10, [0x01])),
    Row::new("version 1.1", Silence, |w| patch(w, 10, [0x0b])),
    Row::new("version 0", Silence, |w| patch(w, 10, [0])),
    Row::new("version 25.5", Silence, |w| patch(w, 10, [0xff])),
    // R6940-6.3.2-11
    Row::new("ttl one above the initial one", TTL, |w| {
        let ttl = w.configuration.initial_ttl + 1;
        w.ping().header(|header| header.ttl = ttl)
    }),
    Row::new("ttl 255", TTL, |w| w.ping().header(|header| header.ttl = 255)),
    Row::new("ttl 255 in transit", TTL, |w| {
        let alice = w.alice;
        let mut draft = w.ping_bob().header(|header| header.ttl = 255);
        draft.answered_by = alice;
        draft
    }),
    // R6940-6.3.2-07
    Row::new("ttl 0 at its destination", Answer, |w| w.ping().header(|header| header.ttl = 0)),
    Row::new("ttl 0 in transit", TTL, |w| {
        let alice = w.alice;
        let mut draft = w.ping_bob().header(|header| header.ttl = 0);
        draft.answered_by = alice;
        draft
    }),
    // R6940-6.3.2-06
    Row::new("ttl 1 in transit", Answer, |w| w.ping_bob().header(|header| header.ttl = 1)),
    // R6940-6.7-11
    Row::new("fragment without the high bit", Silence, |w| patch(w, 12, [0x40])),
    Row::new("fragment 0", Silence, |w| patch(w, 12, [0; 4])),
    // R6940-6.3.2-12
    Row::new("fragment with reserved bits", Answer, |w| patch(w, 12, [0xff])),
    Row::new("first of two fragments alone", Silence, |w| {
        part(w, Fragment { last: false, offset: 0 }, 0, 1000)
    }),
    Row::new("last of two fragments alone", Silence, |w| {
        part(w, Fragment { last: true, offset: 1000 }, 1000, 9999)
    }),
    Row::new("fragment at the very end of what there may be", Silence, |w| {
        part(w, Fragment { last: true, offset: 0x00ff_ffff }, 1000, 9999)
    }),
    Row::new("fragment of nothing", Silence, |w| part(w, Fragment { last: true, offset: 0 }, 0, 0)),
    // R6940-6.3.2-14
    Row::new("length 0", Silence, |w| patch(w, 16, [0; 4])),
    Row::new("length one too small", Silence, |w| {
        w.ping().bytes(|message| message[19] = message[19].wrapping_sub(1))
    }),
    Row::new("length one too large", Silence, |w| {
        w.ping().bytes(|message| message[19] = message[19].wrapping_add(1))
    }),
    Row::new("length of all ones", Silence, |w| patch(w, 16, [0xff; 4])),
    Row::new("a frame with nothing in it", Silence, |w| w.ping().bytes(Vec::clear)),
    Row::new("a frame with ten bytes", Silence, |w| w.ping().bytes(|message| message.truncate(10))),
    Row::new("a header and nothing behind it", Silence, |w| {
        cut(w.ping(), Fragment::WHOLE, 0, 0)
    }),
    // R6940-6.3.2-16
    Row::new("max_response_length 1", TOO_LARGE, |w| {
        w.ping().header(|header| header.max_response_length = 1)
    }),
    Row::new("max_response_length 200", TOO_LARGE, |w| {
        w.ping().header(|header| header.max_response_length = 200)
    }),
    Row::new("max_response_length of all ones", Answer, |w| {
        w.ping().header(|header| header.max_response_length = u32::MAX)
    }),
    // R6940-6.3.2.1-03
    Row::new("configuration_sequence one older", TOO_OLD, |w| sequence(w.ping(), w, 65534)),
    Row::new("configuration_sequence much older", TOO_OLD, |w| sequence(w.ping(), w, 65535 - 32767)),
    Row::new("configuration_sequence one newer", TOO_NEW, |w| sequence(w.ping(), w, 1)),
    Row::new("configuration_sequence much newer", TOO_NEW, |w| sequence(w.ping(), w, 32767)),
    Row::new("configuration_sequence newer at bob", TOO_NEW, |w| sequence(w.ping_bob(), w, 1)),
    // R6940-6.3.2.1-05
    Row::new("configuration_sequence 65535 in a Ping", TOO_OLD, |w| {
        w.ping().header(|header| header.configuration_sequence = 65535)
    }),
];

/// The sequence that many steps after the one in force (E45).
fn sequence(draft: Draft, world: &World, steps: u32) -> Draft {
    let own = u32::from(world.configuration.sequence);
    draft.header(|header| {
        header.configuration_sequence = u16::try_from((own + steps) % 65535).unwrap();
    })
}

pub(crate) const STORIES: &[Story] = &[
    // R6940-6.3.2.1-04
    Story::new("an older sequence brings the document", |w| Box::pin(document(w))),
    // R6940-6.2.1-09
    Story::new("a repeated Attach gets an equal answer", |w| Box::pin(repeated(w))),
    // R6940-6.7-06
    Story::new("two fragments are one message", |w| Box::pin(two_fragments(w))),
    Story::new("fragments that disagree are no message", |w| Box::pin(disagreeing(w))),
];

async fn document(world: &mut World) -> Result<()> {
    let request = world.asked_by_alice(MessageCode::CONFIG_UPDATE_REQUEST).await?;
    let ConfigUpdateReq::Config(document) = request.decode()? else { anyhow::bail!("no document") };
    ensure!(document == world.document, "another document");
    Ok(())
}

async fn repeated(world: &mut World) -> Result<()> {
    let draft = || crate::attach::without_candidates(world);
    let (first, mut second) = (draft(), draft());
    let id = first.header.transaction_id;
    second.header.transaction_id = id;
    let first = world.ask(first).await?;
    let second = world.ask(second).await?;
    ensure!(first.rest == second.rest, "the answers differ");
    Ok(())
}

async fn two_fragments(world: &mut World) -> Result<()> {
    let whole = part(world, Fragment::WHOLE, 0, 9999);
    let id = whole.header.transaction_id;
    let bytes = whole.build()?;
    let mut link = world.link().await?;
    link.send(&split(&bytes, 0, 1000, 0x80)).await?;
    link.send(&split(&bytes, 1000, 9999, 0xc0)).await?;
    let answer = world.answer(&mut link, id, world.alice).await?;
    ensure!(answer.code == MessageCode::PING_ANSWER, "answered with {}", answer.code);
    world.keep(link);
    Ok(())
}

/// A part of a message as a fragment; the offset has its first byte from `high`.
fn split(message: &[u8], from: usize, to: usize, high: u8) -> Vec<u8> {
    const HEADER: usize = 38 + 18;
    let rest = &message[HEADER..];
    let mut part = [&message[..HEADER], &rest[from..to.min(rest.len())]].concat();
    let offset = u32::try_from(from).unwrap() | u32::from(high) << 24;
    let length = u32::try_from(part.len()).unwrap();
    part[12..16].copy_from_slice(&offset.to_be_bytes());
    part[16..20].copy_from_slice(&length.to_be_bytes());
    part
}

async fn disagreeing(world: &mut World) -> Result<()> {
    let bytes = part(world, Fragment::WHOLE, 0, 9999).build()?;
    let mut link = world.link().await?;
    let first = split(&bytes, 0, 1000, 0x80);
    let mut other = split(&bytes, 500, 1500, 0x80);
    *other.last_mut().unwrap() ^= 1;
    other[38 + 18] ^= 1;
    link.send(&first).await?;
    link.send(&other).await?;
    link.send(&split(&bytes, 1000, 9999, 0xc0)).await?;
    let alice = world.alice;
    world.lives(&mut link, Via::Carol, alice).await?;
    world.keep(link);
    Ok(())
}
