//! An enrollment server in this process, homes in temporary directories, and processes that are
//! watched: none outlives its test, and none is waited for without end.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use enrollment_server::{Accounts, InitOptions, PasswordCost, ServeOptions, Server, init};
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const OVERLAY: &str = "test.example.org";

/// Loaded machines are slow; a program that hangs is found all the same.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// An overlay with its enrollment server.
pub(crate) struct Overlay {
    pub directory: TempDir,
    pub url: String,
    accounts: Accounts,
    runtime: Runtime,
}

impl Overlay {
    pub(crate) fn start() -> Self {
        Self::start_with_hosts(Vec::new())
    }

    /// Its links are formed with ICE.
    pub(crate) fn start_with_ice() -> Self {
        Self::start_with(InitOptions { ice: true, ..InitOptions::new(OVERLAY) })
    }

    /// Its HTTPS certificate names this host too.
    pub(crate) fn start_with_host(host: &str) -> Self {
        Self::start_with_hosts(vec![host.to_owned()])
    }

    fn start_with_hosts(hosts: Vec<String>) -> Self {
        Self::start_with(InitOptions { hosts, ..InitOptions::new(OVERLAY) })
    }

    fn start_with(options: InitOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let home = enrollment_server::Home::new(directory.path().join("server"));
        let (accounts, url) = runtime.block_on(async {
            let cost = PasswordCost::InsecureForTests;
            let options = InitOptions { password_cost: cost, ..options };
            let accounts = init(&home, options).await.unwrap();
            let options = ServeOptions { password_cost: cost, ..ServeOptions::default() };
            let server = Server::bind(&home, options).await.unwrap();
            let url = format!("https://{}/.well-known/reload-config", server.address());
            tokio::spawn(server.run(std::future::pending()));
            (accounts, url)
        });
        Self { directory, url, accounts, runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        let authority = self.url.trim_start_matches("https://").split('/').next().unwrap();
        authority.parse::<std::net::SocketAddr>().unwrap().port()
    }

    /// Runs something of the server's library.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Adds an account whose password is its name.
    pub(crate) fn add_user(&self, name: &str) {
        self.runtime.block_on(self.accounts.add(&user(name), name)).unwrap();
    }

    /// What `reload enroll` says for this user in the home of the same name.
    pub(crate) fn enroll(&self, name: &str, password: &str, more: &[&str]) -> Output {
        let file = self.path(&format!("{name}.password"));
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let (home, ca) = (self.path(name), self.path("server/https-ca.pem"));
        let user = user(name);
        let mut arguments = vec!["enroll", "--home", text(&home), "--user", &user];
        arguments.extend(["--config-url", &self.url, "--ca", text(&ca)]);
        arguments.extend(["--password-file", text(&file)]);
        arguments.extend(more);
        if !more.contains(&"--overlay") {
            arguments.extend(["--overlay", OVERLAY]);
        }
        reload(&arguments)
    }

    /// A home that is ready for `reload peer`.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.add_user(name);
        let output = self.enroll(name, name, &[]);
        assert!(output.status.success(), "{}", stderr(&output));
        self.path(name)
    }
}

pub(crate) fn user(name: &str) -> String {
    format!("{name}@{OVERLAY}")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reload"));
    command.env_remove("RELOAD_HOME").env_remove("SSLKEYLOGFILE").env_remove("RUST_LOG");
    command
}

/// Runs the program to its end.
pub(crate) fn reload(arguments: &[&str]) -> Output {
    finish(program().args(arguments))
}

/// Runs a command to its end, with nothing on its standard input.
pub(crate) fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || read_all(&mut out));
    let err = std::thread::spawn(move || read_all(&mut err));
    let status = wait(&mut child);
    Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() }
}

fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("the program did not end in {PATIENCE:?}");
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The program failed with exit code 1 and one line that holds all these words.
#[track_caller]
pub(crate) fn assert_one_line(output: &Output, words: &[&str]) {
    let line = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{line}");
    let lines: Vec<_> = line.lines().filter(|line| line.starts_with("reload: ")).collect();
    assert_eq!(lines.len(), 1, "{line}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is not in: {}", lines[0]);
    }
}

/// A running `reload peer`.
pub(crate) struct Peer {
    child: Child,
    pub home: PathBuf,
    pub node_id: String,
    pub address: String,
    log: PathBuf,
}

impl Peer {
    /// Starts on a free port and waits for the ready line.
    pub(crate) fn start(home: &Path, more: &[&str]) -> Self {
        let log = home.join("log");
        let mut command = program();
        command.args(["peer", "--home", text(home)]).args(more);
        if !more.contains(&"--client") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(std::fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (sender, line) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            sender.send(line).unwrap();
        });
        let line = line.recv_timeout(PATIENCE).unwrap_or_default();
        let word = |name: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            let log = || std::fs::read_to_string(&log).unwrap();
            found.unwrap_or_else(|| panic!("no {name} in {line:?}\n{}", log())).to_owned()
        };
        assert!(line.starts_with("ready "), "{line:?}\n{}", std::fs::read_to_string(&log).unwrap());
        let (node_id, address) = (word("node-id="), word("listen="));
        Self { child, home: home.to_owned(), node_id, address, log }
    }

    /// What a command says through this node.
    pub(crate) fn ask(&self, command: &str, arguments: &[&str]) -> Output {
        let all = [&[command, "--home", text(&self.home)][..], arguments].concat();
        reload(&all)
    }

    /// As [`Peer::ask`]; the command must succeed.
    #[track_caller]
    pub(crate) fn json(&self, command: &str, arguments: &[&str]) -> serde_json::Value {
        let output = self.ask(command, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{command}: {}\n{}", stderr(&output), self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        wait(&mut self.child).code()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
