//! `sip`: the registration of the user, who is registered elsewhere, forwards, calls and messages.

use std::time::Duration;

use anyhow::bail;
use reload_wire::UnixTime;

use super::{ask, ask_and_show};
use crate::cli::{
    CallsArgs, ForwardArgs, HomeArgs, LookupArgs, SipCommand, SipQuestion, TraceArgs,
};
use crate::control::{
    CallEntry, PhoneEntry, Question, Reply, SipCallsReply, SipLookupReply, SipMessageEntry,
    SipRegisterReply, SipRegistrationEntry, SipTraceReply,
};
use crate::print;
use crate::table::Table;
use crate::units::{date, span};

/// How often the live list is drawn.
const REDRAW: Duration = Duration::from_secs(1);

/// Runs one of the commands.
///
/// # Errors
/// Whatever went wrong, with its context.
pub(super) async fn run(question: SipQuestion, json: bool) -> anyhow::Result<()> {
    let home = HomeArgs { home: question.home };
    match question.command {
        SipCommand::Register => register(&home, json).await,
        SipCommand::Lookup(arguments) => lookup(&home, arguments, json).await,
        SipCommand::Forward(arguments) => forward(&home, arguments, json).await,
        SipCommand::Calls(arguments) => calls(&home, arguments, json).await,
        SipCommand::Trace(arguments) => trace(&home, arguments, json).await,
    }
}

async fn register(home: &HomeArgs, json: bool) -> anyhow::Result<()> {
    let pick = |reply| if let Reply::SipRegister(reply) = reply { Some(reply) } else { None };
    ask_and_show(home, Question::SipRegister, "asking", json, pick, |reply| {
        print::text(&registered(&reply))
    })
    .await
}

async fn forward(home: &HomeArgs, arguments: ForwardArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::SipForward { aor: arguments.aor.to_string(), to: arguments.to };
    let pick = |reply| if let Reply::SipRegister(reply) = reply { Some(reply) } else { None };
    ask_and_show(home, question, "storing", json, pick, |reply| print::text(&forwarded(&reply)))
        .await
}

async fn lookup(home: &HomeArgs, arguments: LookupArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::SipLookup { address: arguments.aor };
    let pick = |reply| if let Reply::SipLookup(reply) = reply { Some(reply) } else { None };
    ask_and_show(home, question, "looking", json, pick, |reply| print::text(&found(&reply))).await
}

/// Live where somebody looks on.
async fn calls(home: &HomeArgs, arguments: CallsArgs, json: bool) -> anyhow::Result<()> {
    let live = print::on_terminal() && !arguments.once && !json;
    loop {
        let reply = ask(home, Question::SipCalls, "asking").await?;
        if json {
            return print::json(&reply);
        }
        let Reply::SipCalls(reply) = reply else {
            bail!("the node answered another question: use the same version on both sides")
        };
        if !live {
            return print::text(&call_list(&reply));
        }
        // clears the screen
        print::text(&format!("\x1b[H\x1b[2J{}", call_list(&reply)))?;
        tokio::time::sleep(REDRAW).await;
    }
}

async fn trace(home: &HomeArgs, arguments: TraceArgs, json: bool) -> anyhow::Result<()> {
    let TraceArgs { call_id, short } = arguments;
    let question = Question::SipTrace { call_id: call_id.clone() };
    let pick = |reply| if let Reply::SipTrace(reply) = reply { Some(reply) } else { None };
    ask_and_show(home, question, "asking", json, pick, |reply| {
        if let (true, Some(call_id)) = (reply.messages.is_empty(), &call_id) {
            bail!("no message of the call {call_id} is kept here");
        }
        print::text(&messages(&reply, short))
    })
    .await
}

