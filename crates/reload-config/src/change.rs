//! Changes of settings by name and text, as an operator gives them: the names are those of the elements
//! of section 11.1, and a value is refused as the reader would refuse it. What a running overlay cannot
//! change is refused as well. It knows no clock and signs nothing.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use reload_wire::{NodeId, UnixTime};

use crate::builder::ConfigurationBuilder;
use crate::change_kind;
use crate::configuration::SelfSignedDigest;
use crate::element::{decode_hex, parse_time};
use crate::error::{ConfigError, Problem, shorten};
use crate::parameters::{MIN_MESSAGE, MIN_RELIABILITY_TIMER, is_https};
use crate::read_kind::MAX_INT;

/// What has one value.
const SINGLES: [&str; 10] = [
    "expiration",
    "turn-density",
    "clients-permitted",
    "no-ice",
    "max-message-size",
    "initial-ttl",
    "overlay-reliability-timer",
    "chord-update-interval",
    "chord-ping-interval",
    "chord-reactive",
];
/// What has any number of values; the new ones replace the old ones.
const LISTS: [&str; 7] = [
    "bootstrap-node",
    "enrollment-server",
    "overlay-link-protocol",
    "configuration-signer",
    "kind-signer",
    "bad-node",
    "mandatory-extension",
];
/// What makes another overlay, so that no node could follow the change.
const FIXED: [&str; 3] = ["instance-name", "node-id-length", "topology-plugin"];

impl ConfigurationBuilder {
    /// Changes one setting.
    ///
    /// `name` is `expiration`, the name of an element of section 11.1 that holds a value, or `kind`.
    /// A list takes any number of values, which replace the old ones; none empties it. `kind` takes a
    /// Kind by name or number and then `none`, which removes it, or any of `model=`, `access=`,
    /// `max-node-multiple=`, `max-count=` and `max-size=`, which change it or make a new one; SIP-REGISTRATION
    /// also `domains=any`, `domains=own` and any number of `domain-pattern=` (RFC 7904 section 3.4).
    /// `self-signed-permitted` takes a digest or `false`.
    ///
    /// ```
    /// let mut builder = reload_config::ConfigurationBuilder::new_overlay("overlay.example.org");
    /// builder.change("initial-ttl", &["30"])?;
    /// builder.change("kind", &["0xF0000009", "model=ARRAY", "access=USER-MATCH", "max-count=8", "max-size=100"])?;
    /// assert_eq!((builder.initial_ttl, builder.kinds.len()), (30, 9));
    /// let error = builder.change("initial-ttl", &["0"]).unwrap_err();
    /// assert_eq!(error.to_string(), "initial-ttl: \"0\" is not a number from 1 to 255");
    /// # Ok::<(), reload_config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError::Setting`] or [`ConfigError::NoSuchSetting`]; nothing is changed then.
    pub fn change(&mut self, name: &str, values: &[&str]) -> Result<(), ConfigError> {
        if let Some(name) = SINGLES.into_iter().find(|known| *known == name) {
            let [value] = values else { return Err(refuse(name, Problem::NotOneValue)) };
            return self.change_single(name, value);
        }
        if let Some(name) = LISTS.into_iter().find(|known| *known == name) {
            return self.change_list(name, values);
        }
        if let Some(name) = FIXED.into_iter().find(|known| *known == name) {
            return Err(refuse(name, Problem::Fixed));
        }
        match (name, values) {
            ("kind", values) => change_kind::change(&mut self.kinds, values),
            ("self-signed-permitted", [value]) => self.change_self_signed(value),
            ("self-signed-permitted", _) => {
                Err(refuse("self-signed-permitted", Problem::NotOneValue))
            }
            ("shared-secret", _) => Err(refuse("shared-secret", Problem::SharedSecret)),
            ("root-cert", _) => Err(refuse("root-cert", Problem::OnlyInDocument)),
            _ => Err(ConfigError::NoSuchSetting { name: shorten(name), known: known() }),
        }
    }

    fn change_single(&mut self, name: &'static str, value: &str) -> Result<(), ConfigError> {
        match name {
            "expiration" => {
                self.expiration = Some(parse_time(value).map_err(|problem| refuse(name, problem))?);
            }
            "turn-density" => self.turn_density = byte(name, value, 0)?,
            "clients-permitted" => self.clients_permitted = boolean(name, value)?,
            "no-ice" => self.no_ice = boolean(name, value)?,
            "max-message-size" => {
                self.max_message_size = number(name, value, MIN_MESSAGE, u32::MAX)?;
            }
            "initial-ttl" => self.initial_ttl = byte(name, value, 1)?,
            "overlay-reliability-timer" => {
                let millis = number(name, value, MIN_RELIABILITY_TIMER, MAX_INT)?;
                self.overlay_reliability_timer = Duration::from_millis(millis.into());
            }
            "chord-update-interval" => {
                self.chord.update_interval = number(name, value, 1, MAX_INT)?
            }
            "chord-ping-interval" => self.chord.ping_interval = number(name, value, 1, MAX_INT)?,
            _ => self.chord.reactive = boolean(name, value)?,
        }
        Ok(())
    }

