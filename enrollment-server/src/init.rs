//! `init`: makes everything a new overlay needs, in an empty home, and never over an old one.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use reload_config::{
    ConfigurationBuilder, DomainRestriction, KindBlock, KindDefinition, OverlayDocument,
    is_overlay_name,
};
use reload_enroll::ENROLL_PATH;
use reload_identity::{Algorithm, Issuer, KeyPair, Validity, certificates_to_pem, random_node_id};
use reload_wire::{KindId, NodeId, UnixTime};

use crate::authority::lifetime;
use crate::home::{
    CA_CERTIFICATE, CA_KEY, DOCUMENT, HTTPS_CA, HTTPS_CERTIFICATE, HTTPS_KEY, Home,
    SIGNER_CERTIFICATE, SIGNER_KEY,
};
use crate::signer::Signer;
use crate::{Accounts, PasswordCost, clock, document, url, web_certificate};

/// Setting: whether the enrollment URL was given, so that the bound address does not replace it.
pub(crate) const URL_GIVEN: &str = "url_given";
/// TURN servers of an overlay with ICE: one peer in so many serves (section 11.1), the default.
const TURN_DENSITY: u8 = 1;
/// How long the first configuration is valid, in days; each later one is renewed for as long.
pub(crate) const DOCUMENT_DAYS: u32 = 365;

/// Whose AORs a new overlay takes, and so who may have an account.
#[derive(Clone, Debug, Default)]
pub enum Domains {
    /// Users of its own domain; of a document given, what that has.
    #[default]
    Usual,
    /// Users of all domains.
    Any,
    /// These.
    Restricted(DomainRestriction),
}

/// What a new overlay is like.
#[derive(Clone, Debug)]
pub struct InitOptions {
    /// The overlay name, which DNS must allow.
    pub overlay: String,
    /// The enrollment URL, when it is not the address the server listens on.
    pub url: Option<String>,
    /// The bootstrap nodes.
    pub bootstrap: Vec<SocketAddr>,
    /// Further names and addresses of the HTTPS certificate.
    pub hosts: Vec<String>,
    /// An unsigned overlay document to take every other element from.
    pub from: Option<Vec<u8>>,
    /// Whose AORs are taken (RFC 7904 section 3.4).
    pub domains: Domains,
    /// Whether links are formed with ICE, so that nodes behind NATs can take part (section 6.5.1).
    pub ice: bool,
    /// How long authority, HTTPS certificate and signer are valid, in days.
    pub days: u32,
    /// Work of a password hash.
    pub password_cost: PasswordCost,
}

impl InitOptions {
    /// The defaults for an overlay: ten years, no bootstrap nodes.
    #[must_use]
    pub fn new(overlay: impl Into<String>) -> Self {
        Self {
            overlay: overlay.into(),
            url: None,
            bootstrap: Vec::new(),
            hosts: Vec::new(),
            from: None,
            domains: Domains::default(),
            ice: false,
            days: 3650,
            password_cost: PasswordCost::Standard,
        }
    }
}

/// Makes authority, HTTPS certificate, configuration signer, the signed configuration with sequence
/// 1 and the account store.
///
/// # Errors
/// When the home holds a server already, an option is not acceptable, or a file cannot be written.
/// Nothing that stood there is changed.
pub async fn init(home: &Home, options: InitOptions) -> Result<Accounts> {
    if !is_overlay_name(&options.overlay) {
        bail!("the overlay name {:?} is not allowable as a DNS name", options.overlay);
    }
    let settings = settings(&options)?;
    let made = Made::new(&options, settings)?;
    home.create()?;
    let _lock = home.lock_document()?;
    if home.is_initialised() {
        bail!("{} is initialised already; nothing was changed", home.path().display());
    }
    let written = made.write(home, options.password_cost).await;
    if written.is_err() {
        home.clear(); // of the files of this call: there were none before
    }
    written
}

/// The settings asked for, before anything is made for them.
fn settings(options: &InitOptions) -> Result<ConfigurationBuilder> {
    let mut settings = match &options.from {
        Some(from) => settings_from(from, &options.overlay)?,
        None => ConfigurationBuilder::new_overlay(&options.overlay),
    };
    if options.ice {
        settings.no_ice = false;
        settings.turn_density = TURN_DENSITY;
    }
    match &options.domains {
        Domains::Usual if options.from.is_some() => {}
        Domains::Usual => restrict(&mut settings, Some(DomainRestriction::own_domain()))?,
        Domains::Any => restrict(&mut settings, None)?,
        Domains::Restricted(domains) => restrict(&mut settings, Some(domains.clone()))?,
    }
    document::add(&mut settings.bootstrap_nodes, &options.bootstrap);
    if let Some(url) = &options.url {
        settings.enrollment_servers = vec![url::checked(url)?];
    }
    settings.sequence = 1;
    Ok(settings)
}

