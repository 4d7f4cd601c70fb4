//! Two peers as real processes, and a node that sends one of them a fault at a time. Each line of the
//! tables is a message or a story with one fault; the RFC says what must come of it, never the code
//! of the peer. It takes a minute, so `cargo test` leaves it to `cargo xtask e2e`.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod access;
mod attach;
mod bodies;
mod configuration;
mod contents;
mod end;
mod fetch;
mod frames;
mod header;
mod lists;
mod options;
mod ring;
mod security;
mod store;
mod tls;

use std::time::{Duration, Instant};

use anyhow::Result;
use reload_blackbox::{Row, Story, World};

/// Lines there must be at least.
const LEAST: usize = 200;

/// All lines together take no longer on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// What went wrong.
#[derive(Default)]
struct Report {
    count: usize,
    wrong: Vec<String>,
}

impl Report {
    fn note(&mut self, table: &str, name: &str, result: Result<()>) {
        self.count += 1;
        if let Err(error) = result {
            println!("  {table}: {name}: {error:#}");
            self.wrong.push(format!("{table}: {name}: {error:#}"));
        }
    }

    async fn rows(&mut self, world: &mut World, table: &str, rows: &[Row]) {
        for row in rows {
            let result = world.run(row).await;
            self.note(table, row.name, result);
        }
    }

    async fn stories(&mut self, world: &mut World, table: &str, stories: &[Story]) {
        for story in stories {
            let result = (story.tell)(world).await;
            self.note(table, story.name, result);
        }
    }
}

#[test]
#[ignore = "starts processes: run by `cargo xtask e2e`"]
fn each_single_fault_gets_the_error_the_silence_or_the_closed_link_of_the_rfc_and_the_peer_lives() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(play()).unwrap();
    assert!(report.count >= LEAST, "only {} lines", report.count);
    assert!(
        report.wrong.is_empty(),
        "{} deviations:\n{}",
        report.wrong.len(),
        report.wrong.join("\n")
    );
}

async fn play() -> Result<Report> {
    let mut world = World::new("blackbox.example.org").await?;
    let before = end::Vitals::read(&mut world)?;
    let (begin, mut report) = (Instant::now(), Report::default());
    let w = &mut world;
    report.rows(w, "header", header::ROWS).await;
    report.stories(w, "header", header::STORIES).await;
    report.rows(w, "lists", lists::ROWS).await;
    report.rows(w, "options", options::ROWS).await;
    report.rows(w, "contents", contents::ROWS).await;
    for rows in bodies::ROWS {
        report.rows(w, "bodies", rows).await;
    }
    report.rows(w, "bodies", bodies::MORE).await;
    report.rows(w, "security", security::ROWS).await;
    report.rows(w, "attach", attach::ROWS).await;
    report.stories(w, "attach", attach::STORIES).await;
    report.rows(w, "ring", ring::ROWS).await;
    report.stories(w, "store", store::BEFORE).await;
    report.rows(w, "store", store::ROWS).await;
    report.stories(w, "store", store::STORIES).await;
    report.rows(w, "access", access::ROWS).await;
    report.rows(w, "fetch", fetch::ROWS).await;
    report.rows(w, "configuration", configuration::ROWS).await;
    report.stories(w, "configuration", configuration::STORIES).await;
    report.stories(w, "frames", frames::STORIES).await;
    report.stories(w, "tls", tls::STORIES).await;
    let took = begin.elapsed();
    let result = end::check(w, &before).await;
    report.note("end", "the peer lives and tells how it is", result);
    println!("{} lines in {took:.1?}, {} deviations", report.count, report.wrong.len());
    anyhow::ensure!(took < LIMIT, "it took {took:?}");
    Ok(report)
}