    fn change_list(&mut self, name: &'static str, values: &[&str]) -> Result<(), ConfigError> {
        match name {
            "bootstrap-node" => self.bootstrap_nodes = each(values, |text| address(name, text))?,
            "enrollment-server" => self.enrollment_servers = each(values, |text| url(name, text))?,
            "overlay-link-protocol" => {
                let values = each(values, |text| word(name, text))?;
                if values.is_empty() {
                    return Err(refuse(name, Problem::Empty));
                }
                self.overlay_link_protocols = values;
            }
            "mandatory-extension" => {
                self.mandatory_extensions = each(values, |text| word(name, text))?;
            }
            _ => {
                let length = self.node_id_length.get();
                let ids = each(values, |text| node_id(name, text, length))?;
                match name {
                    "configuration-signer" => self.configuration_signers = ids,
                    "kind-signer" => self.kind_signers = ids,
                    _ => self.bad_nodes = ids,
                }
            }
        }
        Ok(())
    }

    fn change_self_signed(&mut self, value: &str) -> Result<(), ConfigError> {
        self.self_signed = match value {
            "false" | "0" => None,
            name => {
                let unknown = || Problem::UnknownDigest { value: shorten(name) };
                let digest = SelfSignedDigest::from_name(name);
                Some(digest.ok_or_else(|| refuse("self-signed-permitted", unknown()))?)
            }
        };
        Ok(())
    }
}

/// The time as documents have it (section 11.1).
///
/// # Errors
/// [`ConfigError::Setting`].
pub fn parse_expiration(text: &str) -> Result<UnixTime, ConfigError> {
    parse_time(text).map_err(|problem| refuse("expiration", problem))
}

fn known() -> String {
    let others = ["self-signed-permitted", "kind"];
    let mut names: Vec<&str> = SINGLES.into_iter().chain(LISTS).chain(others).collect();
    names.sort_unstable();
    names.join(", ")
}

pub(crate) fn refuse(element: &'static str, problem: Problem) -> ConfigError {
    ConfigError::Setting { element, problem }
}

pub(crate) fn number(
    name: &'static str,
    text: &str,
    min: u32,
    max: u32,
) -> Result<u32, ConfigError> {
    let found = text.parse().ok().filter(|value| (min..=max).contains(value));
    found.ok_or_else(|| refuse(name, Problem::NotNumber { value: shorten(text), min, max }))
}

pub(crate) fn byte(name: &'static str, text: &str, min: u8) -> Result<u8, ConfigError> {
    let value = number(name, text, min.into(), u8::MAX.into())?;
    Ok(u8::try_from(value).unwrap_or(u8::MAX))
}

fn boolean(name: &'static str, text: &str) -> Result<bool, ConfigError> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(refuse(name, Problem::NotBoolean { value: shorten(other) })),
    }
}

/// Each of the values once, in the order given.
fn each<T: PartialEq>(
    values: &[&str],
    read: impl Fn(&str) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let mut list = Vec::new();
    for value in values {
        let item = read(value)?;
        if !list.contains(&item) {
            list.push(item);
        }
    }
    Ok(list)
}

fn address(name: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    let bad = || refuse(name, Problem::NotAddressAndPort { value: shorten(text) });
    SocketAddr::from_str(text).ok().filter(|found| found.port() != 0).ok_or_else(bad)
}

fn url(name: &'static str, text: &str) -> Result<String, ConfigError> {
    if is_https(text) {
        return Ok(text.to_owned());
    }
    Err(refuse(name, Problem::NotHttps { value: shorten(text) }))
}

fn word(name: &'static str, text: &str) -> Result<String, ConfigError> {
    if text.is_empty() { Err(refuse(name, Problem::Empty)) } else { Ok(text.to_owned()) }
}

