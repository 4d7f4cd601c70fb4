//! What the SIP side of a node knows: registrations, calls, messages (RFC 7904).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reload_config::Configuration;
use reload_identity::VerifiedValue;
use reload_node::{Reply, Request, Specifier};
use reload_sip_proxy::{Call, CallState, Direction, Hop, Phone, Proxy, TraceEntry};
use reload_usages::sip::{Aor, ContactPrefs, Scheme, SipTarget, SipUri, Way};
use reload_wire::{
    Decode, Destination, KindId, ModelSpecifier, SipRegistration, StoredDataValue, UnixTime,
};

use crate::control::{
    CallEntry, Failure, PhoneEntry, SipCallsReply, SipDeviceEntry, SipEntry, SipFailedEntry,
    SipForwardEntry, SipListening, SipLookupReply, SipMessageEntry, SipRegisterReply,
    SipRegistrationEntry, SipTraceReply,
};
use crate::running::{Running, unexpected};
use crate::sip::{Sip, resolve};
use crate::units::now;

/// The SIP side as `reload status` shows it; none where no phones are served.
pub(crate) fn entry(node: &Running) -> Option<SipEntry> {
    let sip = node.sip()?;
    let aor = sip.aor();
    let listening = sip.listening();
    Some(SipEntry {
        aor: aor.to_string(),
        user: aor.user().to_owned(),
        domain: aor.domain().to_owned(),
        password: sip.needs_password(),
        listening: SipListening {
            udp: listening.udp.to_string(),
            tcp: listening.tcp.to_string(),
            tls: listening.tls.map(|address| address.to_string()),
        },
        phones: phones(sip),
        calls: sip.proxy(|proxy| proxy.calls().len()).unwrap_or(0),
    })
}

/// What `reload sip register` shows.
///
/// # Errors
/// The node serves no phones.
pub(super) fn register(node: &Running) -> Result<SipRegisterReply, Failure> {
    let sip = side(node)?;
    let picture = sip.registration().picture();
    let left = |ends: UnixTime| ends.0.saturating_sub(now().wall.0).div_ceil(1000);
    Ok(SipRegisterReply {
        aor: sip.aor().to_string(),
        node: node.node_id().to_string(),
        gruu: sip.gruu().to_string(),
        stored: picture.stored,
        expires: picture.ends.map(left),
        forward: picture.forward,
        failure: picture.failure,
        phones: phones(sip),
    })
}

/// Sends the calls of the user on, or no longer.
///
/// # Errors
/// It is another user, or it could not be stored.
pub(super) async fn forward(
    node: &Running,
    aor: &str,
    to: Option<String>,
) -> Result<SipRegisterReply, Failure> {
    let sip = side(node)?;
    let own = sip.aor();
    if aor != own.as_str() {
        let text = format!("this node is one of {own}: nobody can forward the calls of {aor} here");
        return Err(Failure::new(text));
    }
    let is_own = |to: &str| Aor::parse(to).is_ok_and(|to| to == *own) && !to.contains(";gr=");
    if to.as_deref().is_some_and(is_own) {
        return Err(Failure::new(format!(
            "{own} cannot be forwarded to itself: give --off to end it"
        )));
    }
    let stored = sip.registration().forward(to).await;
    stored.map_err(|error| Failure::new(error.to_string()))?;
    register(node)
}

/// Who is registered under an address, and where a call to it goes. Needs no phones here.
///
/// # Errors
/// It is no address, or the overlay does not answer.
pub(super) async fn lookup(node: &Running, address: &str) -> Result<SipLookupReply, Failure> {
    let configuration = node.configuration();
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("{address}: {error}"));
    let uri = SipUri::parse(address).map_err(|error| wrong(&error))?;
    let (way, address, registrations) = match Way::of(&uri, &configuration) {
        Ok(Way::Overlay(aor)) => {
            let registrations = registrations(node, &configuration, &aor).await?;
            ("registered", aor.to_string(), registrations)
        }
        Ok(Way::Gruu(gruu)) => ("gruu", gruu.to_string(), Vec::new()),
        Ok(Way::External(uri)) => ("outside", uri.to_string(), Vec::new()),
        Err(error) => return Err(wrong(&error)),
    };
    let found = resolve(node, &uri).await.map_err(|error| wrong(&error))?;
    let failed = found.failed.into_iter();
    Ok(SipLookupReply {
        address,
        way: way.to_owned(),
        registrations,
        devices: found.targets.iter().map(device).collect(),
        outside: found.external.iter().map(ToString::to_string).collect(),
        forwards: found.forwards.into_iter().map(forwarded).collect(),
        failed: failed
            .map(|(aor, error)| SipFailedEntry { aor: aor.to_string(), reason: error.to_string() })
            .collect(),
        skipped: found.skipped,
        loops: found.loops,
        cut: found.cut,
    })
}

