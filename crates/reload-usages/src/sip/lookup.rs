//! Resolving an AOR (RFC 7904 section 4.2): fetch its registrations, follow those that name other AORs,
//! leave out what occurs twice. The forwards are followed level by level, so that the result does not
//! depend on which answer comes first. No I/O.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use reload_config::Configuration;
use reload_identity::{FetchedKind, VerifiedValue};
use reload_node::{Reply, Request, RequestError, Specifier};
use reload_wire::{
    Decode, Destination, KindId, ModelSpecifier, NodeId, ResourceId, SipRegistration,
    StoredDataValue,
};

use super::aor::Aor;
use super::contact_prefs::ContactPrefs;
use super::target::SipTarget;
use super::uri::SipUri;
use super::way::{Way, WayError};

/// How far a lookup goes: the caller counts the forks (RFC 7904 section 8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupLimits {
    /// Forwards in a row.
    pub depth: usize,
    /// Targets and external addresses together.
    pub targets: usize,
    /// AORs that are fetched.
    pub fetches: usize,
}

impl Default for LookupLimits {
    fn default() -> Self {
        Self { depth: 8, targets: 32, fetches: 32 }
    }
}

/// Makes a Resource-ID of a name, by the rules of the overlay.
pub type NameHash = Arc<dyn Fn(&[u8]) -> ResourceId + Send + Sync>;

/// Names a Fetch of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupRequestId(usize);

/// What is to be done, or has come out.
#[derive(Debug)]
pub enum LookupOutput {
    /// To be asked of the node, and answered with [`SipLookup::handle_finished`].
    Request(LookupRequestId, Request),
    /// The end; nothing more follows.
    Finished(Resolution),
}

/// What an address leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The devices to be called, each once; those that prefer to be called come first.
    pub targets: Vec<SipTarget>,
    /// Addresses that this overlay does not serve: to be reached by ordinary SIP procedures.
    pub external: Vec<SipUri>,
    /// The forwards that were found, from whom to what.
    pub forwards: Vec<(Aor, String)>,
    /// AORs that could not be fetched.
    pub failed: Vec<(Aor, RequestError)>,
    /// Registrations that could not be used: of an unknown type, damaged, or not of their signer.
    pub skipped: usize,
    /// Forwards to an AOR that had its turn before.
    pub loops: usize,
    /// Whether a limit cut something off.
    pub cut: bool,
}

impl Resolution {
    /// Whether there is nobody to be called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.external.is_empty()
    }
}

/// One lookup. Call [`SipLookup::poll_output`] until it gives nothing at the start and after each
/// [`SipLookup::handle_finished`].
pub struct SipLookup {
    configuration: Arc<Configuration>,
    hash: NameHash,
    limits: LookupLimits,
    visited: BTreeSet<Aor>,
    /// Destination lists that there are already.
    known: BTreeSet<Vec<u8>>,
    depth: usize,
    /// The AORs of the present level.
    level: Vec<Step>,
    next_level: Vec<Aor>,
    found: Resolution,
    requests: VecDeque<LookupOutput>,
    fetches: usize,
    is_over: bool,
}

#[derive(Debug)]
struct Step {
    id: LookupRequestId,
    aor: Aor,
    answer: Option<Result<Vec<Entry>, RequestError>>,
}

/// A value that was found.
#[derive(Debug)]
struct Entry {
    registrant: NodeId,
    registration: SipRegistration,
    lifetime: u32,
}

impl SipLookup {
    /// Looks for the user of a URI. A GRUU, or an address that the overlay does not serve, is resolved
    /// without a Fetch (RFC 7904 section 4.1).
    ///
    /// # Errors
    /// If the URI leads nowhere.
    pub fn new(
        configuration: Arc<Configuration>,
        hash: NameHash,
        limits: LookupLimits,
        uri: &SipUri,
    ) -> Result<Self, WayError> {
        let way = Way::of(uri, &configuration)?;
        let mut lookup = Self {
            configuration,
            hash,
            limits,
            visited: BTreeSet::new(),
            known: BTreeSet::new(),
            depth: 0,
            level: Vec::new(),
            next_level: Vec::new(),
            found: Resolution::default(),
            requests: VecDeque::new(),
            fetches: 0,
            is_over: false,
        };
        lookup.on_way(way);
        lookup.begin_level();
        Ok(lookup)
    }