fn node_id(name: &'static str, text: &str, length: usize) -> Result<NodeId, ConfigError> {
    decode_hex(text)
        .filter(|bytes| bytes.len() == length)
        .and_then(|bytes| NodeId::new(&bytes).ok())
        .filter(|id| !id.is_wildcard() && !id.is_zero())
        .ok_or_else(|| refuse(name, Problem::NotNodeId { value: shorten(text), length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> ConfigurationBuilder {
        ConfigurationBuilder::new_overlay("o.example")
    }

    #[track_caller]
    fn refused(name: &str, values: &[&str], line: &str) {
        let mut changed = builder();
        let error = changed.change(name, values).unwrap_err().to_string();
        assert!(error.starts_with(line), "{error}");
        assert_eq!(changed, builder());
    }

    #[test]
    fn every_setting_changes_what_its_element_says() {
        let id = "0123456789abcdef0123456789abcdef";
        let changes: [(&str, &[&str]); 19] = [
            ("expiration", &["2031-02-03T04:05:06Z"]),
            ("turn-density", &["7"]),
            ("clients-permitted", &["false"]),
            ("no-ice", &["0"]),
            ("max-message-size", &["70000"]),
            ("initial-ttl", &["255"]),
            ("overlay-reliability-timer", &["200"]),
            ("chord-update-interval", &["30"]),
            ("chord-ping-interval", &["40"]),
            ("chord-reactive", &["false"]),
            ("bootstrap-node", &["192.0.2.1:6084", "[2001:db8::1]:7", "192.0.2.1:6084"]),
            ("enrollment-server", &["https://a.example/enroll"]),
            ("overlay-link-protocol", &["TLS", "X"]),
            ("configuration-signer", &[id]),
            ("kind-signer", &[id]),
            ("bad-node", &[id]),
            ("mandatory-extension", &["urn:x"]),
            ("self-signed-permitted", &["sha256"]),
            ("kind", &["SIP-REGISTRATION", "max-size=9"]),
        ];
        let mut changed = builder();
        for (name, values) in changes {
            let before = changed.clone();
            changed.change(name, values).unwrap();
            assert_ne!(changed, before, "{name}");
            assert!(known().contains(name), "{name}");
        }
        let read = changed.to_configuration().unwrap();
        assert_eq!(read.settings, *changed.settings());
        assert_eq!((read.max_message_size, read.initial_ttl, read.turn_density), (70_000, 255, 7));
        assert_eq!(read.overlay_reliability_timer, Duration::from_millis(200));
        assert_eq!((read.chord.update_interval, read.chord.ping_interval), (30, 40));
        assert!(!read.chord.reactive && !read.no_ice && !read.clients_permitted);
        assert_eq!(read.bootstrap_nodes.len(), 2);
        changed.change("bootstrap-node", &[]).unwrap();
        assert_eq!(changed.bootstrap_nodes, []);
    }

    #[test]
    fn a_value_that_a_reader_would_refuse_is_refused_with_its_range() {
        refused("initial-ttl", &["0"], "initial-ttl: \"0\" is not a number from 1 to 255");
        refused("initial-ttl", &["256"], "initial-ttl: \"256\" is not a number from 1 to 255");
        refused("overlay-reliability-timer", &["199"], "overlay-reliability-timer: \"199\" is not");
        refused("max-message-size", &["37"], "max-message-size: \"37\" is not a number from 38");
        refused("chord-reactive", &["yes"], "chord-reactive: \"yes\" is not true, false");
        refused("expiration", &["2031-02-03T04:05:06+02:00"], "expiration: the time");
        refused("expiration", &["soon"], "expiration: \"soon\" is not a time in the form");
        refused("bootstrap-node", &["o.example:1"], "bootstrap-node: \"o.example:1\" is no");
        refused("bootstrap-node", &["192.0.2.1:0"], "bootstrap-node: \"192.0.2.1:0\" is no");
        refused("enrollment-server", &["http://a"], "enrollment-server: \"http://a\" is not");
        refused("bad-node", &["01"], "bad-node: \"01\" is not a Node-ID of 16 bytes");
        refused("bad-node", &[&"00".repeat(16)], "bad-node: ");
        refused("self-signed-permitted", &["md5"], "self-signed-permitted: unknown digest");
    }

    #[test]
    fn one_value_is_needed_where_one_is_held() {
        refused("initial-ttl", &[], "initial-ttl: one value is needed");
        refused("initial-ttl", &["1", "2"], "initial-ttl: one value is needed");
        refused("overlay-link-protocol", &[], "overlay-link-protocol: the value is empty");
    }

    #[test]
    fn what_would_be_another_overlay_is_refused_and_unknown_names_show_the_known_ones() {
        refused("instance-name", &["p.example"], "instance-name: a running overlay cannot");
        refused("node-id-length", &["20"], "node-id-length: a running overlay cannot");
        refused("root-cert", &["x"], "root-cert: it is changed only by a whole document");
        refused("shared-secret", &["x"], "shared-secret: admission by a shared secret");
        refused("ttl", &["1"], "there is no setting \"ttl\"; there are bad-node, bootstrap-node");
    }
}
