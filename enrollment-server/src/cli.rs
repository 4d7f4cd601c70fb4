//! The command line of `reload-enroll`: arguments, logs, exit codes. 0 done, 1 failed with one line
//! on standard error, 2 wrong usage. What the commands do is in the library.

mod arguments;
mod password;
mod print;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::document::{Document, check_user};
use crate::init::URL_GIVEN;
use crate::{
    Accounts, Home, InitOptions, PasswordCost, PublishOptions, Server, init, publish, revoke, set,
};
use arguments::{Arguments, CertCommand, Command, ConfigCommand, InitArguments, UserCommand, read};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse(); // wrong usage ends here, with 2
    start_logs(arguments.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}").replace(['\n', '\r'], " ");
    let _ = writeln!(io::stderr(), "reload-enroll: {line}"); // nobody is left to be told
    ExitCode::FAILURE
}

/// Logs go to standard error: warnings, with `-v` each enrollment, with `-vv` everything.
fn start_logs(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info,sqlx=warn",
        2 => "debug,sqlx=warn",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let _ = logs.try_init(); // a program around the library may have set up its own
}

async fn run(arguments: Arguments) -> Result<()> {
    let home = Home::new(arguments.home);
    match arguments.command {
        Command::Init(options) => run_init(&home, options).await,
        Command::Serve(options) => serve(&home, options.into()).await,
        Command::User(command) => user(&home, command).await,
        Command::Cert(command) => cert(&home, command).await,
        Command::Config(command) => config(&home, command).await,
    }
}

async fn run_init(home: &Home, arguments: InitArguments) -> Result<()> {
    let options: InitOptions = arguments.try_into()?;
    let overlay = options.overlay.clone();
    init(home, options).await?.close().await;
    print::line(&format!("initialised {} for the overlay {overlay}", home.path().display()))
}

async fn serve(home: &Home, options: crate::ServeOptions) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let server = Server::bind(home, options).await?;
    print::line(&format!("ready https={}", server.address()))?;
    server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await
}

async fn user(home: &Home, command: UserCommand) -> Result<()> {
    home.require_initialised()?;
    let accounts = Accounts::open(home, PasswordCost::Standard).await?;
    let done = match command {
        UserCommand::Add { user, password_file } => {
            add_user(home, &accounts, &user, password_file.as_deref()).await
        }
        UserCommand::Passwd { user, password_file } => {
            let password = password::new(password_file.as_deref())?;
            accounts.set_password(&user, &password).await
        }
        UserCommand::Disable { user } => accounts.set_disabled(&user, true).await,
        UserCommand::Enable { user } => accounts.set_disabled(&user, false).await,
        UserCommand::List { json } => print::accounts(&accounts.list().await?, json),
    };
    accounts.close().await;
    done
}

async fn add_user(home: &Home, accounts: &Accounts, user: &str, file: Option<&Path>) -> Result<()> {
    check_user(home, user)?; // before the password is asked for
    accounts.add(user, &password::new(file)?).await
}

async fn cert(home: &Home, command: CertCommand) -> Result<()> {
    home.require_initialised()?;
    let accounts = Accounts::open(home, PasswordCost::Standard).await?;
    let done = match command {
        CertCommand::List { user, json } => {
            print::certificates(&accounts.certificates(user.as_deref()).await?, json)
        }
        CertCommand::Revoke { which } => match revoke(home, &accounts, &which).await {
            Ok(revocation) => print::revocation(&revocation),
            Err(error) => Err(error),
        },
    };
    accounts.close().await;
    done
}

async fn config(home: &Home, command: ConfigCommand) -> Result<()> {
    home.require_initialised()?;
    match command {
        ConfigCommand::Show { json } => print::document(&Document::load(home)?, json),
        ConfigCommand::Set { name, values } => config_set(home, &name, &values).await,
        ConfigCommand::Publish { from, bootstrap, days } => {
            let sequence = publish(home, PublishOptions { from: read(from)?, bootstrap, days })?;
            print::line(&format!("published sequence {sequence}"))
        }
    }
}

async fn config_set(home: &Home, name: &str, values: &[String]) -> Result<()> {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let published = set(home, name, &values)?;
    if name == "enrollment-server" {
        // From now on it is the operator's, and not replaced by the bound address.
        let accounts = Accounts::open(home, PasswordCost::Standard).await?;
        let kept = accounts.set_setting(URL_GIVEN, "yes").await;
        accounts.close().await;
        kept?;
    }
    let sequence = published.sequence;
    match published.is_new {
        true => print::line(&format!("published sequence {sequence}")),
        false => print::line(&format!("nothing to change in sequence {sequence}")),
    }
}
