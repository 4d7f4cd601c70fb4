//! Message code and extensions (section 6.3.3).

use bytes::Bytes;
use reload_blackbox::Expect::{self, Error, Silence};
use reload_blackbox::{Draft, Row, World};
use reload_wire::{
    Destination, Encode, ErrorCode, ErrorResponse, ForwardingOption, MessageCode, PingAns, PingReq,
    ProbeReq,
};

const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);
const EXTENSION: Expect = Error(ErrorCode::UNKNOWN_EXTENSION);

/// A Ping that calls itself something else.
fn code(world: &World, code: u16) -> Draft {
    let mut draft = world.ping();
    draft.contents.code = MessageCode(code);
    draft
}

/// The answer to a Ping that nobody sent.
fn answer(world: &World) -> Draft {
    let answer = PingAns { response_id: 1, time: reload_blackbox::wall() };
    world.request(MessageCode::PING_ANSWER, &answer)
}

/// Where the length of the body stands in the contents, and how long a Ping without padding is.
const BODY_LENGTH: usize = 5;
const EXTENSIONS: usize = 8;

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    Row::new("method 0x5, used by nobody", INVALID, |w| code(w, 0x5)),
    Row::new("method 0x1b, used by nobody", INVALID, |w| code(w, 0x1b)),
    Row::new("method of experiments", INVALID, |w| code(w, 0x23)),
    Row::new("method of an extension", INVALID, |w| code(w, 0x27)),
    Row::new("the last method there is", INVALID, |w| code(w, 0x7fff)),
    // R6940-6.3.3-03
    Row::new("code 0", Silence, |w| code(w, 0)),
    Row::new("answer of a Ping as request", Silence, |w| code(w, 0x18)),
    Row::new("answer of a Store as request", Silence, |w| code(w, 0x8)),
    Row::new("answer of an unknown method", Silence, |w| code(w, 0x7ffe)),
    Row::new("reserved code, even", Silence, |w| code(w, 0x8000)),
    Row::new("reserved code, odd", Silence, |w| code(w, 0x8001)),
    Row::new("the last reserved code", Silence, |w| code(w, 0xfffe)),
    Row::new("an error to nothing", Silence, |w| {
        w.request(MessageCode::ERROR, &ErrorResponse { code: ErrorCode::FORBIDDEN, info: Bytes::new() })
    }),
    Row::new("an error to nothing, for bob", Silence, |w| {
        w.request(MessageCode::ERROR, &ErrorResponse { code: ErrorCode::FORBIDDEN, info: Bytes::new() })
            .to(&[w.bob.into()], w.bob)
    }),
    // errors are never sent in reply to a response (E47)
    Row::new("an answer with ttl 255", Silence, |w| answer(w).header(|header| header.ttl = 255)),
    Row::new("an answer for bob with ttl 0", Silence, |w| {
        answer(w).to(&[w.bob.into()], w.alice).header(|header| header.ttl = 0)
    }),
    Row::new("an answer for alice twice", Silence, |w| answer(w).to(&[w.alice.into(), w.alice.into()], w.alice)),
    Row::new("an answer for an unknown type", Silence, |w| {
        let unknown = Destination::Unknown { kind: 9, data: Bytes::new() };
        answer(w).to(&[unknown], w.alice)
    }),
    Row::new("an answer for bob with FORWARD_CRITICAL", Silence, |w| {
        let option = ForwardingOption { kind: 200, flags: 1, data: Bytes::new() };
        answer(w).to(&[w.bob.into()], w.alice).header(|header| header.options.push(option))
    }),
    Row::new("an answer with an older sequence", Silence, |w| {
        answer(w).header(|header| header.configuration_sequence -= 1)
    }),
    // R6940-6.3.3-04
    Row::new("critical extension", EXTENSION, |w| w.ping().extension(0x7777, true)),
    Row::new("critical extension of a Store", EXTENSION, |w| {
        crate::store::good(w).extension(0x7777, true)
    }),
    Row::new("uncritical extension", Expect::Answer, |w| w.ping().extension(0x7777, false)),
    Row::new("critical extension behind another", EXTENSION, |w| {
        w.ping().extension(1, false).extension(2, true)
    }),
    Row::new("criticality 2", Silence, |w| {
        w.ping().extension(0x7777, false).raw(|raw| raw[EXTENSIONS + 4 + 2] = 2)
    }),
    Row::new("extension longer than the message", Silence, |w| {
        w.ping().extension(0x7777, false).raw(|raw| raw[EXTENSIONS] = 1)
    }),
    Row::new("body longer than the message", Silence, |w| w.ping().raw(|raw| raw[BODY_LENGTH - 3] = 1)),
    Row::new("body one too long", Silence, |w| w.ping().raw(|raw| raw[BODY_LENGTH] += 1)),
    Row::new("contents cut off", Silence, |w| w.ping().raw(|raw| raw.truncate(4))),
    Row::new("bytes behind the security block", Silence, |w| {
        w.ping().bytes(|message| {
            message.push(0);
            let length = u32::try_from(message.len()).unwrap();
            message[16..20].copy_from_slice(&length.to_be_bytes());
        })
    }),
    // R6940-6.5.3.1-02
    Row::new("3000 bytes of padding", Expect::Answer, |w| {
        w.request(MessageCode::PING_REQUEST, &PingReq { padding: Bytes::from(vec![1; 3000]) })
    }),
    // R6940-6.4.2.5.2-05
    Row::new("Probe for nothing", Expect::Answer, |w| {
        w.request(MessageCode::PROBE_REQUEST, &ProbeReq { requested_info: Vec::new() })
    }).check(|_, answer| {
        anyhow::ensure!(answer.body[..] == [0, 0], "more than nothing: {:?}", answer.body);
        Ok(())
    }),
    Row::new("Probe for something unknown", Expect::Answer, |w| {
        let requested_info = vec![reload_wire::ProbeInformationType(200)];
        w.request(MessageCode::PROBE_REQUEST, &ProbeReq { requested_info })
    }).check(|_, answer| {
        let nothing = reload_wire::ProbeAns { probe_info: Vec::new() }.to_bytes()?;
        anyhow::ensure!(answer.body == nothing, "more than nothing: {:?}", answer.body);
        Ok(())
    }),
];