/// The page of `register`.
fn registered(reply: &SipRegisterReply) -> String {
    let mut table = Table::new(&["user", &reply.aor]);
    table.row(["node", &reply.node]);
    table.row(["registered", &state(reply)]);
    if let Some(forward) = &reply.forward {
        table.row(["forward", &format!("calls go to {forward}; the phones here do not ring")]);
    }
    if let Some(failure) = &reply.failure {
        table.row(["last failure", failure]);
    }
    table.row(["GRUU", &reply.gruu]);
    table.render(0) + &phones(&reply.phones)
}

fn state(reply: &SipRegisterReply) -> String {
    match (reply.stored, reply.expires) {
        (true, Some(seconds)) if reply.forward.is_some() => {
            format!("yes, for {}, and stored again in time", span(seconds))
        }
        (true, Some(seconds)) => format!("yes, for {}", span(seconds)),
        (false, Some(_)) => "not yet".to_owned(),
        (_, None) => "no: no phone is registered here".to_owned(),
    }
}

/// What `forward` has brought about.
fn forwarded(reply: &SipRegisterReply) -> String {
    let aor = &reply.aor;
    match &reply.forward {
        Some(to) => format!(
            "calls of {aor} that came to this node go to {to} now. Its phones stay registered here and can \
             call, but do not ring, until `reload sip forward {aor} --off`. Other nodes of {aor} ring as before.\n"
        ),
        None if reply.stored => format!("calls of {aor} ring at the phones of this node again\n"),
        None => format!("calls of {aor} are no longer forwarded; no phone is registered here\n"),
    }
}

fn phones(phones: &[PhoneEntry]) -> String {
    let mut table = Table::new(&["phone", "by", ">expires", "program"]);
    for phone in phones {
        table.row([
            phone.contact.clone(),
            phone.transport.clone(),
            span(u64::from(phone.expires)),
            phone.user_agent.clone().unwrap_or_default(),
        ]);
    }
    if table.is_empty() {
        "\nno phone is registered\n".to_owned()
    } else {
        format!("\n{}", table.render(0))
    }
}

/// The page of `lookup`.
fn found(reply: &SipLookupReply) -> String {
    let mut text = match reply.way.as_str() {
        "gruu" => format!("{} is the address of one device\n", reply.address),
        "outside" => format!("{} is not of this overlay\n", reply.address),
        _ => registrations(reply),
    };
    text.push_str(&leads_to(reply));
    for failed in &reply.failed {
        text.push_str(&format!("\n{} could not be looked up: {}\n", failed.aor, failed.reason));
    }
    let notes = [
        (reply.skipped > 0, format!("{} registrations cannot be used", reply.skipped)),
        (reply.loops > 0, format!("forwards to a user who had a turn before: {}", reply.loops)),
        (reply.cut, "there is more than a lookup follows".to_owned()),
    ];
    for (_, note) in notes.iter().filter(|(holds, _)| *holds) {
        text.push_str(&format!("\n{note}\n"));
    }
    text
}

fn registrations(reply: &SipLookupReply) -> String {
    if reply.registrations.is_empty() {
        return format!("nobody is registered as {}\n", reply.address);
    }
    let mut table = Table::new(&["node", "owner", "calls go to", ">expires", "preferences"]);
    for entry in &reply.registrations {
        table.row([
            entry.node.clone(),
            entry.owner.clone(),
            goes_to(entry),
            span(u64::from(entry.lifetime)),
            entry.preferences.clone().unwrap_or_default(),
        ]);
    }
    format!("registered as {}\n{}", reply.address, table.render(2))
}

fn goes_to(entry: &SipRegistrationEntry) -> String {
    match (&entry.forward, &entry.route) {
        (Some(forward), _) => forward.clone(),
        (None, Some(route)) if *route == [entry.node.clone()] => "that node".to_owned(),
        (None, Some(route)) => route.join(" "),
        (None, None) => "?".to_owned(),
    }
}

