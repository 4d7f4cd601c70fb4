//! `cargo xtask conformance`: `docs/conformance.toml` says for each requirement of an RFC where it
//! is done and which tests show it. Here it is checked that the entries are whole, that the files
//! and tests are there and that each test names the requirement right above itself; then the
//! numbers are counted by topic. Whether a test shows what it claims is not decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run::{output, root};

/// The table of requirements.
const TABLE: &str = "docs/conformance.toml";
/// The RFCs whose requirements stand there.
const RFCS: [Rfc; 2] = [
    Rfc { title: "RFC 6940", mark: "R6940-", rows: 668 },
    Rfc { title: "RFC 7904, SIP", mark: "R7904-", rows: 74 },
];
/// The lines of the README between which the numbers stand.
const BEGIN: &str = "<!-- conformance -->";
const END: &str = "<!-- /conformance -->";
/// Topics whose requirements may wait: they come with ICE, DTLS and TURN.
const LATER: [&str; 2] = ["ice", "turn-usage"];

/// One RFC.
struct Rfc {
    title: &'static str,
    /// What its ids start with, in the table and in comments above tests.
    mark: &'static str,
    /// How many requirements it has: none may be lost.
    rows: usize,
}

impl Rfc {
    /// Its part of the table.
    fn part(&self, rows: &[Requirement]) -> Vec<Requirement> {
        rows.iter().filter(|row| row.id.starts_with(self.mark)).cloned().collect()
    }
}

#[derive(Debug, Deserialize)]
struct Table {
    requirement: Vec<Requirement>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    level: Level,
    topic: String,
    text: String,
    status: Status,
    code: Option<String>,
    #[serde(default)]
    tests: Vec<String>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "UPPERCASE")]
enum Level {
    Must,
    Should,
    May,
    /// A structure on the wire or a registry.
    Struct,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Done,
    NotApplicable,
    Planned,
}

/// Checks the table and prints the numbers; with `write`, also into the README.
pub(crate) fn run(write: bool) -> Result<()> {
    let text = read(TABLE)?;
    let table: Table = toml::from_str(&text).with_context(|| format!("cannot read {TABLE}"))?;
    let mut wrong = check(&table.requirement, &Disk);
    wrong.extend(strangers(&table.requirement)?);
    for rfc in &RFCS {
        let found = rfc.part(&table.requirement).len();
        if found != rfc.rows {
            wrong.push(format!("{} has {found} requirements, not {}", rfc.title, rfc.rows));
        }
    }
    if !wrong.is_empty() {
        bail!("{TABLE}:\n  {}", wrong.join("\n  "));
    }
    let tables = RFCS.iter().map(|rfc| numbers(rfc.title, &rfc.part(&table.requirement)));
    let shown = tables.collect::<Vec<_>>().join("\n");
    println!("{shown}");
    for row in table.requirement.iter().filter(|row| waits(row)) {
        println!("{} ({}): {}", row.id, row.topic, row.reason.as_deref().unwrap_or_default());
    }
    if write { write_readme(&shown) } else { Ok(()) }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// A requirement that has to be met and is not.
fn waits(row: &Requirement) -> bool {
    row.level == Level::Must && row.status == Status::Planned
}

/// What stands in the files of the workspace.
trait Files {
    fn text(&self, path: &str) -> io::Result<String>;
}

struct Disk;

impl Files for Disk {
    fn text(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(root().join(path))
    }
}

/// Everything wrong with the entries.
fn check(rows: &[Requirement], files: &impl Files) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        if !is_id(&row.id) {
            wrong.push(format!("{} is no id", row.id));
        }
        if !seen.insert(&row.id) {
            wrong.push(format!("{} stands twice", row.id));
        }
        wrong.extend(flaws(row, files).into_iter().map(|flaw| format!("{}: {flaw}", row.id)));
    }
    wrong
}

/// The mark of an RFC, a section, a number of two digits.
fn is_id(id: &str) -> bool {
    let rest = RFCS.iter().find_map(|rfc| id.strip_prefix(rfc.mark));
    let Some((section, number)) = rest.and_then(|id| id.rsplit_once('-')) else {
        return false;
    };
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    section.split('.').all(word) && number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit())
}