    /// What is to be done next, until there is nothing.
    pub fn poll_output(&mut self) -> Option<LookupOutput> {
        if let Some(request) = self.requests.pop_front() {
            return Some(request);
        }
        if self.is_over || !self.level.is_empty() {
            return None;
        }
        self.is_over = true;
        let mut found = std::mem::take(&mut self.found);
        // stable: what is preferred alike stays in the order in which it was found
        found.targets.sort_by_key(|target| std::cmp::Reverse(target.prefs.quality()));
        Some(LookupOutput::Finished(found))
    }

    /// A Fetch has ended.
    pub fn handle_finished(&mut self, id: LookupRequestId, result: Result<Reply, RequestError>) {
        let Some(step) = self.level.iter_mut().find(|step| step.id == id) else { return };
        if step.answer.is_some() {
            return;
        }
        step.answer = Some(match result {
            Ok(Reply::Fetched(kinds)) => {
                let (entries, skipped) = entries(&self.configuration, &step.aor, &kinds);
                self.found.skipped += skipped;
                Ok(entries)
            }
            Ok(other) => Err(RequestError::BadAnswer(format!("to a Fetch: {other:?}"))),
            Err(error) => Err(error),
        });
        if self.level.iter().all(|step| step.answer.is_some()) {
            self.on_level();
        }
    }

    /// All of a level are there: their results in the order of the level.
    fn on_level(&mut self) {
        for step in std::mem::take(&mut self.level) {
            match step.answer {
                Some(Ok(entries)) => {
                    entries.into_iter().for_each(|entry| self.on_entry(&step.aor, entry));
                }
                Some(Err(error)) => self.found.failed.push((step.aor, error)),
                None => {}
            }
        }
        self.depth += 1;
        self.begin_level();
    }

    fn on_entry(&mut self, aor: &Aor, entry: Entry) {
        match entry.registration {
            SipRegistration::Uri(uri) => self.on_forward(aor, &uri),
            SipRegistration::Route { contact_prefs, destination_list } => {
                self.add_target(SipTarget {
                    aor: aor.clone(),
                    registrant: Some(entry.registrant),
                    destinations: destination_list,
                    prefs: ContactPrefs::parse(&contact_prefs)
                        .unwrap_or_else(|_| ContactPrefs::none()),
                    lifetime: Some(entry.lifetime),
                });
            }
            SipRegistration::Unknown { .. } => self.found.skipped += 1,
        }
    }

    fn on_forward(&mut self, from: &Aor, to: &Bytes) {
        let way =
            std::str::from_utf8(to).ok().and_then(|text| read_forward(text, &self.configuration));
        let Some((text, way)) = way else {
            self.found.skipped += 1;
            return;
        };
        // as many as there are entries in one Fetch may come: they are for people, and few are enough
        let forward = (from.clone(), text);
        let found = &mut self.found.forwards;
        if found.len() < self.limits.targets && !found.contains(&forward) {
            found.push(forward);
        }
        self.on_way(way);
    }

    fn on_way(&mut self, way: Way) {
        match way {
            Way::Gruu(gruu) => self.add_target(SipTarget::of_gruu(&gruu)),
            Way::Overlay(aor) => self.add_aor(aor),
            Way::External(uri) => self.add_external(uri),
        }
    }

    fn add_aor(&mut self, aor: Aor) {
        if self.next_level.contains(&aor) {
            // another device or user forwards there too, which is no circle
        } else if self.visited.contains(&aor) {
            self.found.loops += 1;
        } else if self.visited.len() < self.limits.fetches {
            self.visited.insert(aor.clone());
            self.next_level.push(aor);
        } else {
            self.found.cut = true;
        }
    }

