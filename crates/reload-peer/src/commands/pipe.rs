//! `pipe`: standard input goes to the other node, and what it sends to standard output.

use std::io::{IsTerminal, Write};

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::home_directory;
use crate::cli::PipeArgs;
use crate::control::{PipeReply, Question, Reply, open_pipe, receive_pipe};
use crate::home;
use crate::progress::ProgressLine;

pub(super) async fn pipe(arguments: PipeArgs, json: bool) -> anyhow::Result<()> {
    let directory = home_directory(&arguments.home)?;
    home::Home::open(&directory)?;
    let PipeArgs { node: target, application, listen, .. } = arguments;
    let line = ProgressLine::start("connecting");
    let question = Question::Pipe { target, application, listen };
    let (reply, stream) = open_pipe(&directory, question, |text| line.say(text)).await?;
    drop(line);
    let Reply::Pipe(reply) = reply else {
        bail!("the node answered another question: use the same version on both sides")
    };
    say(&reply, json)?;
    carry(stream).await
}

/// On standard error, as standard output is for the other side.
fn say(reply: &PipeReply, json: bool) -> anyhow::Result<()> {
    let line = if json {
        serde_json::to_string(reply)?
    } else {
        let user = reply.user.as_deref().unwrap_or("no user name");
        format!("connected with {} ({user})", reply.node)
    };
    // If standard error is closed, nobody reads it.
    let _ = writeln!(std::io::stderr(), "{line}");
    Ok(())
}

/// Both directions to their ends. A person at a terminal need not end the input as well.
async fn carry(stream: BufReader<UnixStream>) -> anyhow::Result<()> {
    let (mut coming, mut going) = tokio::io::split(stream);
    let interactive = std::io::stdin().is_terminal();
    let mut input = tokio::spawn(async move {
        let read = tokio::io::copy(&mut tokio::io::stdin(), &mut going).await;
        // The daemon tells of a broken pipe in the other direction.
        let _ = going.shutdown().await;
        read
    });
    let received = receive_pipe(&mut coming, &mut tokio::io::stdout()).await;
    received.context("the pipe broke")?;
    if interactive {
        return Ok(());
    }
    let _ = (&mut input).await;
    // The daemon closes when the other side has acknowledged everything.
    let rest = coming.read(&mut [0; 1]).await.context("the node went away")?;
    if rest > 0 {
        bail!("the node speaks another control protocol: use the same version on both sides");
    }
    Ok(())
}
