//! linphonec, another phone: it plays a file and records what it hears to another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Account, Sound};
use crate::{Site, Talk, installed, until};

/// It is ready within this.
const READY: Duration = Duration::from_secs(20);

/// It answers a command within this.
const ANSWER: Duration = Duration::from_secs(10);

/// No test calls for longer.
const TONE: Duration = Duration::from_secs(60);

/// A running phone.
#[derive(Debug)]
pub struct Linphone {
    account: Account,
    talk: Talk,
    recording: PathBuf,
    seen: Vec<String>,
}

impl Linphone {
    /// Starts it at a machine, with its files in a new directory below `directory`. It registers, and will
    /// send that tone in calls. None, with a word about it, if it is not installed.
    ///
    /// # Errors
    /// If it does not start, or is missing and RELOAD_TEST_TOOLS=require.
    pub fn start(
        site: &Site,
        directory: &Path,
        account: Account,
        hertz: u32,
    ) -> Result<Option<Self>> {
        if !installed("linphonec")? {
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix(&account.user).tempdir_in(directory)?.keep();
        // It wants a database there and does not make the directory.
        fs::create_dir_all(home.join(".local/share/linphone"))?;
        let (tone, recording) = (home.join("tone.wav"), home.join("heard.wav"));
        Sound::tone(hertz, TONE).write(&tone)?;
        fs::write(home.join("rc"), configuration(&account))?;
        let mut command = site.program(Path::new("linphonec"));
        command.arg("-c").arg(home.join("rc")).args(["-d", "5", "-l"]).arg(home.join("log"));
        command.env("HOME", &home).env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        let talk = Talk::start(command, &home.join("errors"))?;
        let mut phone = Self { account, talk, recording, seen: Vec::new() };
        phone.say("soundcard use files")?;
        phone.hear(&["Using wav files"], READY)?;
        phone.say(&format!("record {}", phone.recording.display()))?;
        phone.say(&format!("play {}", tone.display()))?;
        Ok(Some(phone))
    }

    /// Waits until it is registered.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn registered(&mut self, limit: Duration) -> Result<()> {
        let address = self.account.address();
        let look = || {
            self.say("status register")?;
            let line = self.hear(&["registered"], ANSWER)?;
            ensure!(line.contains(&address), "it says `{line}`");
            Ok(())
        };
        until(&format!("linphonec of {address} is registered"), limit, look)?;
        Ok(())
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// If it has ended.
    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.say(&format!("call {uri}"))
    }

    /// Waits until it is called; what it says then.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn rings(&mut self, limit: Duration) -> Result<String> {
        self.hear(&["incoming call"], limit)
    }

    /// Accepts the call that comes in.
    ///
    /// # Errors
    /// If it has ended.
    pub fn accept(&mut self) -> Result<()> {
        self.say("answer")
    }

    /// Waits until its call is accepted and sound flows.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn established(&mut self, limit: Duration) -> Result<()> {
        self.hear(&["Media streams established"], limit).map(|_| ())
    }

    /// Ends the call.
    ///
    /// # Errors
    /// If it has ended.
    pub fn hang_up(&mut self) -> Result<()> {
        self.say("terminate")
    }

    /// Waits for the end of its call; what it says then.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn closed(&mut self, limit: Duration) -> Result<String> {
        self.hear(&["Call ", " ended"], limit)
    }

    /// What it has heard in its last call, which has to be over.
    ///
    /// # Errors
    /// If it has heard nothing.
    pub fn heard(&self) -> Result<Sound> {
        Sound::recorded(&self.account.address(), || Ok(self.recording.clone()))
    }

    fn say(&mut self, line: &str) -> Result<()> {
        self.talk.say(line)
    }

    /// Waits for a line with all the words.
    fn hear(&mut self, words: &[&str], limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.talk.hear(left).with_context(|| {
                let address = self.account.address();
                format!("linphonec of {address} does not say {words:?}: {:?}", self.seen)
            })?;
            self.seen.push(line.clone());
            if words.iter().all(|word| line.contains(word)) {
                return Ok(line);
            }
        }
    }
}

/// The file `rc`.
fn configuration(account: &Account) -> String {
    let Account { user, domain, proxy, transport, lifetime, password, .. } = account;
    format!(
        "[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
default_proxy=0
guess_hostname=0
use_ipv6=0
media_encryption=none

[rtp]
audio_rtp_port=30000-39999

[net]
firewall_policy=0
mtu=1300

[video]
enabled=0
capture=0
display=0
automatically_initiate=0
automatically_accept=0

[auth_info_0]
username={user}
passwd={password}
domain={domain}

[proxy_0]
reg_proxy=sip:{proxy};transport={transport}
reg_route=<sip:{proxy};transport={transport};lr>
reg_identity=sip:{user}@{domain}
reg_expires={lifetime}
reg_sendregister={}
publish=0
",
        u8::from(*lifetime > 0)
    )
}
