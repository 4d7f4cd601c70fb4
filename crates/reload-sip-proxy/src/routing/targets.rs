//! Who is meant by a Request-URI (RFC 7904 section 4.1): a phone of the user, devices in the overlay,
//! somebody in the ordinary SIP world.

use reload_usages::sip::{Aor, Resolution, Scheme, SipTarget, SipUri};
use rsipstack::sip::{StatusCode, Uri};

use super::contact::LINE;
use super::header::status;
use super::hop::{Hop, PhoneHop};
use super::router::Router;
use crate::OverlayError;

/// One place where a request is tried.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// A phone of the user.
    Phone(Box<PhoneHop>),
    /// A device in the overlay.
    Device { target: Box<SipTarget>, scheme: Scheme, uri: Uri },
    /// By the route to the ordinary SIP world.
    Outside(Uri),
}

impl Router {
    /// Where a request that begins something is tried.
    pub(super) async fn targets(
        &self,
        uri: &SipUri,
        from: &Hop,
    ) -> Result<Vec<Target>, StatusCode> {
        if let Some(line) = self.own_line(uri) {
            return self.phones(line, from);
        }
        let is_own = Aor::of_uri(uri).is_ok_and(|aor| aor == *self.overlay.aor())
            && uri.parameter("gr").is_none();
        match from {
            // who calls over the overlay has found this node by himself, among all devices
            Hop::Peer(_) if is_own => self.phones(None, from),
            Hop::Peer(_) => Err(status(404, format!("{} is not here", address(uri)))),
            Hop::Outside(_) if !is_own => {
                Err(status(404, format!("this peer serves {} only", self.overlay.aor())))
            }
            Hop::Phone(_) | Hop::Outside(_) => self.resolve(uri, from).await,
        }
    }

    /// The phone that our own GRUU names, if it is our GRUU; an empty name for all phones.
    fn own_line<'a>(&self, uri: &'a SipUri) -> Option<Option<&'a str>> {
        (uri.parameter("gr")? == self.gr).then(|| uri.parameter(LINE))
    }

    /// The phones of the user that are registered here, but for the one that calls.
    fn phones(&self, line: Option<&str>, from: &Hop) -> Result<Vec<Target>, StatusCode> {
        let bindings = match line {
            Some(line) => self.registrar.by_line(line).into_iter().collect(),
            None => self.registrar.phones(),
        };
        let caller = match from {
            Hop::Phone(phone) => phone.line.clone(),
            Hop::Peer(_) | Hop::Outside(_) => None,
        };
        let others = bindings.iter().filter(|it| caller.as_ref() != Some(&it.line));
        let phones = others.filter_map(Self::phone).map(|phone| Target::Phone(Box::new(phone)));
        let phones: Vec<_> = phones.collect();
        if phones.is_empty() {
            let user = self.overlay.aor();
            return Err(status(480, format!("no phone of {user} is registered")));
        }
        Ok(phones)
    }

    async fn resolve(&self, uri: &SipUri, from: &Hop) -> Result<Vec<Target>, StatusCode> {
        let mut found = self.overlay.resolve(uri).await.map_err(|error| refused(&error))?;
        if found.is_empty() && found.failed.is_empty() {
            found.external = self.foreign(uri, &found);
        }
        if found.is_empty() {
            return Err(nobody(uri, &found));
        }
        let asked = uri.scheme().unwrap_or(Scheme::Sip);
        let mut targets = Vec::new();
        let mut why = None;
        for target in &found.targets {
            match self.device(target, asked, uri, from) {
                Ok(some) => targets.extend(some),
                Err(status) => why = Some(status),
            }
        }
        for external in &found.external {
            match self.external(external) {
                Ok(target) => targets.push(target),
                Err(status) => why = Some(status),
            }
        }
        match (targets.is_empty(), why) {
            (true, Some(status)) => Err(status),
            (true, None) => Err(nobody(uri, &found)),
            (false, _) => Ok(targets),
        }
    }

    /// The foreign addresses of a search that has found nobody. An overlay that serves all domains
    /// (RFC 7904 section 3.4) looks for them too, and they may still be elsewhere.
    fn foreign(&self, uri: &SipUri, found: &Resolution) -> Vec<SipUri> {
        let forwards = found.forwards.iter().filter_map(|(_, to)| SipUri::parse(to).ok());
        let all = std::iter::once(uri.clone()).chain(forwards);
        all.filter(|uri| uri.user().is_some() && !self.is_of_overlay(uri.host())).collect()
    }

    fn device(
        &self,
        target: &SipTarget,
        asked: Scheme,
        uri: &SipUri,
        from: &Hop,
    ) -> Result<Vec<Target>, StatusCode> {
        if target.node() == Some(self.overlay.node_id()) {
            return self.phones(None, from);
        }
        let no_scheme = || status(480, format!("{} takes no sips", target.aor));
        let scheme = target.scheme(asked).ok_or_else(no_scheme)?;
        // a forward goes to another user: the Request-URI has to name the one who is called there
        let is_same = Aor::of_uri(uri).is_ok_and(|aor| aor == target.aor);
        let text = if is_same { uri.as_str().to_owned() } else { target.aor.to_uri(asked) };
        let uri = rsipstack::sip::parse_uri(&text).map_err(|_| StatusCode::AddressIncomplete)?;
        Ok(vec![Target::Device { target: Box::new(target.clone()), scheme, uri }])
    }

    fn external(&self, uri: &SipUri) -> Result<Target, StatusCode> {
        if self.settings.route.is_none() {
            let reason = format!("no SIP route to {} is configured (--sip-route)", uri.host());
            return Err(status(404, reason));
        }
        // forwards are stored without a scheme
        let text = match uri.scheme() {
            Some(_) => uri.to_string(),
            None => format!("sip:{uri}"),
        };
        let uri = rsipstack::sip::parse_uri(&text).map_err(|_| StatusCode::AddressIncomplete)?;
        Ok(Target::Outside(uri))
    }
}

/// Why the overlay has refused, as an answer.
pub(super) fn refused(error: &OverlayError) -> StatusCode {
    let code = match error {
        OverlayError::Address(_) => 404,
        OverlayError::Refused(_) => 403,
        OverlayError::NotReached(_) | OverlayError::NotOffered(_) | OverlayError::Closed(_) => 480,
        OverlayError::TooLarge { .. } => 513,
        OverlayError::Stopped => 503,
    };
    status(code, error.to_string())
}

fn nobody(uri: &SipUri, found: &Resolution) -> StatusCode {
    let name = address(uri);
    if found.cut {
        status(483, format!("the forwards of {name} lead too far"))
    } else if let Some((aor, error)) = found.failed.first() {
        status(503, format!("{aor} could not be looked up: {error}"))
    } else if found.loops > 0 {
        status(482, format!("the forwards of {name} lead in a circle"))
    } else {
        status(404, format!("nobody is registered as {name}"))
    }
}

fn address(uri: &SipUri) -> String {
    Aor::of_uri(uri).map_or_else(|_| uri.host().to_owned(), |aor| aor.to_string())
}