    fn add_target(&mut self, target: SipTarget) {
        if self.is_new(key(&target.destinations)) {
            self.found.targets.push(target);
        }
    }

    fn add_external(&mut self, uri: SipUri) {
        let name = Aor::of_uri(&uri).map_or_else(|_| uri.to_string(), |aor| aor.to_string());
        let port = uri.port().unwrap_or(0);
        if self.is_new([b"uri ", name.as_bytes(), &port.to_be_bytes()].concat()) {
            self.found.external.push(uri);
        }
    }

    /// Whether it is not there yet, and there is room for it.
    fn is_new(&mut self, key: Vec<u8>) -> bool {
        if self.known.contains(&key) {
            return false;
        }
        let there = self.found.targets.len() + self.found.external.len();
        if there >= self.limits.targets {
            self.found.cut = true;
            return false;
        }
        self.known.insert(key)
    }

    fn begin_level(&mut self) {
        let aors = std::mem::take(&mut self.next_level);
        if self.depth > self.limits.depth {
            self.found.cut |= !aors.is_empty();
            return;
        }
        for aor in aors {
            let id = LookupRequestId(self.fetches);
            self.fetches += 1;
            self.requests.push_back(LookupOutput::Request(id, self.fetch(&aor)));
            self.level.push(Step { id, aor, answer: None });
        }
    }

    /// Without keys, so that all entries come (RFC 7904 section 4.2).
    fn fetch(&self, aor: &Aor) -> Request {
        let which = ModelSpecifier::Dictionary(Vec::new());
        let specifier = Specifier { kind: KindId::SIP_REGISTRATION, generation: 0, which };
        Request::Fetch { resource: aor.resource(&*self.hash), specifiers: vec![specifier] }
    }
}

impl fmt::Debug for SipLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = (&self.depth, &self.level);
        f.debug_struct("SipLookup").field("level", &level).field("found", &self.found).finish()
    }
}

/// A destination list as bytes; equal ones lead to the same node.
fn key(destinations: &[Destination]) -> Vec<u8> {
    format!("{destinations:?}").into_bytes()
}

/// A forward as text, and where it leads. A name may stand there as certificates have it, unescaped.
fn read_forward(text: &str, configuration: &Configuration) -> Option<(String, Way)> {
    let way = match SipUri::parse(text) {
        Ok(uri) => Way::of(&uri, configuration).ok()?,
        Err(_) => {
            let aor = Aor::of_user_name(text).ok()?;
            Way::of(&SipUri::parse(&aor.to_uri(super::Scheme::Sip)).ok()?, configuration).ok()?
        }
    };
    Some((text.to_owned(), way))
}

/// The registrations of an answer by their keys, and how many are of no use.
fn entries(configuration: &Configuration, aor: &Aor, kinds: &[FetchedKind]) -> (Vec<Entry>, usize) {
    let (mut entries, mut skipped) = (Vec::new(), 0);
    for kind in kinds.iter().filter(|kind| kind.kind == KindId::SIP_REGISTRATION) {
        skipped += kind.discarded;
        for value in kind.values.iter().filter(|value| value.value().data().exists) {
            match entry(configuration, aor, value) {
                Some(entry) => entries.push(entry),
                None => skipped += 1,
            }
        }
    }
    entries.sort_by_key(|entry: &Entry| entry.registrant);
    (entries, skipped)
}

/// The reader checks again that the user may register there: a storing peer may be careless or worse.
fn entry(configuration: &Configuration, aor: &Aor, value: &VerifiedValue) -> Option<Entry> {
    let StoredDataValue::Dictionary { key, value: data } = value.value() else { return None };
    let signer = value.signer();
    if signer.user() != Some(aor.as_str()) || **key != *signer.node_id.as_bytes() {
        return None;
    }
    let registration = SipRegistration::decode_exact(&configuration.dialect(), &data.value).ok()?;
    Some(Entry { registrant: signer.node_id, registration, lifetime: value.data().lifetime })
}
