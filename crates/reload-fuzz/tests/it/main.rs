//! The seeds of every target and everything that was ever found, without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use reload_fuzz::{Seed, TARGETS, Target, findings, seeds};

fn replay(target: &Target, seed: &Seed) {
    let run = AssertUnwindSafe(|| (target.run)(&seed.bytes));
    assert!(catch_unwind(run).is_ok(), "{} does not hold for {}", target.name, seed.name);
}

#[test]
fn every_target_holds_for_its_seeds() {
    for target in TARGETS {
        let seeds = seeds(target.name).unwrap();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        seeds.iter().for_each(|seed| replay(target, seed));
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    for target in TARGETS {
        findings(target.name).unwrap().iter().for_each(|seed| replay(target, seed));
    }
}

#[test]
fn every_target_takes_seeds_that_are_cut_short() {
    let slow = ["node_inputs", "dtls_records", "endpoint_inputs", "sip_phone", "sip_peer"];
    for target in TARGETS.iter().filter(|target| !slow.contains(&target.name)) {
        for seed in seeds(target.name).unwrap() {
            let cuts = (0..seed.bytes.len()).step_by(1 + seed.bytes.len() / 64);
            for end in cuts {
                let name = format!("{} cut at {end}", seed.name);
                replay(target, &Seed { name, bytes: seed.bytes[..end].to_vec() });
            }
        }
    }
}

proptest! {
    #[test]
    fn every_target_holds_for_changed_seeds(
        target in select(TARGETS),
        number in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut seed = number.get(&seeds(target.name).unwrap()).clone();
        for (at, byte) in changes {
            let at = at.index(seed.bytes.len());
            seed.bytes[at] = byte;
        }
        (target.run)(&seed.bytes);
    }
}

#[test]
fn every_target_has_a_fuzz_target_of_its_name() {
    let folder = reload_vectors::folder().join("../fuzz/fuzz_targets");
    for target in TARGETS {
        let text = std::fs::read_to_string(folder.join(format!("{}.rs", target.name))).unwrap();
        assert!(text.contains(&format!("reload_fuzz::{}(", target.name)), "{}", target.name);
    }
}
