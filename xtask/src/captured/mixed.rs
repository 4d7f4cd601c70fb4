//! What the decoder takes for broken and is not: it joins fragments by their transaction alone. Where an
//! answer is sent again, since its request was, and is cut elsewhere behind another header, it mixes the
//! parts of both. And where a link comes up or ends between two parts, the first goes another way than the
//! second (section 6.7 has each routed for itself). The same message must have been right on another
//! connection.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::SMALL;

/// One frame as the decoder tells it.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'a> {
    is_right: bool,
    /// The connection and the direction.
    stream: &'a str,
    transaction: &'a str,
    /// None of a fragment that is not the one that completes a message.
    method: Option<&'a str>,
    /// The decoder misses the other parts.
    lacks_parts: bool,
}

impl<'a> Frame<'a> {
    /// `ok   a.pcap: dtls 1 A - B ->: DATA 7 fetch_ans tid=0x1 ttl=100 dest=...`
    fn read(line: &'a str, next: &str) -> Option<Self> {
        let (verdict, line) = line.split_once(' ')?;
        let (stream, frame) = line.trim_start().split_once(": DATA ")?;
        let mut words = frame.split(' ').skip(1);
        let first = words.next()?;
        let (method, transaction) = match first.strip_prefix("tid=") {
            Some(transaction) => (None, transaction),
            None => (Some(first), words.find_map(|word| word.strip_prefix("tid="))?),
        };
        let method = method.filter(|method| *method != "fragment");
        let lacks_parts = next.contains("the other fragments of this message are missing");
        Some(Self { is_right: verdict == "ok", stream, transaction, method, lacks_parts })
    }
}

/// How many are mixed or apart, of all that the decoder has found wrong.
///
/// # Errors
/// If anything else is wrong, or they are not a small part.
pub(super) fn judge(said: &str) -> Result<usize> {
    let next = said.lines().skip(1).chain([""]);
    let frames: Vec<_> =
        said.lines().zip(next).filter_map(|(line, next)| Frame::read(line, next)).collect();
    let wrong = said.lines().filter(|line| line.starts_with("FAIL ")).count();
    let mut sets: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for frame in &frames {
        sets.entry((frame.stream, frame.transaction)).or_default().push(frame);
    }
    let is_mixed = |frame: &&Frame<'_>| {
        let set = &sets[&(frame.stream, frame.transaction)];
        let whole = set.iter().filter(|it| it.method.is_some()).count();
        let is_again_right = |it: &Frame<'_>| {
            let same = (it.transaction, it.method) == (frame.transaction, frame.method);
            it.is_right && it.stream != frame.stream && same
        };
        whole > 1
            && set.len() > whole
            && frame.method.is_some()
            && frames.iter().any(is_again_right)
    };
    let is_apart = |frame: &&Frame<'_>| {
        let is_whole = |it: &Frame<'_>| {
            let same = it.transaction == frame.transaction && it.method.is_some();
            it.is_right && it.stream != frame.stream && same
        };
        let set = &sets[&(frame.stream, frame.transaction)];
        frame.method.is_none() && frame.lacks_parts && set.len() == 1 && frames.iter().any(is_whole)
    };
    let wrongs = frames.iter().filter(|frame| !frame.is_right);
    let mixed = wrongs.filter(|frame| is_mixed(frame) || is_apart(frame)).count();
    ensure!(mixed == wrong, "{} frames are wrong", wrong - mixed);
    ensure!(mixed * SMALL <= frames.len(), "{mixed} frames of {} are mixed", frames.len());
    Ok(mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: &str = "\
ok   a.pcap: tls 1 A - B ->: DATA 1 fragment tid=0x1 ttl=9 dest=x
ok   a.pcap: tls 1 A - B ->: DATA 2 fetch_ans tid=0x1 ttl=9 dest=x kinds=1
ok   a.pcap: dtls 2 B - C ->: DATA 1 tid=0x1 ttl=9 dest=x
FAIL a.pcap: dtls 2 B - C ->: DATA 2 fetch_ans tid=0x1 ttl=9 dest=x kinds=1
     problem: trailing bytes: 688 after the security block
ok   a.pcap: dtls 2 B - C <-: ACK 2 received=0x00000000
ok   a.pcap: dtls 2 B - C ->: DATA 3 fragment tid=0x1 ttl=9 dest=x
FAIL a.pcap: dtls 2 B - C ->: DATA 4 fetch_ans tid=0x1 ttl=9 dest=x kinds=1
     problem: own: certificate needs 33281 bytes
";

    fn said(without: &[&str]) -> String {
        let kept = AGAIN.lines().filter(|line| !without.iter().any(|it| line.contains(it)));
        let others = (0..40).map(|number| {
            format!(
                "ok   a.pcap: tls 3 A - D ->: DATA {number} ping_req tid=0x{number} ttl=9 dest=x"
            )
        });
        kept.map(str::to_owned).chain(others).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_answer_that_was_sent_again_in_other_parts_is_mixed() {
        assert_eq!(judge(&said(&[])).unwrap(), 2);
        assert_eq!(judge("ok   a.pcap: tls 1 A - B <-: ACK 1 received=0x0").unwrap(), 0);
    }

    #[test]
    fn what_was_sent_once_or_whole_or_was_right_nowhere_is_wrong() {
        for without in [&["DATA 3 ", "DATA 4 "][..], &["DATA 1 ", "DATA 3 "], &["tls 1 A - B"]] {
            assert!(judge(&said(without)).is_err(), "{without:?}");
        }
        let other = said(&[])
            .replace("tls 1 A - B ->: DATA 2 fetch_ans", "tls 1 A - B ->: DATA 2 find_ans");
        assert!(judge(&other).is_err());
    }

    #[test]
    fn a_part_whose_others_went_another_way_is_not_wrong_if_its_message_was_right_elsewhere() {
        let missing = "     problem: fragment: the other fragments of this message are missing";
        let right = said(&["tls 1", "dtls 2", "problem"]);
        let part = |transaction: &str, problem: &str| {
            format!(
                "\nFAIL a.pcap: dtls 5 B - D ->: DATA 2 tid={transaction} ttl=9 dest=x\n{problem}"
            )
        };
        assert_eq!(judge(&(right.clone() + &part("0x7", missing))).unwrap(), 1);
        for (transaction, problem) in [("0x777", missing), ("0x7", "     problem: trailing bytes")]
        {
            let error =
                judge(&(right.clone() + &part(transaction, problem))).unwrap_err().to_string();
            assert_eq!(error, "1 frames are wrong");
        }
        let two = part("0x7", missing) + &part("0x7", missing);
        assert!(judge(&(right + &two)).is_err());
    }

    #[test]
    fn anything_else_that_is_wrong_counts() {
        for more in [
            "\nFAIL a.pcap: dtls 2 B - C ->: DATA 1 tid=0x1 ttl=9 dest=x",
            "\nFAIL a.pcap: dtls 5 B - D: ",
            "\nFAIL a.pcap: tls 3 A - D ->: DATA 7 ping_req tid=0x7 ttl=9 dest=x",
        ] {
            let error = judge(&(said(&[]) + more)).unwrap_err().to_string();
            assert_eq!(error, "1 frames are wrong");
        }
    }

    #[test]
    fn many_are_too_many() {
        let error = judge(AGAIN).unwrap_err().to_string();
        assert_eq!(error, "2 frames of 6 are mixed");
    }
}