/// Lets SIP-REGISTRATION take these AORs.
fn restrict(
    settings: &mut ConfigurationBuilder,
    domain_restriction: Option<DomainRestriction>,
) -> Result<()> {
    let is_sip = |kind: &&mut KindBlock| kind.definition.id == KindId::SIP_REGISTRATION;
    let Some(kind) = settings.kinds.iter_mut().find(is_sip) else {
        bail!("the document given has no Kind SIP-REGISTRATION whose domains could be said");
    };
    *kind = KindBlock::new(KindDefinition { domain_restriction, ..kind.definition.clone() });
    Ok(())
}

/// The settings of an unsigned document for this overlay.
pub(crate) fn settings_from(document: &[u8], overlay: &str) -> Result<ConfigurationBuilder> {
    let document = OverlayDocument::parse(document).context("the document given is not usable")?;
    let [configuration] = document.configurations() else {
        bail!("the document given has more than one configuration");
    };
    if !configuration.instance_name.eq_ignore_ascii_case(overlay) {
        let found = &configuration.instance_name;
        bail!("the document given is for the overlay {found:?}, not for {overlay:?}");
    }
    ConfigurationBuilder::from_configuration(configuration)
        .context("the document given is not usable")
}

/// Everything in memory, so that nothing is written unless all of it could be made.
struct Made {
    authority: Issuer,
    web: web_certificate::WebCertificate,
    signer_key: KeyPair,
    signer_certificate: String,
    document: Vec<u8>,
    url_given: bool,
}

impl Made {
    fn new(options: &InitOptions, mut settings: ConfigurationBuilder) -> Result<Self> {
        let now = clock::now();
        let validity = Validity::starting(now, lifetime(options.days));
        let overlay = &settings.instance_name.clone();
        let key = KeyPair::generate(Algorithm::EcdsaP256)?;
        let authority = Issuer::create(key, &format!("{overlay} RELOAD authority"), validity)?;
        let web = web_certificate::make(overlay, &options.hosts, validity)?;
        let node_id = random_node_id(settings.node_id_length)?;
        let (signer_key, signer_certificate) = signer(&authority, overlay, node_id, validity)?;
        settings.root_certs.push(authority.certificate_der().clone());
        settings.configuration_signers = vec![node_id];
        settings.kind_signers = vec![node_id];
        settings.expiration = Some(expiration(now, DOCUMENT_DAYS));
        let url_given = !settings.enrollment_servers.is_empty();
        let signer = Signer::new(&signer_key.to_pem(), &signer_certificate, &settings)?;
        let document = signer.sign(settings)?.bytes().to_vec();
        Ok(Self { authority, web, signer_key, signer_certificate, document, url_given })
    }

    async fn write(&self, home: &Home, cost: PasswordCost) -> Result<Accounts> {
        home.write_key(CA_KEY, self.authority.key_pem().as_bytes())?;
        home.write(CA_CERTIFICATE, self.authority.certificate_pem().as_bytes())?;
        home.write_key(HTTPS_KEY, self.web.key.as_bytes())?;
        home.write(HTTPS_CERTIFICATE, self.web.chain.as_bytes())?;
        home.write(HTTPS_CA, self.web.authority.as_bytes())?;
        home.write_key(SIGNER_KEY, self.signer_key.to_pem().as_bytes())?;
        home.write(SIGNER_CERTIFICATE, self.signer_certificate.as_bytes())?;
        let accounts = Accounts::create(home, cost).await?;
        accounts.set_setting(URL_GIVEN, if self.url_given { "yes" } else { "no" }).await?;
        home.write(DOCUMENT, &self.document)?; // last: only with it the home is whole
        Ok(accounts)
    }
}

/// Key and certificate of the configuration signer: a node without user name.
fn signer(
    authority: &Issuer,
    overlay: &str,
    node_id: NodeId,
    validity: Validity,
) -> Result<(KeyPair, String)> {
    let key = KeyPair::generate(Algorithm::EcdsaP256)?;
    let certificate =
        authority.node_certificate(key.spki(), overlay, &[node_id], None, validity)?;
    Ok((key, certificates_to_pem([&certificate])))
}

/// The end of a configuration, in whole seconds as the document has it.
pub(crate) fn expiration(now: UnixTime, days: u32) -> UnixTime {
    UnixTime::from_secs(clock::after_days(now, days).as_secs())
}

/// The enrollment URL of an address (11.1).
pub(crate) fn url_of(address: SocketAddr, overlay: &str) -> String {
    if address.ip().is_unspecified() {
        // Any address of the host: the overlay name is the one its certificate always has.
        return format!("https://{overlay}:{}{ENROLL_PATH}", address.port());
    }
    format!("https://{address}{ENROLL_PATH}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_address_is_named_by_the_overlay() {
        let url = |address: &str| url_of(address.parse().unwrap(), "o.example");
        assert_eq!(url("127.0.0.1:8443"), "https://127.0.0.1:8443/enroll");
        assert_eq!(url("[::1]:8443"), "https://[::1]:8443/enroll");
        assert_eq!(url("0.0.0.0:8443"), "https://o.example:8443/enroll");
    }
}
