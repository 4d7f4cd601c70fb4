//! A proxy under load: as many registrations and calls as an office has, with nothing lost, nothing kept
//! and nobody waiting.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reload_e2e::until;

use super::load::{HOUR, Rate, User, call, register, shown};
use super::village::{ALICE, CAROL, DAVE, USERS, Village};

const REGISTRATIONS: Rate = Rate { count: 5000, a_second: 500 };
const CALLS: Rate = Rate { count: 2000, a_second: 50 };
const FEWER: Rate = Rate { count: 500, a_second: 50 };

/// 99 of 100 calls ring within this.
const P99: Duration = Duration::from_millis(300);

/// Transactions are over after this (RFC 3261 table 4: Timers B, F, H and J, 32 s), and dialogs are swept.
const OVER: Duration = Duration::from_secs(45);

/// What is over is forgotten within this.
const FORGOTTEN: Duration = Duration::from_secs(120);

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn thousands_of_registrations_succeed_and_leave_nothing_behind() {
    let village = Village::found("registrations", &[]);
    let contact = "127.0.0.1:9".parse().unwrap();
    let run =
        |rate| register(village.directory(), user(&village, ALICE), contact, HOUR, rate).unwrap();
    // What is allocated once is needed no second time: the second load shows what stays of each.
    let Some(_) = run(REGISTRATIONS) else { return };
    let before = rest(&village, &[ALICE]);
    let report = run(REGISTRATIONS).unwrap();
    println!("  5000 REGISTER at 500/s: {}", shown(&report).unwrap());
    check_memory(&village, &[ALICE], &before);
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn thousands_of_calls_succeed_ring_at_once_and_leave_nothing_behind() {
    let village = Village::found("load", &[]);
    let (from, to) = (user(&village, CAROL), user(&village, DAVE));
    let run = |rate| call(village.directory(), from, to, rate).unwrap();
    let Some(first) = run(CALLS) else { return };
    println!("  at first: {}", shown(&first).unwrap());
    let before = rest(&village, &[CAROL, DAVE]);
    let report = run(CALLS).unwrap();
    println!("  2000 calls at 50/s, INVITE to 180: {}", shown(&report).unwrap());
    assert!(report.percentile(99).unwrap() < P99, "{}", shown(&report).unwrap());
    check_memory(&village, &[CAROL, DAVE], &before);
}

#[test]
#[ignore = "takes minutes: run by `cargo xtask e2e`"]
fn a_second_phone_that_is_dead_delays_no_call_and_leaves_nothing_behind() {
    let village = Village::found("dead", &[]);
    let (from, to) = (user(&village, CAROL), user(&village, DAVE));
    let contact = "127.0.0.1:9".parse().unwrap();
    let once = Rate { count: 1, a_second: 1 };
    if register(village.directory(), to, contact, HOUR, once).unwrap().is_none() {
        return;
    }
    let run = || call(village.directory(), from, to, FEWER).unwrap().unwrap();
    println!("  at first: {}", shown(&run()).unwrap());
    let before = rest(&village, &[CAROL, DAVE]);
    let report = run();
    println!("  500 calls at 50/s, INVITE to 180: {}", shown(&report).unwrap());
    assert!(report.percentile(99).unwrap() < P99, "{}", shown(&report).unwrap());
    check_memory(&village, &[CAROL, DAVE], &before);
}

fn user(village: &Village, place: usize) -> User<'_> {
    User { name: USERS[place], domain: village.domain(), proxy: village.proxy(place) }
}

/// The memory of peers when they have forgotten what is over, in kB.
fn rest(village: &Village, places: &[usize]) -> Vec<u64> {
    std::thread::sleep(OVER);
    places.iter().map(|place| resident(village, *place).unwrap()).collect()
}

/// Back within a tenth of what it was.
fn check_memory(village: &Village, places: &[usize], before: &[u64]) {
    for (place, before) in places.iter().zip(before) {
        let name = USERS[*place];
        let look = || {
            let after = resident(village, *place)?;
            ensure!(after <= before + before / 10, "{name} has {after} kB, had {before} kB");
            Ok(after)
        };
        let (after, took) = until("what is over is forgotten", FORGOTTEN, look).unwrap();
        println!("  {name}: {before} kB before, {after} kB {took:?} after the load");
    }
}

/// What a peer has of the memory of the machine, in kB (proc(5): VmRSS).
fn resident(village: &Village, place: usize) -> Result<u64> {
    let id = village.overlay.peer(place).process()?.id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}
