//! The captures of the end-to-end test, through an independent decoder. It opens a connection from its
//! handshake on; what of a capture has none is left out here, counted and printed.

mod mixed;
mod moved;
mod packets;
mod records;
mod relayed;
mod turn;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::wire_check::wire_check;
use moved::Paths;
use packets::{Packet, Packets, Way};
use relayed::{Allocations, Relayed};

/// Of the packets with sealed contents, one of so many may be left out.
const SMALL: usize = 20;

/// The decoder has found something wrong.
const WRONG: i32 = 1;

/// Checks the captures of each test, which has a directory of its own; how many there were.
pub(crate) fn check(directory: &Path) -> Result<usize> {
    let mut checked = 0;
    for test in entries(directory)? {
        let captures: Vec<_> =
            entries(&test)?.into_iter().filter(|path| is_capture(path)).collect();
        if captures.is_empty() {
            continue;
        }
        let keys = test.join("keys.log");
        ensure!(keys.is_file(), "{}: captures without keys: has the test ended?", test.display());
        let Some(mut command) = wire_check("pcap")? else { return Ok(checked) };
        // Peers are killed in the middle of a frame.
        command.arg("--allow-cut").arg("--keylog").arg(keys);
        let captures = openable(captures)?;
        decode(command.args(&captures))?;
        checked += captures.len();
    }
    Ok(checked)
}

/// Runs the decoder; what it finds wrong must be what it cannot tell.
fn decode(command: &mut Command) -> Result<()> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run the decoder")?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    match output.status.code() {
        Some(0) => Ok(()),
        Some(WRONG) => {
            let mixed = mixed::judge(&said)?;
            println!(
                "  not wrong: {mixed} frames with parts of messages that were sent again or went two ways"
            );
            Ok(())
        }
        _ => bail!("the decoder has failed: {}", output.status),
    }
}

/// Copies in which all can be opened, where that needs one.
fn openable(captures: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let read = captures.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let mut allocations = Allocations::default();
    read.iter().for_each(|packets| allocations.add(packets));
    let one = |(path, mut packets): (PathBuf, Packets)| {
        let opened = Opened::of(&mut packets, &allocations);
        if opened.is_as_it_was() {
            return Ok(path);
        }
        opened.check_and_print(&path.display().to_string())?;
        let copy = path.with_extension("opened.pcap");
        fs::write(&copy, packets.encode())?;
        Ok(copy)
    };
    captures.into_iter().zip(read).map(one).collect()
}

fn read(capture: &Path) -> Result<Packets> {
    let packets = fs::read(capture).map_err(Into::into).and_then(|it| Packets::decode(&it));
    packets.with_context(|| format!("{}", capture.display()))
}

/// What was done to a capture so that all can be opened.
#[derive(Debug, Default, PartialEq, Eq)]
struct Opened {
    relayed: Relayed,
    paths: Paths,
    cut: Cut,
}

/// TCP connections that began elsewhere, which are left out: a NAT that has forgotten a connection sends
/// its next segment from another port.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cut {
    connections: usize,
    left_out: usize,
    segments: usize,
}

impl Opened {
    /// Each DTLS association gets one pair of addresses. Left out is what has begun elsewhere.
    fn of(packets: &mut Packets, allocations: &Allocations) -> Self {
        let relayed = relayed::unwrap(packets, allocations);
        let paths = moved::bring_together(packets);
        Self { relayed, paths, cut: Cut::out_of(packets) }
    }

    fn is_as_it_was(&self) -> bool {
        self.relayed == Relayed::default()
            && self.paths == Paths::default()
            && self.cut.connections == 0
    }

    fn check_and_print(&self, name: &str) -> Result<()> {
        let Self { relayed, paths, cut } = self;
        println!(
            "{name}: {} DTLS associations on {} paths; {} datagrams out of relays, {} relayed for others",
            paths.associations, paths.paths, relayed.unwrapped, relayed.for_others
        );
        let (lost, datagrams) = (
            paths.lost_datagrams + paths.early + relayed.unbound,
            paths.datagrams + relayed.unbound,
        );
        println!(
            "  left out: {lost} of {datagrams} datagrams, {} ahead of their keys and the others on {} paths of \
             unknown handshake; {} of {} segments in {} TCP connections without their begin",
            paths.early,
            paths.lost.len(),
            cut.left_out,
            cut.segments,
            cut.connections
        );
        ensure!(lost * SMALL <= datagrams, "{name}: too many datagrams are left out");
        ensure!(cut.left_out * SMALL <= cut.segments, "{name}: too many segments are left out");
        Ok(())
    }
}

