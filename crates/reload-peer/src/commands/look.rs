//! `ping`, `probe`, `route`, `locate`, `ring`.

use super::{ask, ask_and_show};
use crate::cli::{HomeArgs, LocateArgs, PingArgs, TargetArgs};
use crate::control::{LocateReply, Probed, Question, Reply, RingReply, RouteReply};
use crate::print;
use crate::table::Table;
use crate::units::{show_milliseconds, span};

pub(super) async fn ping(arguments: PingArgs, json: bool) -> anyhow::Result<()> {
    let mut replies = Vec::new();
    for number in 0..arguments.count {
        if number > 0 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let question = Question::Ping { target: arguments.target.target.clone() };
        let reply = ask(&arguments.target.home, question, "pinging").await?;
        if json {
            replies.push(reply);
        } else if let Reply::Ping(pong) = reply {
            let time = show_milliseconds(pong.milliseconds);
            let clock = pong.clock_milliseconds;
            let hops = hops(pong.hops);
            print::text(&format!(
                "{} answered in {time}, {hops}, clock {clock:+} ms\n",
                pong.node
            ))?;
        }
    }
    match replies.as_slice() {
        [] => Ok(()),
        [one] => print::json(one),
        several => print::json(&several),
    }
}

pub(super) async fn probe(arguments: TargetArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Probe { target: arguments.target };
    let pick = |reply| if let Reply::Probe(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments.home, question, "probing", json, pick, |reply| {
        print::text(&probed(&reply))
    })
    .await
}

fn probed(reply: &Probed) -> String {
    format!(
        "peer       {}\nshare      {}\nresources  {}\nuptime     {}\nanswered   in {}, {}\n",
        reply.node,
        share(reply.share_percent),
        number_text(reply.resources),
        uptime(reply.uptime),
        show_milliseconds(reply.milliseconds),
        hops(reply.hops)
    )
}

pub(super) async fn route(arguments: TargetArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Route { target: arguments.target };
    let pick = |reply| if let Reply::Route(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments.home, question, "asking peer by peer", json, pick, |reply| {
        print::text(&path(&reply))
    })
    .await
}

fn path(reply: &RouteReply) -> String {
    let mut table = Table::new(&[">hop", "peer", ">answered in", ""]);
    let last = reply.path.len().saturating_sub(1);
    for (hop, step) in reply.path.iter().enumerate() {
        let note = match hop {
            _ if hop == last => "responsible",
            0 => "this node",
            _ => "",
        };
        let time = step.milliseconds.map_or_else(String::new, show_milliseconds);
        table.row([hop.to_string(), step.node.clone(), time, note.to_owned()]);
    }
    format!("path to {}\n{}", reply.target, table.render(0))
}

pub(super) async fn locate(arguments: LocateArgs, json: bool) -> anyhow::Result<()> {
    let question = Question::Locate { name: arguments.name };
    let pick = |reply| if let Reply::Locate(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments.home, question, "locating", json, pick, |reply| {
        print::text(&located(&reply))
    })
    .await
}

fn located(reply: &LocateReply) -> String {
    let mut text = format!(
        "name         {}\nresource-id  {}\nresponsible  {}\n",
        reply.name, reply.resource, reply.responsible
    );
    for (number, replica) in reply.replicas.iter().enumerate() {
        text.push_str(&format!("replica {}    {replica}\n", number + 1));
    }
    text
}

pub(super) async fn ring(arguments: HomeArgs, json: bool) -> anyhow::Result<()> {
    let pick = |reply| if let Reply::Ring(reply) = reply { Some(reply) } else { None };
    ask_and_show(&arguments, Question::Ring, "walking the ring", json, pick, |reply| {
        print::text(&ring_table(&reply))
    })
    .await
}

/// Also shown by the demo.
pub(crate) fn ring_table(reply: &RingReply) -> String {
    let mut table =
        Table::new(&[">", "peer", ">share", ">resources", ">uptime", ">round trip", ">hops", ""]);
    for (number, entry) in reply.peers.iter().enumerate() {
        table.row([
            (number + 1).to_string(),
            entry.probed.node.clone(),
            share(entry.probed.share_percent),
            number_text(entry.probed.resources),
            uptime(entry.probed.uptime),
            show_milliseconds(entry.probed.milliseconds),
            entry.probed.hops.to_string(),
            if entry.this_node { "this node" } else { "" }.to_owned(),
        ]);
    }
    table.render(0)
}

fn hops(number: u8) -> String {
    if number == 1 { "1 hop".to_owned() } else { format!("{number} hops") }
}

fn share(percent: Option<f64>) -> String {
    percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent:.1} %"))
}

fn number_text(number: Option<u32>) -> String {
    number.map_or_else(|| "?".to_owned(), |number| number.to_string())
}

fn uptime(seconds: Option<u32>) -> String {
    seconds.map_or_else(|| "?".to_owned(), |seconds| span(u64::from(seconds)))
}
