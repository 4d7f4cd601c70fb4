//! Makes the bytes of a `configuration` element from settings (section 11.1). What it writes is
//! read again by the strict reader before it is given out.

use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use reload_wire::{DataModel, KindId};

use crate::assemble::assemble_unsigned;
use crate::configuration::{Configuration, Settings};
use crate::document::OverlayDocument;
use crate::element::trim;
use crate::error::{ConfigError, Problem, shorten};
use crate::iana::iana_kind;
use crate::kind::{AccessControl, KindBlock, KindDefinition};
use crate::name::is_overlay_name;
use crate::options::ReadOptions;
use crate::parameters::{is_der_sequence, is_https};
use crate::sequence::MAX_SEQUENCE;
use crate::write;

/// The default of 5000 cannot carry a configuration with its certificates.
const NEW_OVERLAY_MESSAGE_SIZE: u32 = 65_536;
/// The most bytes of a certificate; one with an RSA-4096 key and a few Node-IDs needs about 2,000.
const CERTIFICATE_SIZE: u32 = 4096;
/// The most certificates under one name: one for each device of a user.
const CERTIFICATE_COUNT: u32 = 16;
/// Values of users: a StoreReq with one of them fits well into the message size.
const USER_VALUE_SIZE: u32 = 16_384;
/// Entries of an array or a dictionary of users.
const USER_VALUE_COUNT: u32 = 128;

/// The settings of a configuration that is to be written; they are reached through `Deref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationBuilder {
    settings: Settings,
}

impl ConfigurationBuilder {
    /// The defaults of section 11.1 for an overlay of this name, without Kinds.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { settings: Settings::new(name) }
    }

    /// What a new overlay gets: No-ICE links, no TURN servers, messages of 64 KiB, the Kinds of
    /// certificates, TURN-SERVICE and SIP-REGISTRATION, and four private Kinds for users:
    /// 0xF0000001 single, 0xF0000002 array and 0xF0000003 dictionary, all USER-MATCH, and
    /// 0xF0000004 single, NODE-MULTIPLE with at most 255.
    #[must_use]
    pub fn new_overlay(name: &str) -> Self {
        let mut builder = Self::new(name);
        builder.no_ice = true;
        builder.turn_density = 0;
        builder.max_message_size = NEW_OVERLAY_MESSAGE_SIZE;
        let kinds = registered_kinds().into_iter().chain(user_kinds());
        builder.kinds = kinds.map(KindBlock::new).collect();
        builder
    }

    /// The settings of a configuration, with its extensions. Kinds keep their bytes and signatures
    /// where these can stand in another document, else they are written anew without a signature.
    ///
    /// # Errors
    /// A Kind that is not supported: it would be lost.
    pub fn from_configuration(configuration: &Configuration) -> Result<Self, ConfigError> {
        let lost = configuration.problems().iter().find(|problem| problem.is_unsupported_kind());
        if let Some(problem) = lost {
            return Err(problem.clone());
        }
        let mut settings = configuration.settings.clone();
        for block in &mut settings.kinds {
            if !stands_alone(block) {
                *block = KindBlock::new(block.definition.clone());
            }
        }
        Ok(Self { settings })
    }

    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Gives each Kind a new signature; the function gets the bytes of a `kind` element and gives
    /// the SecurityBlock. A signed configuration needs them (11.1).
    ///
    /// # Errors
    /// Those of the function.
    pub fn sign_kinds<E>(
        &mut self,
        mut sign: impl FnMut(&[u8]) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        for block in &mut self.settings.kinds {
            block.signature = Some(sign(&block.raw)?);
        }
        Ok(())
    }

    /// The bytes of the `configuration` element, from `<` to `>`: these are to be signed.
    ///
    /// # Errors
    /// A setting that cannot be written, or that the strict reader would refuse.
    pub fn build(&self) -> Result<Bytes, ConfigError> {
        self.check()?;
        let expiration = match self.expiration {
            Some(time) => Some(write::date_time(time).ok_or(ConfigError::Setting {
                element: "expiration",
                problem: Problem::UnwritableTime(time.0),
            })?),
            None => None,
        };
        let bytes = Bytes::from(write::configuration(&self.settings, expiration.as_deref()));
        let document = OverlayDocument::parse(&assemble_unsigned(&bytes))?;
        match document.configurations() {
            [only] if only.settings == self.settings => Ok(bytes),
            _ => Err(refuse("configuration", Problem::NotTheSame)),
        }
    }

    /// The configuration as a reader gets it, unsigned.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn to_configuration(&self) -> Result<Configuration, ConfigError> {
        let document = OverlayDocument::parse(&assemble_unsigned(&self.build()?))?;
        document.configurations().first().cloned().ok_or(ConfigError::NoConfiguration)
    }

    /// What the reader would not find, or not name as well.
    fn check(&self) -> Result<(), ConfigError> {
        check_name(&self.instance_name)?;
        if self.sequence > MAX_SEQUENCE {
            return Err(refuse("sequence", Problem::Sequence(self.sequence)));
        }
        check_text("topology-plugin", &self.topology_plugin)?;
        for name in &self.overlay_link_protocols {
            check_text("overlay-link-protocol", name)?;
        }
        for namespace in &self.mandatory_extensions {
            check_text("mandatory-extension", namespace)?;
        }
        if let Some(secret) = &self.shared_secret {
            check_text("shared-secret", secret.expose())?;
        }
        if let Some(url) = self.enrollment_servers.iter().find(|url| !is_https(url)) {
            return Err(refuse("enrollment-server", Problem::NotHttps { value: shorten(url) }));
        }
        if !self.root_certs.iter().all(|der| is_der_sequence(der)) {
            return Err(refuse("root-cert", Problem::NotCertificate));
        }
        Ok(())
    }
}

