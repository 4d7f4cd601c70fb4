//! What a node shall do for phones: checked before it sets out.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use reload_config::Configuration;
use reload_identity::VerifiedCertificate;
use reload_sip_proxy::{MediaMode, Purpose, Settings};
use reload_usages::sip::{Aor, Scheme, serves_domain};
use reload_wire::KindId;

use super::tls;
use crate::cli::{MediaWay, Schemes, SipArgs};
use crate::enroll::Password;
use crate::home::{Home, SIP_PHONES};

/// The SIP side of a node before it runs.
#[derive(Clone, Debug)]
pub(crate) struct SipPlan {
    /// The user.
    pub aor: Aor,
    /// For the proxy.
    pub settings: Settings,
    /// What other nodes may connect to.
    pub offers: Vec<Purpose>,
}

impl SipPlan {
    /// By the command line; none if no phones are to be served.
    ///
    /// # Errors
    /// One line: this user or overlay has no SIP, a file cannot be read, options do not go together.
    pub(crate) async fn of(
        arguments: &SipArgs,
        home: &Home,
        configuration: &Configuration,
        certificate: &VerifiedCertificate,
    ) -> anyhow::Result<Option<Self>> {
        let Some(listen) = arguments.sip else { return Ok(None) };
        let aor = user(configuration, certificate)?;
        let wants = scheme(arguments.sip_schemes, configuration)?;
        let media = arguments.media.map_or(MediaMode::Auto, MediaWay::mode);
        let mut settings = Settings::new(listen);
        settings.wants = wants;
        settings.media = media;
        settings.phones = Some(home.path(SIP_PHONES));
        if let Some(file) = &arguments.sip_password_file {
            settings.password = Some(Password::of_file(file)?.expose().to_owned());
        }
        if let Some(address) = arguments.tls_address() {
            let files = arguments.sip_tls_cert.as_deref().zip(arguments.sip_tls_key.as_deref());
            settings.tls = Some(match files {
                Some((certificate, key)) => tls::of_files(address, certificate, key)?,
                None => tls::of_home(home, address, aor.domain())?,
            });
        }
        if let Some(route) = &arguments.sip_route {
            settings.route = Some(address_of(route).await?);
        }
        Ok(Some(Self { aor, settings, offers: offers(wants, media) }))
    }
}

/// The AOR of the user, whom this overlay has to let register.
fn user(configuration: &Configuration, certificate: &VerifiedCertificate) -> anyhow::Result<Aor> {
    let overlay = &configuration.instance_name;
    let Some(name) = certificate.user() else {
        bail!(
            "the certificate of this node has no user name, so no phone can be served: run without --sip"
        );
    };
    let aor = Aor::of_user_name(name).with_context(|| {
        format!("the user name {name:?} of this node is no SIP address: run without --sip, or enroll as NAME@{overlay}")
    })?;
    if configuration.kind(KindId::SIP_REGISTRATION).is_none() {
        bail!(
            "the overlay {overlay} has no Kind SIP-REGISTRATION, so nobody can be called in it: run without --sip"
        );
    }
    if !serves_domain(configuration, aor.domain()) {
        bail!(
            "the overlay {overlay} takes no SIP registrations of {}: run without --sip",
            aor.domain()
        );
    }
    Ok(aor)
}

/// The only scheme that others are to use, if it is one. Without ICE nothing binds an unencrypted
/// connection to the node that it was agreed with.
fn scheme(
    wished: Option<Schemes>,
    configuration: &Configuration,
) -> anyhow::Result<Option<Scheme>> {
    match wished {
        Some(Schemes::Sip) if configuration.no_ice => bail!(
            "the overlay {} has no ICE, where SIP between peers is encrypted: run without --sip-schemes sip",
            configuration.instance_name
        ),
        _ if configuration.no_ice => Ok(Some(Scheme::Sips)),
        wished => Ok(wished.and_then(Schemes::only)),
    }
}

fn offers(wants: Option<Scheme>, media: MediaMode) -> Vec<Purpose> {
    let schemes = [Scheme::Sips, Scheme::Sip];
    let schemes = schemes.into_iter().filter(|scheme| wants.is_none_or(|only| only == *scheme));
    let mut offers: Vec<_> = schemes.map(Purpose::Sip).collect();
    if media != MediaMode::Direct {
        offers.push(Purpose::Media);
    }
    offers
}

/// The first address of a `HOST:PORT`.
async fn address_of(route: &str) -> anyhow::Result<SocketAddr> {
    let found = tokio::net::lookup_host(route).await;
    let mut found =
        found.with_context(|| format!("cannot find the SIP route {route} (HOST:PORT)"))?;
    found.next().with_context(|| format!("the SIP route {route} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scheme_is_offered_where_one_is_wanted() {
        let both = [Purpose::Sip(Scheme::Sips), Purpose::Sip(Scheme::Sip)];
        assert_eq!(offers(None, MediaMode::Direct), both);
        let sips = [Purpose::Sip(Scheme::Sips), Purpose::Media];
        assert_eq!(offers(Some(Scheme::Sips), MediaMode::Auto), sips);
    }
}