fn flaws(row: &Requirement, files: &impl Files) -> Vec<String> {
    let mut flaws = Vec::new();
    if row.text.is_empty() || row.topic.is_empty() {
        flaws.push("it has no text or no topic".to_owned());
    }
    if row.status != Status::Done {
        if row.reason.as_ref().is_none_or(String::is_empty) {
            flaws.push("it has no reason".to_owned());
        }
        if row.code.is_some() || !row.tests.is_empty() {
            flaws.push("it is not done and names code or tests".to_owned());
        }
        return flaws;
    }
    match &row.code {
        None => flaws.push("it names no code".to_owned()),
        Some(code) if files.text(code).is_err() => flaws.push(format!("there is no {code}")),
        Some(_) => {}
    }
    if row.tests.is_empty() {
        flaws.push("it names no test".to_owned());
    }
    flaws.extend(row.tests.iter().filter_map(|test| missing(&row.id, test, files)));
    flaws
}

/// Why a test does not count, if so.
fn missing(id: &str, test: &str, files: &impl Files) -> Option<String> {
    let Some((path, name)) = test.split_once('#') else {
        return Some(format!("{test} is not of the form file#test"));
    };
    let Ok(text) = files.text(path) else {
        return Some(format!("there is no {path}"));
    };
    let is_rust = Path::new(path).extension().is_some_and(|extension| extension == "rs");
    let above = if is_rust { above_test(&text, name) } else { above_structure(&text, name) };
    let Some(above) = above else {
        return Some(format!("there is no test {name} in {path}"));
    };
    let names_it = above.iter().any(|line| ids_of(line).any(|named| named == id));
    (!names_it).then(|| format!("{name} in {path} does not name it"))
}

/// The lines of comments and attributes right above a test function.
fn above_test<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let start = format!("fn {name}(");
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let places = lines.iter().enumerate().filter(|(_, line)| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.starts_with(&start)
    });
    let part_of_it = |line: &&&str| line.starts_with("//") || line.starts_with("#[");
    places
        .map(|(at, _)| lines[..at].iter().rev().take_while(part_of_it).copied().collect::<Vec<_>>())
        .find(|above| {
            above
                .iter()
                .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
        })
}

/// The comments right above a structure of the vectors.
fn above_structure<'a>(text: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let lines: Vec<&str> = text.lines().collect();
    let wanted = format!("name = \"{name}\"");
    let at = lines.windows(2).position(|pair| pair == ["[[structure]]", &wanted[..]])?;
    Some(lines[..at].iter().rev().take_while(|line| line.starts_with('#')).copied().collect())
}

/// The ids in a line of comment.
fn ids_of(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let words = line.split(move |c: char| !is_part(c)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| RFCS.iter().any(|rfc| word.starts_with(rfc.mark)))
}

/// Ids that files name and the table does not have.
fn strangers(rows: &[Requirement]) -> Result<Vec<String>> {
    let known: BTreeSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let mut wrong = Vec::new();
    for path in tracked()? {
        let Ok(text) = Disk.text(&path) else { continue };
        for (at, line) in text.lines().enumerate() {
            let unknown = ids_of(line).filter(|id| is_id(id) && !known.contains(id));
            wrong.extend(unknown.map(|id| format!("{path}:{}: {id} is unknown", at + 1)));
        }
    }
    Ok(wrong)
}

/// The sources under version control.
fn tracked() -> Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    git.args(["ls-files", "*.rs", "testvectors/*.toml"]).current_dir(root());
    let list = String::from_utf8(output(&mut git)?).context("a file name is no text")?;
    Ok(list.lines().filter(|path| !path.starts_with("xtask/")).map(str::to_owned).collect())
}

#[derive(Clone, Copy, Default)]
struct Count {
    must: usize,
    must_done: usize,
    must_none: usize,
    other: usize,
    other_done: usize,
    other_none: usize,
}

impl Count {
    fn add(&mut self, row: &Requirement) {
        let (all, done, none) = if row.level == Level::Must {
            (&mut self.must, &mut self.must_done, &mut self.must_none)
        } else {
            (&mut self.other, &mut self.other_done, &mut self.other_none)
        };
        *all += 1;
        *done += usize::from(row.status == Status::Done);
        *none += usize::from(row.status == Status::NotApplicable);
    }
}

/// The numbers of an RFC by topic, as a table of Markdown.
fn numbers(title: &str, rows: &[Requirement]) -> String {
    let mut topics: BTreeMap<&str, Count> = BTreeMap::new();
    let mut all = Count::default();
    for row in rows {
        topics.entry(&row.topic).or_default().add(row);
        all.add(row);
    }
    let mut text = format!(
        "| {title} | MUST done | of | not applicable | planned | others done | of |\n\
         |---|--:|--:|--:|--:|--:|--:|\n"
    );
    let waiting = topics.iter().filter(|(topic, _)| LATER.contains(topic));
    let line = |text: &mut String, topic: &str, count: &Count| {
        let planned = count.must - count.must_done - count.must_none;
        let Count { must, must_done, must_none, other, other_done, .. } = count;
        let _ = writeln!(
            text,
            "| {topic} | {must_done} | {must} | {must_none} | {planned} | {other_done} | {other} |"
        );
    };
    for (topic, count) in topics.iter().filter(|(topic, _)| !LATER.contains(topic)) {
        line(&mut text, topic, count);
    }
    for (topic, count) in waiting {
        line(&mut text, topic, count);
    }
    line(&mut text, "**all**", &all);
    text
}