impl Deref for ConfigurationBuilder {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for ConfigurationBuilder {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

fn refuse(element: &'static str, problem: Problem) -> ConfigError {
    ConfigError::Setting { element, problem }
}

/// New names are lower-case: the overlay hash does not fold case (6.3.2), DNS does.
fn check_name(name: &str) -> Result<(), ConfigError> {
    if !is_overlay_name(name) {
        return Err(refuse("instance-name", Problem::NotOverlayName { value: shorten(name) }));
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(refuse("instance-name", Problem::UpperCaseName { value: shorten(name) }));
    }
    Ok(())
}

/// Blanks at the ends of a value are lost on reading.
fn check_text(element: &'static str, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() {
        return Err(refuse(element, Problem::Empty));
    }
    if trim(text) != text {
        return Err(refuse(element, Problem::Blanks));
    }
    Ok(())
}

/// Whether the bytes of the Kind mean the same where only the base namespace is declared.
fn stands_alone(block: &KindBlock) -> bool {
    KindBlock::parse(&block.to_xml(), &ReadOptions::default())
        .is_ok_and(|read| read.definition == block.definition && read.raw == block.raw)
}

fn registered_kinds() -> Vec<KindDefinition> {
    let sizes = [
        ("CERTIFICATE_BY_NODE", CERTIFICATE_COUNT, CERTIFICATE_SIZE),
        ("CERTIFICATE_BY_USER", CERTIFICATE_COUNT, CERTIFICATE_SIZE),
        ("TURN-SERVICE", 1, 64), // a TurnServer has at most 20 bytes (section 9)
        ("SIP-REGISTRATION", 16, 1024),
    ];
    let kinds = sizes.iter().filter_map(|&(name, count, size)| {
        iana_kind(name).map(|kind| KindDefinition::registered(kind, count, size))
    });
    kinds.collect()
}

fn user_kinds() -> [KindDefinition; 4] {
    let user = |id, model, count| {
        let access = AccessControl::UserMatch;
        KindDefinition::private(KindId(id), model, access, count, USER_VALUE_SIZE)
    };
    let multiple = AccessControl::NodeMultiple { max: u8::MAX };
    [
        user(0xf000_0001, DataModel::Single, 1),
        user(0xf000_0002, DataModel::Array, USER_VALUE_COUNT),
        user(0xf000_0003, DataModel::Dictionary, USER_VALUE_COUNT),
        KindDefinition::private(
            KindId(0xf000_0004),
            DataModel::Single,
            multiple,
            1,
            USER_VALUE_SIZE,
        ),
    ]
}
