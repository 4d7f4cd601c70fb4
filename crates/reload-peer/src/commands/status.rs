//! `status`: the picture of one node.

use super::{ask_and_show, links};
use crate::cli::HomeArgs;
use crate::control::{Question, RelayedByEntry, Reply, StatusReply, TurnServerEntry};
use crate::print;
use crate::table::Table;
use crate::units::span;

pub(super) async fn status(arguments: HomeArgs, json: bool) -> anyhow::Result<()> {
    let pick = |reply| if let Reply::Status(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments, Question::Status, "asking", json, pick, |reply| {
        print::text(&page(&reply))
    })
    .await
}

fn page(status: &StatusReply) -> String {
    [
        head(status),
        nodes("predecessors", &status.predecessors),
        nodes("successors", &status.successors),
        fingers(status),
        turn(status),
        sip(status),
        self::links(status),
        stored(status),
        counters(status),
    ]
    .concat()
}

fn head(status: &StatusReply) -> String {
    let mut table = Table::new(&["node", &status.node_id]);
    table.row(["user", status.user.as_deref().unwrap_or("none")]);
    let overlay = format!("{} (0x{})", status.overlay, status.overlay_hash);
    table.row(["overlay", &overlay]);
    table.row(["configuration", &format!("sequence {}", status.configuration_sequence)]);
    table.row(["phase", &phase(status)]);
    table.row(["listen", &join_or_none(&status.listen)]);
    table.row(["uptime", &span(u64::from(status.uptime_seconds))]);
    if let Some(admitting) = &status.admitting_peer {
        table.row(["admitted by", admitting]);
    }
    if let Some((after, through)) = &status.responsible {
        table.row(["responsible", &format!("after {after} up to {through}")]);
    }
    table.render(0)
}

fn phase(status: &StatusReply) -> String {
    match &status.join_step {
        Some(step) if status.phase == "joining" => format!("joining: {step}"),
        _ => status.phase.clone(),
    }
}

fn join_or_none(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}

fn nodes(title: &str, nodes: &[String]) -> String {
    let lines: String = nodes.iter().map(|node| format!("  {node}\n")).collect();
    format!("\n{title}\n{}", if lines.is_empty() { "  none\n".to_owned() } else { lines })
}

fn fingers(status: &StatusReply) -> String {
    let lines =
        status.fingers.iter().map(|finger| format!("  {:>3}  {}\n", finger.number, finger.node));
    let lines: String = lines.collect();
    format!("\nfingers\n{}", if lines.is_empty() { "  none\n".to_owned() } else { lines })
}

fn links(status: &StatusReply) -> String {
    format!("\nlinks ({})\n{}", status.links.len(), links::table(&status.links).render(2))
}

/// TURN for others, and by others; nothing where there is neither.
fn turn(status: &StatusReply) -> String {
    let mut text = String::new();
    if let Some(server) = &status.turn_server {
        let TurnServerEntry { address, records, users, allocations, .. } = server;
        text = format!(
            "\nTURN server at {address}\n  {records} records in the overlay, {users} users, {allocations} \
             allocations, {} bytes relayed\n",
            server.bytes_to_peers.saturating_add(server.bytes_to_clients)
        );
    }
    if !status.relayed_by.is_empty() {
        text.push_str("\nrelayed by\n");
    }
    for RelayedByEntry { server, node } in &status.relayed_by {
        let node = node.as_deref().unwrap_or("(configured)");
        text.push_str(&format!("  {server}  {node}\n"));
    }
    text
}

/// The phones; nothing where none are served.
fn sip(status: &StatusReply) -> String {
    let Some(sip) = &status.sip else { return String::new() };
    let tls = sip.listening.tls.as_ref().map_or_else(String::new, |tls| format!(", TLS {tls}"));
    let (phones, calls) = (sip.phones.len(), sip.calls);
    format!(
        "\nphones of {} at {}{tls}\n  {phones} registered, {calls} calls\n",
        sip.aor, sip.listening.udp
    )
}

fn stored(status: &StatusReply) -> String {
    format!(
        "\nstored here\n  {} values of {} resources, {} bytes\n",
        status.values, status.resources, status.stored_bytes
    )
}

fn counters(status: &StatusReply) -> String {
    let mut table = Table::new(&["requests under way", &format!(">{}", status.transactions)]);
    for (name, count) in &status.counters {
        table.row([name.clone(), count.to_string()]);
    }
    format!("\ncounters\n{}", table.render(2))
}
