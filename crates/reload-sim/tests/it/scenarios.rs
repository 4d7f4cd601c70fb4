//! Many seeds: crashes, loss, and joins at the same moment.

use reload_sim::{Crashes, Overlay, Report, Scenario};

/// How many seeds each test plays: one, or as many as `RELOAD_SIM_SEEDS` says.
pub(crate) fn seeds(first: u64) -> std::ops::Range<u64> {
    let count = std::env::var("RELOAD_SIM_SEEDS").ok();
    let count = count.map_or(1, |count| count.parse().expect("RELOAD_SIM_SEEDS is a number"));
    first..first + count
}

/// Plays a scenario under many seeds and prints each that went wrong, with the way to replay it.
fn play_all(seeds: std::ops::Range<u64>, scenario: impl Fn(u64) -> Scenario) {
    play_all_in(&Overlay::new(), seeds, scenario);
}

fn play_all_in(overlay: &Overlay, seeds: std::ops::Range<u64>, scenario: impl Fn(u64) -> Scenario) {
    let mut failed = 0;
    for seed in seeds {
        let scenario = scenario(seed);
        let report = scenario.play(overlay);
        if !report.faults.is_empty() {
            failed += 1;
            print_failure(&scenario, &report);
        }
    }
    assert_eq!(failed, 0, "{failed} seeds went wrong");
}

fn print_failure(scenario: &Scenario, report: &Report) {
    println!("seed {}: replay with {}", scenario.seed, scenario.replay());
    println!("  {} stored, {} hopeless", report.stored, report.hopeless);
    for fault in report.faults.iter().take(5) {
        println!("  {fault}");
    }
}

fn crashing(seed: u64, pattern: Crashes) -> Scenario {
    Scenario {
        seed,
        peers: 60,
        at_once: false,
        loss: 0.05,
        values: 4,
        crashes: 12,
        pattern,
        compressing: false,
    }
}

#[test]
fn what_has_a_live_copy_is_found_after_crashes() {
    play_all(seeds(0), |seed| crashing(seed, Crashes::Anywhere));
}

#[test]
fn nothing_is_lost_unless_three_adjacent_peers_crash() {
    play_all(seeds(100), |seed| crashing(seed, Crashes::Apart));
}

#[test]
fn sixty_four_peers_join_at_once() {
    play_all(seeds(200), |seed| Scenario {
        seed,
        peers: 64,
        at_once: true,
        loss: 0.0,
        values: 1,
        crashes: 0,
        pattern: Crashes::Apart,
        compressing: false,
    });
}

// R6940-6.5.1.2-04, R6940-6.5.1.5-02
#[test]
fn an_overlay_with_ice_forms_and_lives_through_crashes() {
    play_all_in(&Overlay::with_ice(), seeds(400), |seed| Scenario {
        peers: 32,
        at_once: seed % 2 == 0,
        crashes: 5,
        ..crashing(seed, Crashes::Apart)
    });
}

// R6940-6.1.2-05
#[test]
fn nodes_that_compress_lists_live_with_nodes_that_do_not() {
    let overlay = Overlay::new();
    let (mut played, mut all) = (0, 0);
    for seed in seeds(300) {
        let scenario =
            Scenario { compressing: true, peers: 40, crashes: 4, ..crashing(seed, Crashes::Apart) };
        let report = scenario.play(&overlay);
        if !report.faults.is_empty() {
            print_failure(&scenario, &report);
        }
        assert_eq!(report.faults.len(), 0);
        let (compressed, restored) = report.lists;
        println!("{compressed} lists compressed, {restored} put back");
        // How many depends on who compresses; most of them come back, and none twice.
        assert!(compressed >= restored, "{compressed}, {restored}");
        assert!(restored * 3 > compressed * 2, "{compressed}, {restored}");
        (played, all) = (played + 1, all + restored);
    }
    assert!(all > 1000 * played, "{all} put back in {played} overlays");
}

/// Plays one seed again: `RELOAD_SIM_SEED=7 cargo test -p reload-sim -- --nocapture replay`.
#[test]
fn replay() {
    let Ok(seed) = std::env::var("RELOAD_SIM_SEED") else { return };
    let seed: u64 = seed.parse().expect("RELOAD_SIM_SEED is a number");
    let pattern = if seed < 100 { Crashes::Anywhere } else { Crashes::Apart };
    let scenario = crashing(seed, pattern);
    let report = scenario.play(&Overlay::new());
    println!("{report:#?}");
    assert_eq!(report.faults, Vec::<String>::new());
}
