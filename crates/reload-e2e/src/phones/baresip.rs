//! baresip, a phone: it sends a tone from a file and records what it hears.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::control::Control;
use super::ports::free_port;
use super::{Account, Sound};
use crate::process::Process;
use crate::{Signal, Site, installed, until};

/// It is ready within this.
const READY: Duration = Duration::from_secs(10);

/// It unregisters and ends within this.
const END: Duration = Duration::from_secs(10);

/// No test calls for longer.
const TONE: Duration = Duration::from_secs(60);

/// A running phone.
#[derive(Debug)]
pub struct Baresip {
    account: Account,
    process: Process,
    control: Control,
    recordings: PathBuf,
}

impl Baresip {
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
        if !installed("baresip")? {
            return Ok(None);
        }
        let home = tempfile::Builder::new().prefix(&account.user).tempdir_in(directory)?.keep();
        let recordings = home.join("recordings");
        fs::create_dir(&recordings)?;
        Sound::tone(hertz, TONE).write(&home.join("tone.wav"))?;
        // A phone on the machine of its proxy needs no other address.
        let loopback = account.proxy.ip().is_loopback();
        let address = if loopback { Ipv4Addr::LOCALHOST.into() } else { site.address() };
        let control = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_port(site)?);
        fs::write(home.join("config"), configuration(&home, address, control))?;
        fs::write(home.join("accounts"), line(&account))?;
        let contact = account.writes_to.as_ref().map(|who| format!("\"X\" <sip:{who}>\n"));
        fs::write(home.join("contacts"), contact.unwrap_or_default())?;
        let mut command = site.program(Path::new("baresip"));
        command.args(["-4", "-s", "-v", "-f"]).arg(&home);
        let name = format!("baresip of {}", account.address());
        let mut process = Process::start_logging(&name, command, &home.join("log"))?;
        let limit = Duration::from_millis(500);
        let connect = || site.inside(|| TcpStream::connect_timeout(&control, limit));
        let (stream, _) = until(&format!("{name} listens"), READY, || {
            process.check_alive()?;
            connect()
        })?;
        process.logged(&["baresip is ready"], READY)?;
        Ok(Some(Self { account, process, control: Control::new(stream)?, recordings }))
    }

    /// Its account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Waits for the first answer to its REGISTER, which must be a success.
    ///
    /// # Errors
    /// If it is another one, or none in time.
    pub fn registered(&self, limit: Duration) -> Result<()> {
        let answer = self.registration(limit)?;
        ensure!(answer.starts_with("200"), "{} is not registered: {answer}", self.address());
        Ok(())
    }

    /// Waits for the first answer to its REGISTER: the status, and who says so.
    ///
    /// # Errors
    /// If there is none in time.
    pub fn registration(&self, limit: Duration) -> Result<String> {
        // bob@example.org: {0/UDP/v4} 200 OK (server) [1 binding]
        let success = format!("{}: {{0/", self.address());
        // reg: sip:bob@example.org: 403 Forbidden (server)
        let failure = format!("reg: sip:{}: ", self.address());
        let look = || {
            let text = self.process.log_text();
            let answer = text.lines().find_map(|line| {
                let after = |words: &str| Some(line.split_once(words)?.1);
                after(&failure).or_else(|| Some(after(&success)?.split_once("} ")?.1))
            });
            answer.map(str::to_owned).with_context(|| text.clone())
        };
        Ok(until(&format!("{} is registered or refused", self.address()), limit, look)?.0)
    }

    /// Calls somebody.
    ///
    /// # Errors
    /// If it does not want to.
    pub fn dial(&mut self, uri: &str) -> Result<()> {
        self.forget_sound()?;
        self.control.command("dial", uri)?;
        Ok(())
    }

    /// Accepts the call that comes in.
    ///
    /// # Errors
    /// If there is none.
    pub fn accept(&mut self) -> Result<()> {
        self.forget_sound()?;
        self.control.command("accept", "")?;
        Ok(())
    }

    /// Ends the call, or does not take it (486), or takes it back.
    ///
    /// # Errors
    /// If there is no call.
    pub fn hang_up(&mut self) -> Result<()> {
        self.control.command("hangup", "")?;
        self.closed(END).map(|_| ())
    }

    /// Holds the call, or takes it up again: a re-INVITE.
    ///
    /// # Errors
    /// If there is no call.
    pub fn hold(&mut self, hold: bool) -> Result<()> {
        self.control.command(if hold { "hold" } else { "resume" }, "")?;
        Ok(())
    }

    /// Has the other phone of the call call somebody else: a REFER.
    ///
    /// # Errors
    /// If there is no call.
    pub fn transfer(&mut self, uri: &str) -> Result<()> {
        self.control.command("transfer", uri)?;
        Ok(())
    }

    /// Sends a text to the one whom its account writes to.
    ///
    /// # Errors
    /// If it does not want to.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.control.command("contact_next", "")?;
        self.control.command("message", text)?;
        Ok(())
    }

    /// Waits until it is called; by whom.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn rings(&mut self, limit: Duration) -> Result<String> {
        self.event("CALL_INCOMING", limit, "peeruri")
    }

    /// Waits until the other phone rings.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn hears_ringing(&mut self, limit: Duration) -> Result<()> {
        self.event("CALL_RINGING", limit, "param").map(|_| ())
    }

    /// Waits until its call is accepted.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn established(&mut self, limit: Duration) -> Result<()> {
        self.event("CALL_ESTABLISHED", limit, "param").map(|_| ())
    }

    /// Waits for the end of its call; the status that refused it, or who ended it.
    ///
    /// # Errors
    /// If it does not end in time.
    pub fn closed(&mut self, limit: Duration) -> Result<String> {
        self.event("CALL_CLOSED", limit, "param")
    }

    /// What it told of its calls so far.
    pub fn seen(&mut self) -> &[String] {
        self.control.seen()
    }

    /// Waits until a line of its log holds all the words. All SIP messages stand there.
    ///
    /// # Errors
    /// If none does in time.
    pub fn logged(&self, words: &[&str], limit: Duration) -> Result<String> {
        self.process.logged(words, limit)
    }

    /// What it says, with all SIP messages.
    #[must_use]
    pub fn log_text(&self) -> String {
        self.process.log_text()
    }

    /// Waits until the recording of the call that goes on is as long as that.
    ///
    /// # Errors
    /// If it is not in time.
    pub fn hears_for(&self, length: Duration, limit: Duration) -> Result<()> {
        let look = || {
            let written = fs::metadata(self.recording()?)?.len();
            let wanted = u128::from(Sound::BYTES_A_SECOND) * length.as_millis() / 1000;
            ensure!(u128::from(written) >= wanted, "{written} bytes of {wanted}");
            Ok(())
        };
        until(&format!("{} hears something for {length:?}", self.address()), limit, look)?;
        Ok(())
    }

    /// What it has heard in its last call, which has to be over.
    ///
    /// # Errors
    /// If it has heard nothing.
    pub fn heard(&self) -> Result<Sound> {
        Sound::recorded(&self.address(), || self.recording())
    }

    /// Switches it off in good order: it unregisters.
    ///
    /// # Errors
    /// If it does not end.
    pub fn switch_off(mut self) -> Result<()> {
        self.process.signal(Signal::Terminate)?;
        self.process.wait(END)?;
        Ok(())
    }

    /// What was heard in earlier calls is none of the next one.
    fn forget_sound(&self) -> Result<()> {
        for file in fs::read_dir(&self.recordings)? {
            fs::remove_file(file?.path())?;
        }
        Ok(())
    }

    fn recording(&self) -> Result<PathBuf> {
        let entries = fs::read_dir(&self.recordings)?;
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        // What it sends is there as well. The names hold the time.
        let heard = files.filter(|file| file.to_string_lossy().ends_with("-dec.wav"));
        heard.max().context("no recording")
    }

    fn address(&self) -> String {
        self.account.address()
    }

    fn event(&mut self, kind: &str, limit: Duration, key: &str) -> Result<String> {
        let event = self.control.event(kind, limit);
        let event = event.with_context(|| format!("baresip of {}", self.address()))?;
        Ok(event[key].as_str().unwrap_or_default().to_owned())
    }
}

/// The line of the file `accounts`.
fn line(account: &Account) -> String {
    let Account { user, domain, proxy, transport, password, lifetime, .. } = account;
    format!(
        "<sip:{user}@{domain};transport={transport}>;auth_pass={password};regint={lifetime};\
         outbound=\"sip:{proxy};transport={transport}\"\n"
    )
}

fn configuration(home: &Path, address: IpAddr, control: SocketAddr) -> String {
    let home = home.display();
    format!(
        "sip_listen {address}:0
net_interface {address}
call_max_calls 4
audio_source aufile,{home}/tone.wav
audio_channels 1
rtp_ports 20000-29999
jitter_buffer_delay 2-5
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
snd_path {home}/recordings
module_tmp account.so
module_app menu.so
module_app contact.so
module_app ctrl_tcp.so
ctrl_tcp_listen {control}
"
    )
}