/// Where a call goes in the end.
fn leads_to(reply: &SipLookupReply) -> String {
    let mut table = Table::new(&["user", "device", "schemes", ">expires"]);
    for device in &reply.devices {
        table.row([
            device.aor.clone(),
            device.node.clone().unwrap_or_else(|| "hidden".to_owned()),
            device.schemes.clone(),
            device.lifetime.map_or_else(String::new, |lifetime| span(u64::from(lifetime))),
        ]);
    }
    for address in &reply.outside {
        table.row([address.as_str(), "outside of this overlay", "", ""]);
    }
    let mut text = String::new();
    for forward in &reply.forwards {
        text.push_str(&format!("\n{} forwards to {}\n", forward.from, forward.to));
    }
    if table.is_empty() {
        return text + "\na call goes nowhere\n";
    }
    format!("{text}\na call goes to\n{}", table.render(2))
}

fn call_list(reply: &SipCallsReply) -> String {
    let mut table = Table::new(&["from", "to", "state", ">since", "peer", "media", "call-id"]);
    for call in &reply.calls {
        table.row(call_row(call));
    }
    if table.is_empty() { "no calls\n".to_owned() } else { table.render(0) }
}

fn call_row(call: &CallEntry) -> [String; 7] {
    [
        call.from.clone(),
        call.to.clone(),
        call.state.clone(),
        span(call.seconds),
        call.peers.join(" "),
        call.media.clone().unwrap_or_default(),
        call.call_id.clone(),
    ]
}

fn messages(reply: &SipTraceReply, short: bool) -> String {
    if reply.messages.is_empty() {
        return "no messages\n".to_owned();
    }
    reply.messages.iter().map(|entry| message(entry, short)).collect()
}

fn message(entry: &SipMessageEntry, short: bool) -> String {
    let way = if entry.direction == "in" { "from" } else { "to" };
    let head = format!("{} {way} {} {}", time_of(entry.at), entry.neighbor, entry.address);
    if short {
        let first = entry.message.lines().next().unwrap_or_default();
        return format!("{head}  {}\n", plain(first));
    }
    let lines = entry.message.lines().map(|line| format!("    {}\n", plain(line)));
    format!("{head}\n{}\n", lines.collect::<String>())
}

/// With milliseconds, which tell what took long.
fn time_of(at: u64) -> String {
    let whole = date(UnixTime(at));
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), at % 1000)
}

/// Without control characters: others have written it.
fn plain(line: &str) -> String {
    line.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_entry() -> SipMessageEntry {
        SipMessageEntry {
            at: 1_700_000_000_042,
            direction: "in".to_owned(),
            neighbor: "peer".to_owned(),
            address: "07".repeat(16),
            message: "BYE sip:bob@a.org SIP/2.0\r\nVia: \x1b[2J\r\n\r\n".to_owned(),
        }
    }

    #[test]
    fn a_message_is_shown_with_its_neighbor_and_without_control_characters() {
        let text = message(&message_entry(), false);
        assert!(text.starts_with("2023-11-14T22:13:20.042Z from peer 0707"), "{text}");
        assert!(text.contains("    Via: ?[2J\n"), "{text}");
        let short = message(&message_entry(), true);
        assert!(
            short.ends_with("BYE sip:bob@a.org SIP/2.0\n") && short.lines().count() == 1,
            "{short}"
        );
    }

    #[test]
    fn a_registration_shows_where_calls_go() {
        let entry = SipRegistrationEntry {
            node: "07".to_owned(),
            owner: "bob@a.org".to_owned(),
            lifetime: 60,
            forward: None,
            route: Some(vec!["07".to_owned()]),
            preferences: None,
        };
        assert_eq!(goes_to(&entry), "that node");
        let other = SipRegistrationEntry { route: Some(vec!["08".to_owned()]), ..entry.clone() };
        assert_eq!(goes_to(&other), "08");
        let forward = SipRegistrationEntry { forward: Some("carol@a.org".to_owned()), ..entry };
        assert_eq!(goes_to(&forward), "carol@a.org");
    }
}