/// Writes the numbers between the marks of the README.
fn write_readme(shown: &str) -> Result<()> {
    let path = root().join("README.md");
    let text = fs::read_to_string(&path).context("cannot read README.md")?;
    let text = replaced(&text, shown)
        .with_context(|| format!("README.md has no {BEGIN} with {END} behind it"))?;
    fs::write(&path, text).context("cannot write README.md")
}

fn replaced(text: &str, shown: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{shown}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One file of tests, one of vectors.
    struct Two;

    impl Files for Two {
        fn text(&self, path: &str) -> io::Result<String> {
            match path {
                "a.rs" => Ok("// R6940-1-01\nfn helper() {}\n\n/// Doc.\n// R6940-1-01, R6940-1.2-03\n\
                    #[test]\nfn good() {}\n\n#[tokio::test]\nasync fn bare() {}\n"
                    .to_owned()),
                "v.toml" => {
                    Ok("# R6940-1-02\n[[structure]]\nname = \"Thing\"\n\n[[structure]]\nname = \"Other\"\n"
                        .to_owned())
                }
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    fn done(id: &str, test: &str) -> Requirement {
        Requirement {
            id: id.to_owned(),
            level: Level::Must,
            topic: "codec".to_owned(),
            text: "Something holds.".to_owned(),
            status: Status::Done,
            code: Some("a.rs".to_owned()),
            tests: vec![test.to_owned()],
            reason: None,
        }
    }

    fn wrong(row: Requirement) -> Vec<String> {
        check(&[row], &Two)
    }

    #[test]
    fn a_test_that_names_the_requirement_counts() {
        assert_eq!(wrong(done("R6940-1-01", "a.rs#good")), [""; 0]);
        assert_eq!(wrong(done("R6940-1.2-03", "a.rs#good")), [""; 0]);
        assert_eq!(wrong(done("R6940-1-02", "v.toml#Thing")), [""; 0]);
    }

    #[test]
    fn a_test_that_is_not_there_or_is_silent_does_not_count() {
        let line = |test| wrong(done("R6940-1-01", test)).join(" ");
        assert_eq!(line("b.rs#good"), "R6940-1-01: there is no b.rs");
        assert_eq!(line("a.rs#gone"), "R6940-1-01: there is no test gone in a.rs");
        assert_eq!(line("a.rs#helper"), "R6940-1-01: there is no test helper in a.rs");
        assert_eq!(line("a.rs#bare"), "R6940-1-01: bare in a.rs does not name it");
        assert_eq!(line("a.rs"), "R6940-1-01: a.rs is not of the form file#test");
        assert_eq!(line("v.toml#Other"), "R6940-1-01: Other in v.toml does not name it");
        assert_eq!(wrong(done("R6940-1.2-0", "a.rs#good")).len(), 2);
    }

    #[test]
    fn ids_are_unique_and_have_their_form() {
        let row = done("R6940-1-01", "a.rs#good");
        assert_eq!(check(&[row.clone(), row], &Two), ["R6940-1-01 stands twice"]);
        for id in ["R6940-", "R6940-1", "R6940-1-1", "R6940-1..2-01", "6940-1-01", "R6940-1-001"] {
            assert!(!is_id(id), "{id}");
        }
        assert!(!is_id("R7905-1-01") && is_id("R7904-A-01"));
        assert!(is_id("R6940-A.1-01") && is_id("R6940-6.5.1.10.2-02"));
    }

    #[test]
    fn what_is_not_done_has_a_reason_and_nothing_else() {
        let planned = Requirement { status: Status::Planned, ..done("R6940-1-01", "a.rs#good") };
        assert_eq!(wrong(planned.clone()).len(), 2);
        let reason = Some("later".to_owned());
        let planned = Requirement { code: None, tests: Vec::new(), reason, ..planned };
        assert_eq!(wrong(planned.clone()), [""; 0]);
        assert!(waits(&planned));
    }

    #[test]
    fn the_block_of_the_readme_is_replaced() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let once = replaced(&text, "new\n").unwrap();
        assert_eq!(once, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&once, "new\n"), Some(once));
        assert_eq!(replaced("no marks", ""), None);
    }

    #[test]
    fn the_table_of_the_workspace_holds() {
        run(false).unwrap();
    }
}
