//! Forwarding options (section 6.3.2.3), of a type that nobody knows.

use anyhow::{Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, Error, Silence};
use reload_blackbox::{Answer, Draft, Row, World};
use reload_wire::{ErrorCode, ForwardingOption};

const UNSUPPORTED: Expect = Error(ErrorCode::UNSUPPORTED_FORWARDING_OPTION);
const FORWARD: u8 = 1;
const DESTINATION: u8 = 2;
const COPY: u8 = 4;
const IGNORE_STATE: u8 = 8;

fn option(flags: u8) -> ForwardingOption {
    ForwardingOption { kind: 200, flags, data: Bytes::from_static(b"option") }
}

fn with(draft: Draft, flags: &[u8]) -> Draft {
    draft.header(|header| header.options = flags.iter().copied().map(option).collect())
}

/// Alice answers, not the destination.
fn by_alice(world: &World, mut draft: Draft) -> Draft {
    draft.answered_by = world.alice;
    draft
}

fn copied(answer: &Answer, flags: u8) -> Result<()> {
    ensure!(
        answer.header.options == [option(flags)],
        "the options are {:?}",
        answer.header.options
    );
    Ok(())
}

fn none(_: &World, answer: &Answer) -> Result<()> {
    ensure!(answer.header.options.is_empty(), "the options are {:?}", answer.header.options);
    Ok(())
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.3.2.3-06
    Row::new("no flag", Expect::Answer, |w| with(w.ping(), &[0])).check(none),
    Row::new("no flag, to bob", Expect::Answer, |w| with(w.ping_bob(), &[0])).check(none),
    // R6940-6.3.2.3-03
    Row::new("FORWARD_CRITICAL in transit", UNSUPPORTED, |w| by_alice(w, with(w.ping_bob(), &[FORWARD]))),
    Row::new("FORWARD_CRITICAL at its destination", Expect::Answer, |w| with(w.ping(), &[FORWARD])),
    // R6940-6.3.2.3-04
    Row::new("DESTINATION_CRITICAL", UNSUPPORTED, |w| with(w.ping(), &[DESTINATION])),
    Row::new("DESTINATION_CRITICAL at bob", UNSUPPORTED, |w| with(w.ping_bob(), &[DESTINATION])),
    // R6940-6.3.2.3-07
    Row::new("DESTINATION_CRITICAL in the second option", UNSUPPORTED, |w| with(w.ping(), &[0, DESTINATION])),
    Row::new("both critical flags", UNSUPPORTED, |w| with(w.ping(), &[FORWARD | DESTINATION])),
    // R6940-6.3.2.3-05
    Row::new("RESPONSE_COPY", Expect::Answer, |w| with(w.ping(), &[COPY])).check(|_, a| copied(a, 0)),
    Row::new("RESPONSE_COPY at bob", Expect::Answer, |w| with(w.ping_bob(), &[COPY])).check(|_, a| copied(a, 0)),
    // R6940-6.3.2.3-02
    Row::new("RESPONSE_COPY and FORWARD_CRITICAL", Expect::Answer, |w| with(w.ping(), &[COPY | FORWARD]))
        .check(|_, answer| copied(answer, 0)),
    Row::new("RESPONSE_COPY and a later flag", Expect::Answer, |w| with(w.ping(), &[COPY | IGNORE_STATE]))
        .check(|_, answer| copied(answer, IGNORE_STATE)),
    Row::new("RESPONSE_COPY and DESTINATION_CRITICAL", UNSUPPORTED, |w| with(w.ping(), &[COPY | DESTINATION]))
        .check(|_, answer| copied(answer, 0)),
    // R6940-6.3.2-19
    Row::new("an option longer than the list", Silence, |w| {
        with(w.ping(), &[0]).bytes(|message| message[38 + 18 + 3] = 200)
    }),
    Row::new("a list longer than its option", Silence, |w| {
        with(w.ping(), &[0]).bytes(|message| message[37] += 1)
    }),
];