impl Cut {
    fn out_of(packets: &mut Packets) -> Self {
        let segments = || packets.all.iter().filter(|it| it.is_tcp());
        let pair = |packet: &Packet| packet.way().map(Way::pair);
        let begun: BTreeSet<_> = segments().filter(|it| it.is_syn()).filter_map(pair).collect();
        let all: BTreeSet<_> = segments().filter_map(pair).collect();
        let (connections, segments) = (all.difference(&begun).count(), segments().count());
        let is_kept = |packet: &Packet| {
            !packet.is_tcp() || pair(packet).is_some_and(|it| begun.contains(&it))
        };
        let before = packets.all.len();
        packets.all.retain(is_kept);
        Self { connections, left_out: before - packets.all.len(), segments }
    }
}

/// What is in a directory, sorted; nothing in a file.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let read = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = read.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Not what was captured before it was known what is of the test, and no copy.
fn is_capture(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| {
        name.ends_with(".pcap") && name.split('.').count() == 2 && name != "all.pcap"
    })
}

#[cfg(test)]
mod tests {
    use super::packets::tests::{packets, segment, sent, way};
    use super::*;

    const SYN: u8 = 2;
    const ACK: u8 = 16;

    /// So many segments of a connection from its begin on, and so many of another one.
    fn capture(whole: usize, cut: usize) -> Packets {
        let [first, second] =
            ["198.51.100.2:1000", "198.51.100.2:2000"].map(|to| way("192.0.2.1:6084", to));
        let mut all = vec![segment(first, SYN)];
        all.extend((1..whole).map(|_| segment(first.back(), ACK)));
        all.extend((0..cut).map(|_| segment(second, ACK)));
        packets(all)
    }

    #[test]
    fn connections_that_began_elsewhere_are_left_out() {
        let mut packets = capture(3, 2);
        packets.all.push(sent(way("192.0.2.1:6084", "198.51.100.2:3000"), b"STUN"));
        let opened = Opened::of(&mut packets, &Allocations::default());
        assert_eq!(opened.cut, Cut { connections: 1, left_out: 2, segments: 5 });
        assert_eq!(packets.all.len(), 4);
        assert!(!opened.is_as_it_was());
    }

    #[test]
    fn one_segment_of_twenty_may_be_left_out_and_no_more() {
        let open = |whole, cut| Opened::of(&mut capture(whole, cut), &Allocations::default());
        open(19, 1).check_and_print("a").unwrap();
        let error = open(18, 1).check_and_print("a").unwrap_err();
        assert_eq!(error.to_string(), "a: too many segments are left out");
    }

    #[test]
    fn one_datagram_of_twenty_may_be_left_out_and_no_more() {
        let lost = |lost_datagrams, unbound, datagrams| {
            let paths = Paths { lost_datagrams, datagrams, ..Paths::default() };
            let relayed = Relayed { unbound, ..Relayed::default() };
            let opened = Opened { relayed, paths, cut: Cut::default() };
            opened.check_and_print("a").map_err(|error| error.to_string())
        };
        lost(1, 0, 20).unwrap();
        lost(1, 1, 39).unwrap();
        let error = Err("a: too many datagrams are left out".to_owned());
        assert_eq!(lost(1, 0, 19), error);
        assert_eq!(lost(1, 1, 38), error);
    }

    #[test]
    fn a_capture_with_nothing_to_open_stays_as_it_is() {
        assert!(Opened::of(&mut capture(3, 0), &Allocations::default()).is_as_it_was());
    }

    #[test]
    fn captures_of_a_test_that_has_not_ended_are_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let test = directory.path().join("test");
        fs::create_dir(&test).unwrap();
        fs::write(test.join("alice-1.keys"), "").unwrap();
        assert_eq!(check(directory.path()).unwrap(), 0);
        fs::write(test.join("alice.pcap"), capture(3, 0).encode()).unwrap();
        let error = check(directory.path()).unwrap_err().to_string();
        assert!(error.ends_with("test: captures without keys: has the test ended?"), "{error}");
    }

    #[test]
    fn copies_and_what_nobody_has_chosen_are_no_captures() {
        assert!(is_capture(Path::new("a.b/alice.pcap")));
        for other in ["alice.opened.pcap", "all.pcap", "alice.keys", "alice.tcpdump.log"] {
            assert!(!is_capture(Path::new(other)), "{other}");
        }
    }
}