/// What is stored under an AOR, as it stands there.
async fn registrations(
    node: &Running,
    configuration: &Configuration,
    aor: &Aor,
) -> Result<Vec<SipRegistrationEntry>, Failure> {
    let kind = KindId::SIP_REGISTRATION;
    let which = ModelSpecifier::Dictionary(Vec::new());
    let specifiers = vec![Specifier { kind, generation: 0, which }];
    let resource = aor.resource(reload_chord::resource_id);
    let response = node.request(Request::Fetch { resource, specifiers }).await?;
    let Reply::Fetched(kinds) = response.reply else { return Err(unexpected()) };
    let values = kinds.iter().filter(|fetched| fetched.kind == kind).flat_map(|it| &it.values);
    Ok(values.filter_map(|value| registration(configuration, value)).collect())
}

fn registration(
    configuration: &Configuration,
    value: &VerifiedValue,
) -> Option<SipRegistrationEntry> {
    let StoredDataValue::Dictionary { value: data, .. } = value.value() else { return None };
    let signer = value.signer();
    let registration = SipRegistration::decode_exact(&configuration.dialect(), &data.value);
    let (mut forward, mut route, mut preferences) = (None, None, None);
    match registration.ok().filter(|_| data.exists)? {
        SipRegistration::Uri(uri) => forward = Some(String::from_utf8_lossy(&uri).into_owned()),
        SipRegistration::Route { contact_prefs, destination_list } => {
            route = Some(destination_list.iter().map(destination).collect());
            preferences = Some(String::from_utf8_lossy(&contact_prefs).into_owned());
        }
        SipRegistration::Unknown { .. } => {}
    }
    Some(SipRegistrationEntry {
        node: signer.node_id.to_string(),
        owner: signer.user().unwrap_or_default().to_owned(),
        lifetime: value.data().lifetime,
        forward,
        route,
        preferences,
    })
}

fn destination(destination: &Destination) -> String {
    match destination {
        Destination::Node(node) => node.to_string(),
        Destination::Resource(resource) => format!("resource {resource}"),
        Destination::Opaque(id) => format!("opaque {}", hex::encode(id)),
        Destination::Unknown { kind, data } => format!("type {kind} {}", hex::encode(data)),
    }
}

fn device(target: &SipTarget) -> SipDeviceEntry {
    SipDeviceEntry {
        aor: target.aor.to_string(),
        node: target.node().map(|node| node.to_string()),
        schemes: schemes(&target.prefs).to_owned(),
        lifetime: target.lifetime,
    }
}

const fn schemes(prefs: &ContactPrefs) -> &'static str {
    match prefs.scheme() {
        Some(Scheme::Sip) => "sip",
        Some(Scheme::Sips) => "sips",
        None => "both",
    }
}

fn forwarded((from, to): (Aor, String)) -> SipForwardEntry {
    SipForwardEntry { from: from.to_string(), to }
}

/// What `reload sip calls` shows.
///
/// # Errors
/// The node serves no phones.
pub(super) fn calls(node: &Running) -> Result<SipCallsReply, Failure> {
    let calls = side(node)?.proxy(Proxy::calls).ok_or_else(ended)?;
    Ok(SipCallsReply { calls: calls.into_iter().map(call).collect() })
}

fn call(call: Call) -> CallEntry {
    let state = match call.state {
        CallState::Calling => "calling",
        CallState::Ringing => "ringing",
        CallState::Answered => "answered",
    };
    CallEntry {
        call_id: call.call_id,
        from: call.from,
        to: call.to,
        state: state.to_owned(),
        seconds: call.since.elapsed().unwrap_or(Duration::ZERO).as_secs(),
        peers: call.peers.iter().map(ToString::to_string).collect(),
        media: call.media.map(|media| media.to_string()),
    }
}

/// What `reload sip trace` shows.
///
/// # Errors
/// The node serves no phones.
pub(super) fn trace(node: &Running, call_id: Option<&str>) -> Result<SipTraceReply, Failure> {
    let messages = side(node)?.proxy(|proxy| proxy.trace(call_id)).ok_or_else(ended)?;
    Ok(SipTraceReply { messages: messages.into_iter().map(message).collect() })
}

fn message(entry: TraceEntry) -> SipMessageEntry {
    let direction = match entry.direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    let (neighbor, address) = match entry.via {
        Hop::Phone(address) => ("phone", address.to_string()),
        Hop::Node(node) => ("peer", node.to_string()),
        Hop::Outside(address) => ("outside", address.to_string()),
    };
    SipMessageEntry {
        at: milliseconds(entry.at),
        direction: direction.to_owned(),
        neighbor: neighbor.to_owned(),
        address,
        message: entry.message,
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn phones(sip: &Sip) -> Vec<PhoneEntry> {
    let phones = sip.proxy(Proxy::phones).unwrap_or_default();
    let entry = |phone: Phone| PhoneEntry {
        contact: phone.contact,
        transport: phone.transport,
        expires: phone.expires_in,
        user_agent: phone.user_agent,
    };
    phones.into_iter().map(entry).collect()
}

fn side(node: &Running) -> Result<&Sip, Failure> {
    let text = "this node serves no phones: start it with `reload peer --sip`";
    node.sip().ok_or_else(|| Failure::new(text))
}

fn ended() -> Failure {
    Failure::new("the node is leaving")
}
