//! The tree as text: a line a node, with the byte at which it starts.

use std::fmt::{self, Write};

use crate::Inspection;
use crate::node::{Node, Problem, Value};

/// Bytes of a long value that are shown.
const SHOWN: usize = 32;

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.tree {
            line(f, node, 0, &self.problems)?;
        }
        for problem in &self.problems {
            writeln!(f, "broken: {problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, field, problem, .. } = self;
        write!(f, "{problem} at byte {offset} (0x{offset:x}), field {field}")
    }
}

fn line(out: &mut impl Write, node: &Node, depth: usize, problems: &[Problem]) -> fmt::Result {
    write!(out, "{:06x}  {:width$}{}", node.offset, "", node.name, width = 2 * depth)?;
    if let Some(section) = node.section {
        write!(out, " ({section})")?;
    }
    match &node.value {
        Some(value) => show(out, value)?,
        None => write!(out, ", {}", bytes(node.length - node.length_bytes))?,
    }
    if let Some(meaning) = &node.meaning {
        write!(out, " ({meaning})")?;
    }
    for problem in problems.iter().filter(|problem| is_here(node, problem)) {
        write!(out, "  <-- {}", problem.problem)?;
    }
    writeln!(out)?;
    node.children.iter().try_for_each(|child| line(out, child, depth + 1, problems))
}

/// Whether the problem is in a byte of this node and of none inside it.
fn is_here(node: &Node, problem: &Problem) -> bool {
    let holds = |node: &Node| (node.offset..node.end()).contains(&problem.offset);
    holds(node) && !node.children.iter().any(holds)
}

fn show(out: &mut impl Write, value: &Value) -> fmt::Result {
    match value {
        Value::Number(number) if *number > 0xffff => write!(out, ": {number} = 0x{number:08x}"),
        Value::Number(number) => write!(out, ": {number}"),
        Value::Wide(number) => write!(out, ": {number:016x}"),
        Value::Flag(flag) => write!(out, ": {flag}"),
        Value::Bytes(value) if value.is_empty() => write!(out, ": empty"),
        Value::Bytes(value) if value.len() <= SHOWN => write!(out, ": {value:x}"),
        Value::Bytes(value) => {
            write!(out, ": {:x}... {}", value.slice(..SHOWN), bytes(value.len()))
        }
    }
}

fn bytes(count: usize) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}
