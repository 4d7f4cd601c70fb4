//! Frames (section 6.6): what breaks a link ends it, what does not is borne.

use anyhow::{Result, ensure};
use reload_blackbox::{Link, Story, Via, World, data_frame};
use reload_wire::{ErrorCode, HEADER_SIZE};

pub(crate) const STORIES: &[Story] = &[
    // R6940-6.6.2-04
    Story::new("frame of type 0", |w| Box::pin(closes(w, vec![0; 16]))),
    Story::new("frame of type 127", |w| Box::pin(closes(w, vec![127; 16]))),
    Story::new("frame of type 130", |w| Box::pin(closes(w, vec![130; 16]))),
    Story::new("frame of type 255", |w| Box::pin(closes(w, vec![255; 16]))),
    Story::new("a message without a frame", |w| Box::pin(unframed(w))),
    Story::new("a frame above max-message-size, with garbage in it", |w| {
        Box::pin(oversize_noise(w))
    }),
    Story::new("a frame above max-message-size, with a header in it", |w| Box::pin(oversize(w))),
    Story::new("a frame whose header alone is above max-message-size", |w| {
        Box::pin(oversize_header(w))
    }),
    Story::new("an answer above max-message-size", |w| Box::pin(oversize_later(w))),
    Story::new("an ACK of something never sent", |w| Box::pin(strange_ack(w))),
    Story::new("a thousand ACKs of the same frame", |w| Box::pin(many_acks(w))),
    // R6940-6.6.2-08
    Story::new("a sequence that jumps ahead", |w| Box::pin(jump(w))),
    Story::new("a sequence that goes back", |w| Box::pin(back(w))),
    Story::new("a sequence that comes again", |w| Box::pin(again(w))),
    Story::new("a frame byte by byte", |w| Box::pin(slow(w))),
    Story::new("closed in the middle of a frame", |w| Box::pin(cut(w))),
    Story::new("closed in the middle of the head of a frame", |w| Box::pin(cut_head(w))),
    Story::new("twenty messages at once", |w| Box::pin(many(w))),
];

async fn lives(world: &mut World, mut link: Link) -> Result<()> {
    let alice = world.alice;
    world.lives(&mut link, Via::Carol, alice).await?;
    world.keep(link);
    Ok(())
}

async fn lives_anew(world: &mut World) -> Result<()> {
    let link = world.dial(&world.carol).await?;
    lives(world, link).await
}

/// These bytes end the link, and nothing else.
async fn closes(world: &mut World, bytes: Vec<u8>) -> Result<()> {
    let mut link = world.link().await?;
    link.send_raw(&bytes).await?;
    link.closed().await?;
    lives_anew(world).await
}

async fn unframed(world: &mut World) -> Result<()> {
    let message = world.ping().build()?;
    closes(world, message.to_vec()).await
}

fn above(world: &World) -> usize {
    usize::try_from(world.configuration.max_message_size).unwrap() + 1
}

async fn oversize_noise(world: &mut World) -> Result<()> {
    let frame = data_frame(0, above(world), &[0x55; 200]);
    closes(world, frame).await
}

/// The sender is told before the link ends.
async fn oversize(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let size = above(world);
    let draft = world.ping();
    let id = draft.header.transaction_id;
    let message = draft.bytes(move |message| message.resize(size, 0)).build()?;
    link.send_raw(&data_frame(0, size, &message[..1000])).await?;
    let alice = world.alice;
    let answer = world.answer(&mut link, id, alice).await?;
    let code = answer.error()?.code;
    ensure!(code == ErrorCode::MESSAGE_TOO_LARGE, "it is {code}");
    link.closed().await?;
    lives_anew(world).await
}

async fn oversize_header(world: &mut World) -> Result<()> {
    let size = above(world) + HEADER_SIZE;
    let mut message = world.ping().build()?.to_vec();
    // both lists as long as can be
    message[32..36].copy_from_slice(&[0xff; 4]);
    message.resize(1000, 0);
    let frame = data_frame(0, size.max(200_000), &message);
    closes(world, frame).await?;
    world.no_strays()
}

