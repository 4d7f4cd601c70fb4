//! A command that ends by itself, within a limit.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a look for the end waits for the next.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs a command that must end with 0; its standard output.
pub(crate) fn run(mut command: Command, limit: Duration) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let status = wait(&mut child, limit);
    if status.is_err() {
        child.kill().context("cannot end a command that hangs")?;
        child.wait().context("cannot end a command that hangs")?;
    }
    let (out, err) = (join(out), join(err));
    match status.with_context(|| format!("{command:?}: {}", err.trim()))? {
        status if status.success() => Ok(out),
        _ => bail!("{}", err.trim()),
    }
}

/// Waits for the end of a process.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a process")? {
            return Ok(status);
        }
        if begin.elapsed() > limit {
            bail!("a process does not end within {limit:?}");
        }
        sleep(PAUSE);
    }
}

fn reader(from: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What was read before an error is still worth telling.
            let _ = from.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn join(reader: JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = run(shell("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert!(format!("{error:#}").contains("does not end"), "{error:#}");
    }

    #[test]
    fn a_command_that_fails_gives_what_it_said() {
        let limit = Duration::from_secs(10);
        let error = run(shell("echo no >&2; exit 1"), limit).unwrap_err();
        assert_eq!(error.to_string(), "no");
        assert_eq!(run(shell("echo yes"), limit).unwrap(), "yes\n");
    }
}
