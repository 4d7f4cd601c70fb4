//! kamailio, a SIP server of the ordinary world: registrar and proxy of one domain.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::ports::free_port;
use super::sipsak::Sipsak;
use crate::process::Process;
use crate::{Site, installed, until};

/// It serves, or ends, within this.
const LIMIT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct Kamailio {
    address: SocketAddr,
    process: Process,
}

impl Kamailio {
    /// Starts it at a machine for a domain, with its files below `directory`. What is for `elsewhere` goes
    /// to that address. None, with a word about it, if it or sipsak is not installed.
    ///
    /// # Errors
    /// If it does not serve, or is missing and RELOAD_TEST_TOOLS=require.
    pub fn start(
        site: &Site,
        directory: &Path,
        domain: &str,
        elsewhere: Option<(&str, SocketAddr)>,
    ) -> Result<Option<Self>> {
        if !installed("kamailio")? {
            return Ok(None);
        }
        let address = SocketAddr::new(site.address(), free_port(site)?);
        let Some(asker) = Sipsak::new(site)? else { return Ok(None) };
        let home = tempfile::Builder::new().prefix("kamailio").tempdir_in(directory)?.keep();
        let file = home.join("kamailio.cfg");
        fs::write(&file, configuration(address, domain, elsewhere))?;
        let mut command = site.program(&crate::installed::found("kamailio"));
        // In the foreground, with its workers, and little memory.
        command.args(["-DD", "-E", "-m", "32", "-M", "4", "-f"]).arg(&file);
        command.arg("-Y").arg(&home).arg("-w").arg(&home);
        let process = Process::start_logging("kamailio", command, &home.join("log"))?;
        let mut server = Self { address, process };
        until("kamailio serves", LIMIT, || {
            server.process.check_alive()?;
            let asked = asker.options(address, domain, &format!("asker@{domain}"));
            asked.with_context(|| server.process.log_text())
        })?;
        Ok(Some(server))
    }

    /// Where it serves, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Its workers end with it only if it is asked.
        let _ = self.process.terminate(LIMIT);
    }
}

fn configuration(
    address: SocketAddr,
    domain: &str,
    elsewhere: Option<(&str, SocketAddr)>,
) -> String {
    let elsewhere = elsewhere.map(|(domain, next)| {
        format!("  if ($rd == \"{domain}\") {{ $du = \"sip:{next}\"; t_relay(); exit; }}\n")
    });
    let elsewhere = elsewhere.unwrap_or_default();
    let modules = ["tm", "sl", "rr", "pv", "maxfwd", "usrloc", "registrar", "textops", "siputils"];
    let modules = modules.map(|module| format!("loadmodule \"{module}.so\"\n")).concat();
    format!(
        "#!KAMAILIO
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
listen=udp:{address}
listen=tcp:{address}
alias=\"{domain}\"
{modules}
modparam(\"usrloc\", \"db_mode\", 0)
request_route {{
  if (!mf_process_maxfwd_header(\"10\")) {{ sl_send_reply(\"483\", \"Too Many Hops\"); exit; }}
  if (is_method(\"OPTIONS\") && uri == myself && !($rU =~ \".\")) {{ sl_send_reply(\"200\", \"OK\"); exit; }}
  if (is_method(\"CANCEL\")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{
      # The phone may have given its GRUU (RFC 5627).
      if (uri == myself) lookup(\"location\");
      t_relay(); exit;
    }}
    if (is_method(\"ACK\")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply(\"404\", \"Not here\"); exit;
  }}
  if (is_method(\"REGISTER\")) {{ save(\"location\"); exit; }}
  record_route();
{elsewhere}
  if (uri == myself) {{
    if (!lookup(\"location\")) {{ sl_send_reply(\"404\", \"Not Found\"); exit; }}
  }}
  t_relay();
}}
"
    )
}