/// The second message of a link.
async fn oversize_later(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let alice = world.alice;
    world.lives(&mut link, Via::Carol, alice).await?;
    link.send_raw(&data_frame(1, (1 << 24) - 1, &[0; 100])).await?;
    link.closed().await?;
    lives_anew(world).await
}

fn ack(sequence: u32, received: u32) -> Vec<u8> {
    [&[129][..], &sequence.to_be_bytes(), &received.to_be_bytes()].concat()
}

async fn strange_ack(world: &mut World) -> Result<()> {
    let link = world.link().await?;
    for sequence in [77_777, u32::MAX, 1 << 31] {
        link.send_raw(&ack(sequence, u32::MAX)).await?;
    }
    lives(world, link).await
}

async fn many_acks(world: &mut World) -> Result<()> {
    let link = world.link().await?;
    let acks: Vec<u8> = (0..1000).flat_map(|_| ack(0, 0)).collect();
    link.send_raw(&acks).await?;
    lives(world, link).await
}

/// Sends a Ping under this number; the mask of its ACK.
async fn numbered(world: &mut World, link: &mut Link, sequence: u32) -> Result<u32> {
    let ping = world.ping();
    let id = ping.header.transaction_id;
    link.jump(sequence);
    link.send(&ping.build()?).await?;
    let mask = link.acknowledged(sequence).await?;
    let alice = world.alice;
    world.answer(link, id, alice).await?;
    Ok(mask)
}

async fn jump(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    ensure!(numbered(world, &mut link, 5).await? == 0, "the first mask is not empty");
    ensure!(numbered(world, &mut link, 8).await? == 1 << 3, "8 after 5");
    // 5 and 8 are 3 and 1 before 9 only within 32
    ensure!(numbered(world, &mut link, 9).await? == 1 << 4 | 1 << 1, "9 after 5 and 8");
    ensure!(numbered(world, &mut link, 1_000_000).await? == 0, "far ahead");
    ensure!(numbered(world, &mut link, u32::MAX).await? == 0, "the last number");
    ensure!(numbered(world, &mut link, 0).await? == 1 << 1, "the wrap");
    lives(world, link).await
}

async fn back(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    numbered(world, &mut link, 50).await?;
    ensure!(numbered(world, &mut link, 10).await? == 0, "what is later leaves no bit");
    lives(world, link).await
}

async fn again(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    numbered(world, &mut link, 3).await?;
    ensure!(numbered(world, &mut link, 3).await? == 0, "a frame is no evidence of itself");
    lives(world, link).await
}

async fn slow(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let draft = world.ping();
    let id = draft.header.transaction_id;
    let message = draft.build()?;
    for byte in data_frame(0, message.len(), &message) {
        link.send_raw(&[byte]).await?;
    }
    link.jump(1);
    let alice = world.alice;
    world.answer(&mut link, id, alice).await?;
    lives(world, link).await
}

async fn cut(world: &mut World) -> Result<()> {
    let link = world.dial(&world.carol).await?;
    let message = world.ping().build()?;
    link.send_raw(&data_frame(0, message.len(), &message[..message.len() / 2])).await?;
    drop(link);
    lives_anew(world).await
}

async fn cut_head(world: &mut World) -> Result<()> {
    let link = world.dial(&world.carol).await?;
    link.send_raw(&[128, 0, 0]).await?;
    drop(link);
    lives_anew(world).await
}

async fn many(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let drafts: Vec<_> = (0..20).map(|_| world.ping()).collect();
    let ids: Vec<_> = drafts.iter().map(|draft| draft.header.transaction_id).collect();
    let mut bytes = Vec::new();
    for (sequence, draft) in (0..).zip(drafts) {
        let message = draft.build()?;
        bytes.extend(data_frame(sequence, message.len(), &message));
    }
    link.send_raw(&bytes).await?;
    link.jump(20);
    let alice = world.alice;
    // one link, one order
    for id in ids {
        world.answer(&mut link, id, alice).await?;
    }
    lives(world, link).await
}
