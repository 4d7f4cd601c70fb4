//! `store`, `fetch`, `stat`, `find`, `remove`.

use anyhow::bail;

use super::{arguments, ask, ask_and_show};
use crate::cli::{FetchArgs, FindArgs, RemoveArgs, StatArgs, StoreArgs};
use crate::control::{
    FetchReply, FetchedEntry, FindReply, Question, Reply, StatReply, StoreReply, Value,
};
use crate::print;
use crate::table::Table;
use crate::units;

pub(super) async fn store(arguments: StoreArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Store {
        name: arguments.resource.name.clone(),
        kind: arguments.resource.kind.clone(),
        place: arguments::store_place(&arguments)?,
        value: arguments::value(arguments.value.as_deref())?,
        lifetime: arguments.lifetime,
        generation: arguments.generation,
    };
    let home = arguments.resource.home;
    ask_and_show(&home, question, "storing", json, stored, |reply| show_stored("stored", &reply))
        .await
}

pub(super) async fn remove(arguments: RemoveArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Remove {
        name: arguments.resource.name.clone(),
        kind: arguments.resource.kind.clone(),
        place: arguments::remove_place(&arguments)?,
    };
    let home = arguments.resource.home;
    ask_and_show(&home, question, "removing", json, stored, |reply| show_stored("removed", &reply))
        .await
}

fn stored(reply: Reply) -> Option<StoreReply> {
    if let Reply::Store(reply) = reply { Some(reply) } else { None }
}

fn show_stored(what: &str, reply: &StoreReply) -> anyhow::Result<()> {
    let replicas =
        if reply.replicas.is_empty() { "none".to_owned() } else { reply.replicas.join(" ") };
    print::text(&format!(
        "{what} at {} (generation {})\nresponsible  {}\nreplicas     {replicas}\n",
        reply.resource, reply.generation, reply.responsible
    ))
}

pub(super) async fn fetch(arguments: FetchArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Fetch {
        name: arguments.resource.name.clone(),
        kind: arguments.resource.kind.clone(),
        which: arguments::which(&arguments.which)?,
    };
    let reply = ask(&arguments.resource.home, question, "fetching").await?;
    let Reply::Fetch(reply) = reply else { bail!("the node answered another question") };
    if json {
        return print::json(&Reply::Fetch(reply));
    }
    if reply.discarded > 0 {
        let text = "values left out because their signature or certificate does not hold";
        eprintln!("reload: {} {text}", reply.discarded);
    }
    if reply.values.is_empty() {
        let name = &arguments.resource.name;
        bail!("nothing is stored at {name} of kind {}", arguments.resource.kind);
    }
    if arguments.long { print::text(&long(&reply)) } else { print::bytes(&plain(&reply.values)) }
}

/// The raw value if there is one; else a line for each.
fn plain(values: &[FetchedEntry]) -> Vec<u8> {
    if let [one] = values {
        let mut bytes = one.value.0.clone();
        if print::on_terminal() && bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        return bytes;
    }
    let line = |entry: &FetchedEntry| {
        format!("{}: {}\n", place(entry.index, entry.key.as_ref()), one_line(&entry.value))
    };
    values.iter().map(line).collect::<String>().into_bytes()
}

fn long(reply: &FetchReply) -> String {
    let mut table = Table::new(&["place", "owner", "stored", "lives", ">bytes", "value"]);
    for entry in &reply.values {
        table.row([
            place(entry.index, entry.key.as_ref()),
            entry.owner.clone(),
            units::date(reload_wire::UnixTime(entry.storage_time)),
            units::span(u64::from(entry.lifetime)),
            entry.value.0.len().to_string(),
            shorten(&one_line(&entry.value)),
        ]);
    }
    format!(
        "resource {}, generation {}, from {}\n{}",
        reply.resource,
        reply.generation,
        reply.from,
        table.render(0)
    )
}

pub(super) async fn stat(arguments: StatArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Stat {
        name: arguments.resource.name.clone(),
        kind: arguments.resource.kind.clone(),
        which: arguments::which(&arguments.which)?,
    };
    let pick = |reply| if let Reply::Stat(reply) = reply { Some(reply) } else { None };
    let home = arguments.resource.home;
    ask_and_show(&home, question, "asking", json, pick, |reply| print::text(&stats(&reply))).await
}

fn stats(reply: &StatReply) -> String {
    let mut table = Table::new(&["place", "state", "stored", "lives", ">bytes", "digest"]);
    for entry in &reply.values {
        table.row([
            place(entry.index, entry.key.as_ref()),
            if entry.exists { "exists" } else { "removed" }.to_owned(),
            units::date(reload_wire::UnixTime(entry.storage_time)),
            units::span(u64::from(entry.lifetime)),
            entry.size.to_string(),
            entry.digest.clone(),
        ]);
    }
    let head = format!(
        "resource {}, kind {}, generation {}, from {}\n",
        reply.resource,
        units::kind(reply.kind),
        reply.generation,
        reply.from
    );
    if table.is_empty() { head + "nothing is stored\n" } else { head + &table.render(0) }
}

pub(super) async fn find(arguments: FindArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Find { name: arguments.name, kinds: arguments.kind };
    let pick = |reply| if let Reply::Find(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments.home, question, "looking", json, pick, |reply| {
        print::text(&found(&reply))
    })
    .await
}

fn found(reply: &FindReply) -> String {
    let mut table = Table::new(&["kind", "closest Resource-ID"]);
    for result in &reply.results {
        let closest = result.closest.clone();
        table.row([units::kind(result.kind), closest.unwrap_or_else(|| "none".to_owned())]);
    }
    format!("asked for {} at {}\n{}", reply.resource, reply.from, table.render(0))
}

fn place(index: Option<u32>, key: Option<&Value>) -> String {
    match (index, key) {
        (Some(index), _) => format!("[{index}]"),
        (None, Some(key)) => one_line(key),
        (None, None) => "-".to_owned(),
    }
}

/// The value without line ends.
fn one_line(value: &Value) -> String {
    value.to_string().escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 40; // leaves a line of about 120 characters
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: Option<u32>, value: &[u8]) -> FetchedEntry {
        FetchedEntry {
            index,
            key: None,
            value: Value(value.to_vec()),
            owner: "alice@a.org".into(),
            storage_time: 0,
            lifetime: 60,
        }
    }

    #[test]
    fn one_value_is_printed_as_it_is() {
        assert!(plain(&[entry(None, b"a\x00b")]).starts_with(b"a\x00b"));
    }

    #[test]
    fn several_values_take_a_line_each() {
        let text = plain(&[entry(Some(0), b"a\nb"), entry(Some(3), &[0xff])]);
        assert_eq!(String::from_utf8(text).unwrap(), "[0]: a\\nb\n[3]: 0xff\n");
    }
}
