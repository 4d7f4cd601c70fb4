//! The captures of the end-to-end test, through an independent decoder. It opens a connection from its
//! handshake on; what of a capture has none is left out here, counted and printed.

mod moved;
mod packets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::run::step;
use crate::wire_check::wire_check;
use moved::Paths;
use packets::{Packet, Packets, Way};

/// Of the packets with sealed contents, one of so many may be left out.
const SMALL: usize = 20;

/// Checks the captures of each test, which has a directory of its own; how many there were.
pub(crate) fn check(directory: &Path) -> Result<usize> {
    let mut checked = 0;
    for test in entries(directory)? {
        let captures: Vec<_> =
            entries(&test)?.into_iter().filter(|path| is_capture(path)).collect();
        if captures.is_empty() {
            continue;
        }
        let Some(mut command) = wire_check("pcap")? else { return Ok(checked) };
        // Peers are killed in the middle of a frame.
        command.arg("--allow-cut").arg("--keylog").arg(test.join("keys.log"));
        let captures = captures.iter().map(|path| openable(path)).collect::<Result<Vec<_>>>()?;
        step(command.args(&captures))?;
        checked += captures.len();
    }
    Ok(checked)
}

/// A copy in which all can be opened: what a DTLS association says elsewhere stands where its handshake
/// was. Left out are associations of which no handshake is known, and TCP connections that have begun
/// before: a NAT that has forgotten a connection sends its next segment from another port.
fn openable(capture: &Path) -> Result<PathBuf> {
    let mut packets = Packets::read(capture)?;
    let paths = moved::bring_back(&mut packets);
    let begun: BTreeSet<_> = ways(&packets, Packet::is_syn);
    let cut: BTreeSet<_> = ways(&packets, Packet::is_tcp).difference(&begun).copied().collect();
    let is_lost = |packet: &Packet| {
        let pair = packet.way().map(Way::pair);
        pair.is_some_and(|pair| match packet.is_tcp() {
            true => cut.contains(&pair),
            false => paths.lost.contains(&pair),
        })
    };
    if paths.moved == 0 && paths.lost.is_empty() && cut.is_empty() {
        return Ok(capture.to_owned());
    }
    let cut_segments = packets.all.iter().filter(|it| it.is_tcp() && is_lost(it)).count();
    let segments = packets.all.iter().filter(|it| it.is_tcp()).count();
    let Paths { own, moved, lost, lost_datagrams, datagrams } = &paths;
    let name = capture.display();
    println!(
        "{name}: {own} DTLS paths with a handshake, {moved} that they move to; left out: {} of unknown \
         handshake ({lost_datagrams} of {datagrams} datagrams), {} TCP connections without their begin \
         ({cut_segments} of {segments} segments)",
        lost.len(),
        cut.len()
    );
    ensure!(lost_datagrams * SMALL <= *datagrams, "{name}: too many datagrams are left out");
    ensure!(cut_segments * SMALL <= segments, "{name}: too many segments are left out");
    let copy = capture.with_extension("opened.pcap");
    packets.write(&copy, |packet| !is_lost(packet))?;
    Ok(copy)
}

fn ways(packets: &Packets, is_meant: impl Fn(&Packet) -> bool) -> BTreeSet<Way> {
    let meant = packets.all.iter().filter(|it| is_meant(it));
    meant.filter_map(|it| Some(it.way()?.pair())).collect()
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

/// Not what was captured before it was known what is of the test.
fn is_capture(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| {
        name.ends_with(".pcap") && name.split('.').count() == 2 && name != "all.pcap"
    })
}
