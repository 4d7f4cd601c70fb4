//! `links`: the links of one node. The table is also part of `status` and of the demo.

use super::ask_and_show;
use crate::cli::HomeArgs;
use crate::control::{LinkEntry, LinksReply, Question, Reply};
use crate::print;
use crate::table::Table;
use crate::units::{show_milliseconds, span};

pub(super) async fn links(arguments: HomeArgs, json: bool) -> anyhow::Result<()> {
    let pick = |reply| if let Reply::Links(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments, Question::Links, "asking", json, pick, |reply| {
        print::text(&(table(&reply.links).render(0) + &seen_at(&reply)))
    })
    .await
}

/// Where others reach this node but at its own addresses; nothing without such.
fn seen_at(reply: &LinksReply) -> String {
    let line = |title: &str, addresses: &[String]| match addresses {
        [] => String::new(),
        addresses => format!("{title} {}\n", addresses.join(" ")),
    };
    let lines = line("seen at", &reply.reflexive) + &line("relayed at", &reply.relayed);
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A row for each link.
pub(crate) fn table(links: &[LinkEntry]) -> Table {
    let mut table = Table::new(&[
        "node",
        "type",
        "",
        "state",
        "local",
        "remote",
        "candidates",
        "tls",
        ">rtt",
        ">lost",
        ">resent",
        ">mtu",
        ">moves",
        ">age",
    ]);
    for link in links {
        table.row(row(link));
    }
    table
}

fn row(link: &LinkEntry) -> [String; 14] {
    let unknown = || "?".to_owned();
    let number = |count: Option<u64>| count.map_or_else(String::new, |count| count.to_string());
    let wide = |size: Option<usize>| size.map_or_else(String::new, |size| size.to_string());
    let kind = match link.application {
        Some(application) => format!("{} app {application}", link.kind),
        None => link.kind.clone(),
    };
    [
        link.node.clone().unwrap_or_else(unknown),
        kind,
        link.direction.clone(),
        link.state.clone(),
        link.local.clone().unwrap_or_else(unknown),
        link.remote.clone().unwrap_or_else(unknown),
        candidates(link),
        link.tls.clone().unwrap_or_else(unknown),
        link.rtt_milliseconds.map_or_else(unknown, show_milliseconds),
        lost(link),
        number(link.frames_resent),
        wide(link.mtu),
        number(link.moves.map(u64::from)),
        link.age_seconds.map_or_else(unknown, span),
    ]
}

/// Kinds of the chosen pair, ours first.
fn candidates(link: &LinkEntry) -> String {
    match (&link.local_candidate, &link.remote_candidate) {
        (Some(local), Some(remote)) => format!("{local}-{remote}"),
        _ => String::new(),
    }
}

/// Lost frames, as a share of those sent.
fn lost(link: &LinkEntry) -> String {
    match (link.frames_lost, link.frames_sent) {
        (Some(lost), Some(sent)) => {
            let tenths = lost.saturating_mul(1000) / sent.max(1);
            format!("{}.{} %", tenths / 10, tenths % 10)
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_ice_shows_its_pair_and_what_was_lost() {
        let link = LinkEntry {
            local_candidate: Some("host".to_owned()),
            remote_candidate: Some("relay".to_owned()),
            frames_sent: Some(300),
            frames_lost: Some(7),
            ..LinkEntry::default()
        };
        let row = row(&link);
        assert_eq!((row[6].as_str(), row[9].as_str()), ("host-relay", "2.3 %"));
    }

    #[test]
    fn a_link_over_tcp_has_neither() {
        let row = row(&LinkEntry { frames_sent: Some(3), ..LinkEntry::default() });
        assert_eq!((row[6].as_str(), row[9].as_str()), ("", ""));
    }
}
