//! SIPp: many registrations and calls through one proxy or between two.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reload_e2e::phones::{Report, Run, Sipp};
use reload_e2e::{Site, until};

const REGISTER: &str = include_str!("scenarios/register.xml");
const CALLER: &str = include_str!("scenarios/caller.xml");
const CALLEE: &str = include_str!("scenarios/callee.xml");

/// A dialog ends within this (RFC 3261 section 17.1.1.2: 32 s).
const DIALOG: Duration = Duration::from_secs(40);

/// In seconds, what phones register for.
pub(super) const HOUR: u32 = 3600;

/// A user at a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct User<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) proxy: SocketAddr,
}

/// How much of something, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) count: u32,
    pub(super) a_second: u32,
}

impl Rate {
    fn limit(self) -> Duration {
        DIALOG + Duration::from_secs(u64::from(2 * self.count / self.a_second))
    }
}

/// Registers the user again and again at one contact, or for 0 s no longer. None if SIPp is not
/// installed.
pub(super) fn register(
    directory: &Path,
    user: User<'_>,
    contact: SocketAddr,
    seconds: u32,
    rate: Rate,
) -> Result<Option<Report>> {
    let (contact, expires) = (contact.to_string(), seconds.to_string());
    let words = [
        ("user", user.name),
        ("domain", user.domain),
        ("contact", &contact),
        ("expires", &expires),
    ];
    let run = Run {
        name: "register",
        scenario: REGISTER,
        remote: user.proxy,
        words: &words,
        rate: rate.a_second,
        count: Some(rate.count),
    };
    let Some(sipp) = Sipp::start(&Site::loopback(), directory, &run)? else { return Ok(None) };
    Ok(Some(all(sipp.finish(rate.limit()).context("REGISTER")?, rate)?))
}

/// The one user calls the other, whose phone is another SIPp. None if it is not installed.
pub(super) fn call(
    directory: &Path,
    from: User<'_>,
    to: User<'_>,
    rate: Rate,
) -> Result<Option<Report>> {
    let site = Site::loopback();
    let run = |name, scenario, remote, words, count| {
        let run = Run { name, scenario, remote, words, rate: rate.a_second, count };
        Sipp::start(&site, directory, &run)
    };
    let Some(callee) = run("callee", CALLEE, to.proxy, &[], None)? else { return Ok(None) };
    let once = Rate { count: 1, a_second: 1 };
    register(directory, to, callee.address(), HOUR, once)?;
    let aor = format!("{}@{}", to.name, to.domain);
    let words = [("user", from.name), ("domain", from.domain), ("callee", &aor)];
    let caller = run("caller", CALLER, from.proxy, &words, Some(rate.count))?;
    let Some(caller) = caller else { return Ok(None) };
    let report = all(caller.finish(rate.limit()).context("the caller")?, rate)?;
    until("the callee has seen the end of all calls", DIALOG, || {
        all(callee.report()?, rate).context("the callee")
    })?;
    register(directory, to, callee.address(), 0, once)?;
    Ok(Some(report))
}

fn all(report: Report, rate: Rate) -> Result<Report> {
    let Report { begun, successful, failed, errors, .. } = &report;
    ensure!(*failed == 0, "{failed} failed of {}: {errors}", rate.count);
    let count = u64::from(rate.count);
    ensure!(
        (*begun, *successful) == (count, count),
        "{begun} begun, {successful} ended well: {errors}"
    );
    Ok(report)
}

/// What people want to know of the times.
pub(super) fn shown(report: &Report) -> Result<String> {
    let [median, p99, longest] = [50, 99, 100].map(|part| report.percentile(part));
    Ok(format!("median {:?}, p99 {:?}, longest {:?}", median?, p99?, longest?))
}
