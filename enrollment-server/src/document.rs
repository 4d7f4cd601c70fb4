//! The signed configuration document of the home (RFC 6940 section 11.1): read, checked, changed,
//! signed with the next sequence number. Every change goes through `change`, under a lock.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reload_config::{
    Configuration, ConfigurationBuilder, MAX_SEQUENCE, OverlayDocument, check_config_update_fits,
    parse_expiration,
};
use reload_wire::{NodeId, UnixTime};
use tracing::info;

use crate::accounts::Accounts;
use crate::clock;
use crate::home::{DOCUMENT, Home};
use crate::init::{DOCUMENT_DAYS, URL_GIVEN, expiration, settings_from, url_of};
use crate::signer::{Signer, check_signature};

/// A document is signed anew when it has less than this to live, or less than a third of its life.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// How often a running server looks whether it is time for that, at the least.
const LOOK: Duration = Duration::from_secs(3600);

/// The document of a home, its signature checked.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    document: OverlayDocument,
}

impl Document {
    /// Reads and checks the document. Its time is not checked, so that it can be renewed.
    pub(crate) fn load(home: &Home) -> Result<Self> {
        let bytes = home.read(DOCUMENT)?;
        let read = OverlayDocument::parse(&bytes).map_err(anyhow::Error::from);
        let checked = read.and_then(|document| {
            check_signature(&document)?;
            Ok(Self { document })
        });
        checked.with_context(|| home.cannot("use", DOCUMENT))
    }

    /// The configuration; a home has one.
    pub(crate) fn configuration(&self) -> &Configuration {
        &self.document.configurations()[0]
    }

    /// Bytes of the document.
    pub(crate) fn size(&self) -> usize {
        self.document.bytes().len()
    }

    /// Refuses a document that has expired.
    pub(crate) fn check_time(&self) -> Result<()> {
        self.configuration()
            .check_expiration(clock::now())
            .context("sign the configuration anew with `reload-enroll config publish`")
    }
}

/// Refuses a user name that the overlay would not take (RFC 7904 section 3.4), by the document as it is.
pub(crate) fn check_user(home: &Home, user: &str) -> Result<()> {
    Ok(Document::load(home)?.configuration().check_user(user)?)
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The sequence of the configuration in use.
    pub sequence: u16,
    /// Whether it is a new one.
    pub is_new: bool,
}

/// Changes the settings of the document, and signs and writes it with the next sequence number. The
/// closure finds them with that number and an expiration in `days`. When it says that there is
/// nothing to do, the old document stays.
fn change(
    home: &Home,
    days: u32,
    change: impl FnOnce(&mut ConfigurationBuilder) -> Result<bool>,
) -> Result<Published> {
    let _lock = home.lock_document()?;
    let old = Document::load(home)?;
    let old = old.configuration();
    let mut settings = ConfigurationBuilder::from_configuration(old)?;
    let sequence = next_sequence(old.sequence);
    settings.sequence = sequence;
    settings.expiration = Some(expiration(clock::now(), days));
    if !change(&mut settings)? {
        return Ok(Published { sequence: old.sequence, is_new: false });
    }
    let signed = Signer::load(home, &settings)?.sign(settings)?;
    check_signature(&signed).context("the configuration made is not valid")?;
    check_reaches(&signed, old)?;
    home.write(DOCUMENT, signed.bytes())?;
    info!(sequence, "configuration signed");
    Ok(Published { sequence, is_new: true })
}

/// The nodes still live by the old size when the ConfigUpdate with the new document comes.
fn check_reaches(new: &OverlayDocument, old: &Configuration) -> Result<()> {
    check_config_update_fits(new.bytes().len(), old.max_message_size).context(
        "the configuration could not reach the nodes, which live by the max-message-size in force: \
         raise that alone first",
    )
}

/// The sequence numbers run to 65534 and then from 0 again (6.3.2.1, E45).
fn next_sequence(sequence: u16) -> u16 {
    if sequence >= MAX_SEQUENCE { 0 } else { sequence.saturating_add(1) }
}

/// What a new configuration is to have.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// An unsigned overlay document to take every other element from.
    pub from: Option<Vec<u8>>,
    /// Bootstrap nodes to add.
    pub bootstrap: Vec<SocketAddr>,
    /// How long it is valid, in days.
    pub days: u32,
}

impl Default for PublishOptions {
    /// No change but the sequence and the time.
    fn default() -> Self {
        Self { from: None, bootstrap: Vec::new(), days: DOCUMENT_DAYS }
    }
}

/// Signs the configuration anew with the next sequence number, which is returned. A running server
/// serves it at once.
///
/// # Errors
/// When the document given is not usable, no ConfigUpdate could carry it, or it cannot be written.
pub fn publish(home: &Home, options: PublishOptions) -> Result<u16> {
    let published = change(home, options.days, |settings| {
        if let Some(from) = options.from {
            let mut new = settings_from(&from, &settings.instance_name)?;
            keep_ours(settings, &mut new);
            *settings = new;
        }
        add(&mut settings.bootstrap_nodes, &options.bootstrap);
        Ok(true)
    })?;
    Ok(published.sequence)
}

/// Changes one setting of the configuration, as [`ConfigurationBuilder::change`] has it, and signs it
/// with the next sequence number. A running server serves it at once. `expiration` may also be given
/// from now on, as `+90d`; with any other setting it stays.
///
/// # Errors
/// When the name or a value is not acceptable, no ConfigUpdate could carry the document, or it cannot
/// be written. Nothing is changed then.
pub fn set(home: &Home, name: &str, values: &[&str]) -> Result<Published> {
    change(home, DOCUMENT_DAYS, |settings| {
        let old = Document::load(home)?;
        let old = old.configuration();
        settings.expiration = old.expiration;
        let before = settings.clone();
        match (name, values) {
            ("expiration", [value]) => settings.expiration = Some(expiration_of(value)?),
            _ => settings.change(name, values)?,
        }
        if settings.expiration.is_some_and(|end| end <= clock::now()) {
            bail!("expiration: the time has passed, the configuration would be valid no more");
        }
        Ok(*settings != before)
    })
}

