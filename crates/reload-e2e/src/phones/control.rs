//! Commands to a baresip, and what it tells of its calls: module `ctrl_tcp`, JSON in netstrings.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A command is answered within this.
const ANSWER: Duration = Duration::from_secs(10);

/// The line to a baresip.
#[derive(Debug)]
pub(super) struct Control {
    stream: TcpStream,
    /// Behind a lock, so that others may look at the phone at the same time.
    heard: Mutex<Receiver<Value>>,
    waiting: VecDeque<Value>,
    seen: Vec<String>,
}

impl Control {
    pub(super) fn new(stream: TcpStream) -> Result<Self> {
        let mut input = BufReader::new(stream.try_clone()?);
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            while let Ok(said) = read(&mut input) {
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        Ok(Self { stream, heard: Mutex::new(heard), waiting: VecDeque::new(), seen: Vec::new() })
    }

    /// What the phone says to a command.
    pub(super) fn command(&mut self, command: &str, parameters: &str) -> Result<String> {
        let asked = json!({"command": command, "params": parameters, "token": "test"}).to_string();
        write!(self.stream, "{}:{asked},", asked.len())?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let said = self.next(deadline).with_context(|| format!("no answer to {command}"))?;
            if said["response"] != true {
                self.waiting.push_back(said);
                continue;
            }
            ensure!(said["ok"] == true, "{command} {parameters}: {}", said["data"]);
            return Ok(said["data"].as_str().unwrap_or_default().to_owned());
        }
    }

    /// The next event of a kind; those before it are passed over.
    pub(super) fn event(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let said = match self.waiting.pop_front() {
                Some(said) => said,
                None => match self.next(deadline) {
                    Ok(said) => said,
                    Err(error) => bail!("no {kind} within {limit:?}: {error}; {:?}", self.seen),
                },
            };
            if said["type"] == kind {
                return Ok(said);
            }
        }
    }

    /// The kinds of all events that came so far.
    pub(super) fn seen(&mut self) -> &[String] {
        while let Ok(said) = self.next(Instant::now()) {
            self.waiting.push_back(said);
        }
        &self.seen
    }

    fn next(&mut self, deadline: Instant) -> Result<Value> {
        let heard = self.heard.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let said = heard.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        if said["event"] == true {
            let word = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
            self.seen.push(format!("{} {}", word("type"), word("param")));
        }
        Ok(said)
    }
}

/// One netstring: its length, a colon, the text, a comma.
fn read(input: &mut impl BufRead) -> Result<Value> {
    let mut length = Vec::new();
    input.read_until(b':', &mut length)?;
    let length = std::str::from_utf8(&length)?.trim_end_matches(':').parse()?;
    let mut text = Vec::new();
    input.take(length).read_to_end(&mut text)?;
    let mut comma = [0];
    input.read_exact(&mut comma)?;
    ensure!(comma == *b",", "no comma after {length} bytes");
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netstrings_follow_each_other() {
        let mut input: &[u8] = b"7:{\"a\":1},2:[],";
        assert_eq!(read(&mut input).unwrap(), json!({"a": 1}));
        assert_eq!(read(&mut input).unwrap(), json!([]));
        assert!(read(&mut input).is_err());
    }
}
