//! Finding a route to an AOR (RFC 7904 section 4.1): which overlay serves it, or none.

use reload_config::Configuration;
use reload_wire::KindId;

use super::aor::{Aor, AorError};
use super::gruu::{Gruu, GruuError};
use super::uri::SipUri;

/// How a user is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// By the destination list in the GRUU, without a Fetch.
    Gruu(Gruu),
    /// By what is registered for this AOR in the overlay.
    Overlay(Aor),
    /// The overlay does not serve the domain: by ordinary SIP procedures, or in another overlay.
    External(SipUri),
}

/// Why there is no way at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WayError {
    /// It is no AOR.
    #[error(transparent)]
    Aor(#[from] AorError),
    /// It is a GRUU of this overlay that leads nowhere.
    #[error(transparent)]
    Gruu(#[from] GruuError),
}

impl Way {
    /// The way in one overlay.
    ///
    /// # Errors
    /// [`WayError`].
    pub fn of(uri: &SipUri, configuration: &Configuration) -> Result<Self, WayError> {
        let named = uri.user().is_some() && !uri.host().starts_with('[');
        if !named || !serves_domain(configuration, uri.host()) {
            return Ok(Self::External(uri.clone()));
        }
        match Gruu::of_uri(uri, &configuration.dialect()) {
            Ok(gruu) => Ok(Self::Gruu(gruu)),
            Err(GruuError::None) => Ok(Self::Overlay(Aor::of_uri(uri)?)),
            Err(error) => Err(error.into()),
        }
    }

    /// The way of a node that is in several overlays: the first that serves the domain, by its place
    /// among them, or [`Way::External`] without a place.
    ///
    /// # Errors
    /// [`WayError`].
    pub fn among<'a>(
        uri: &SipUri,
        overlays: impl IntoIterator<Item = &'a Configuration>,
    ) -> Result<(Option<usize>, Self), WayError> {
        for (number, configuration) in overlays.into_iter().enumerate() {
            match Self::of(uri, configuration)? {
                Self::External(_) => {}
                way => return Ok((Some(number), way)),
            }
        }
        Ok((None, Self::External(uri.clone())))
    }
}

/// Whether AORs of this domain are registered in the overlay (RFC 7904 section 3.4): all where there is
/// no restriction, none without the Kind.
#[must_use]
pub fn serves_domain(configuration: &Configuration, domain: &str) -> bool {
    let kind = configuration.kind(KindId::SIP_REGISTRATION);
    kind.is_some_and(|kind| match &kind.domain_restriction {
        Some(restriction) => restriction.permits(&configuration.instance_name, domain),
        None => true,
    })
}