/// A time, or a time from now on: `+90d`, `+12h`, `+30m`, `+45s`.
fn expiration_of(text: &str) -> Result<UnixTime> {
    let Some(relative) = text.strip_prefix('+') else { return Ok(parse_expiration(text)?) };
    let unit = relative.trim_start_matches(|c: char| c.is_ascii_digit());
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => 0,
    };
    let number = relative.strip_suffix(unit).and_then(|digits| digits.parse::<u32>().ok());
    match number {
        Some(number @ 1..) if seconds > 0 => {
            let span = Duration::from_secs(u64::from(number).saturating_mul(seconds));
            Ok(UnixTime::from_secs(clock::now().saturating_add(span).as_secs()))
        }
        _ => bail!("expiration: {text:?} is no time from now on, as +90d, +12h, +30m or +45s"),
    }
}

/// What a document from elsewhere must not take away: the roots, the signer, what is revoked, and
/// the enrollment servers when it names none. Number and end are those of this signing.
fn keep_ours(old: &ConfigurationBuilder, new: &mut ConfigurationBuilder) {
    (new.sequence, new.expiration) = (old.sequence, old.expiration);
    add(&mut new.root_certs, &old.root_certs);
    new.configuration_signers.clone_from(&old.configuration_signers);
    new.kind_signers.clone_from(&old.kind_signers);
    add(&mut new.bad_nodes, &old.bad_nodes);
    if new.enrollment_servers.is_empty() {
        new.enrollment_servers.clone_from(&old.enrollment_servers);
    }
}

/// Makes Node-IDs bad-nodes (11.1); those that are already are not listed twice.
pub(crate) fn add_bad_nodes(home: &Home, node_ids: &[NodeId]) -> Result<u16> {
    let published =
        change(home, DOCUMENT_DAYS, |settings| Ok(add(&mut settings.bad_nodes, node_ids)))?;
    Ok(published.sequence)
}

/// Adds what is not there yet; whether anything was.
pub(crate) fn add<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) -> bool {
    let before = list.len();
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
    list.len() > before
}

/// Makes the document name the bound address, unless the operator gave the URL.
pub(crate) async fn name_address(
    home: &Home,
    accounts: &Accounts,
    address: SocketAddr,
) -> Result<()> {
    if accounts.setting(URL_GIVEN).await?.as_deref() == Some("yes") {
        return Ok(());
    }
    change(home, DOCUMENT_DAYS, |settings| {
        let url = url_of(address, &settings.instance_name);
        let missing = !settings.enrollment_servers.contains(&url);
        settings.enrollment_servers = vec![url]; // no other is ours any more
        Ok(missing)
    })?;
    Ok(())
}

/// Signs the document anew when it is about to expire; when to look again.
pub(crate) fn renew_if_due(home: &Home) -> Result<Duration> {
    let document = Document::load(home)?;
    let (now, signed) = (clock::now(), clock::modified(&home.file(DOCUMENT))?);
    let Some(end) = document.configuration().expiration else { return Ok(LOOK) };
    let wait = until_renewal(signed, end, now);
    if wait.is_zero() {
        change(home, DOCUMENT_DAYS, |_| Ok(true))?;
        return Ok(LOOK);
    }
    Ok(wait.min(LOOK))
}

/// The time until a document signed at one time that ends at another has to be renewed.
fn until_renewal(signed: UnixTime, end: UnixTime, now: UnixTime) -> Duration {
    let life = Duration::from_millis(end.0.saturating_sub(signed.0));
    let before = RENEW_BEFORE.min(life / 3);
    Duration::from_millis(end.0.saturating_sub(now.0)).saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6940-6.3.2.1-06
    #[test]
    fn after_65534_comes_0() {
        assert_eq!(next_sequence(1), 2);
        assert_eq!(next_sequence(65_533), 65_534);
        assert_eq!(next_sequence(65_534), 0);
    }

    #[test]
    fn a_document_is_renewed_in_the_last_third_or_month_of_its_life() {
        let day = 86_400_000;
        let wait = |signed: u64, end: u64, now: u64| {
            until_renewal(UnixTime(signed * day), UnixTime(end * day), UnixTime(now * day))
        };
        assert_eq!(wait(0, 365, 5).as_secs(), 330 * 86_400);
        assert!(wait(0, 365, 335).is_zero() && wait(0, 365, 400).is_zero());
        assert_eq!(wait(0, 9, 5).as_secs(), 86_400);
        assert!(wait(0, 9, 6).is_zero());
    }

    #[test]
    fn a_time_from_now_on_needs_a_number_and_a_unit() {
        let now = clock::now();
        let end = expiration_of("+2h").unwrap();
        assert!((7_199_000..7_210_000).contains(&(end.0 - now.0)), "{}", end.0);
        for text in ["+", "+2", "+h", "+0d", "+2y", "+-2d", "+2.5d", "+99999999999d"] {
            let error = expiration_of(text).unwrap_err().to_string();
            assert!(error.contains("as +90d"), "{error}");
        }
        assert_eq!(expiration_of("2031-01-01T00:00:00Z").unwrap().as_secs(), 1_924_992_000);
    }
}
