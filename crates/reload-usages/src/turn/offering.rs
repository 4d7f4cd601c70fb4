//! A peer as TURN server (section 9): its records in the overlay, and logins for those who ask (E104).

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::SeedableRng;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use reload_config::Configuration;
use reload_node::{ApplicationAnswer, Reply, Request};
use reload_wire::{CandType, ErrorCode, IceCandidate, NodeId, Now, OverlayLinkType, ResourceId};

use super::record::{Record, RecordId};
use super::{LOGIN_LIFETIME, MOST_RECORDS, density};

/// Nodes that have a login at a time.
const LOGINS: usize = 256;

/// Keeps the records of a TURN server in the overlay while it has an address. Call
/// [`TurnOffering::poll_request`] after each change, at [`TurnOffering::wakeup`] and after each
/// [`TurnOffering::handle_finished`].
#[derive(Debug)]
pub struct TurnOffering {
    address: Option<SocketAddr>,
    density: u8,
    records: Vec<Record>,
    logins: BTreeMap<NodeId, Login>,
    most_logins: usize,
    random: StdRng,
}

/// The login of one node: it stays the same as long as it is asked for again in time, so that what
/// it relays goes on, and quotas of a user are those of a Node-ID.
#[derive(Debug)]
struct Login {
    username: String,
    password: String,
    until: Instant,
}

/// A login that was given out, to be told to the TURN server and to the node that asked.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnGrant {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// How long it holds from now on.
    pub lifetime: Duration,
    /// For [`reload_node::Node::answer_application`].
    pub answer: ApplicationAnswer,
}

impl fmt::Debug for TurnGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnGrant").field("username", &self.username).finish_non_exhaustive()
    }
}

impl TurnOffering {
    /// Without an address. `hash` makes a Resource-ID of a name, by the rules of the overlay.
    pub fn new(
        now: Now,
        configuration: &Configuration,
        node: NodeId,
        hash: impl Fn(&[u8]) -> ResourceId,
        seed: [u8; 32],
    ) -> Self {
        // the name is Node-ID || d, with one byte for d (E73)
        let name = |number: u8| [node.as_bytes(), &[number]].concat();
        let record = |number: u8| Record::new(number, hash(&name(number)), now.mono);
        Self {
            address: None,
            density: density(configuration),
            records: (1..=MOST_RECORDS).map(record).collect(),
            logins: BTreeMap::new(),
            most_logins: LOGINS,
            random: StdRng::from_seed(seed),
        }
    }

    /// Another configuration is in force.
    pub fn set_configuration(&mut self, configuration: &Configuration) {
        self.density = density(configuration);
    }

    /// Where clients reach the server; none when it is no longer to be found.
    pub fn set_address(&mut self, address: Option<SocketAddr>) {
        self.address = address;
    }

    /// The next request to make, until there is none.
    pub fn poll_request(&mut self, now: Now) -> Option<(RecordId, Request)> {
        let (address, density) = (self.address, self.density);
        self.records.iter_mut().find_map(|record| {
            record.expire(now);
            let wanted = address.filter(|_| record.id().number() <= density);
            record.poll_request(now, wanted)
        })
    }

    /// The request of a record has ended: its good answer, or none if it failed or could not be made.
    pub fn handle_finished(&mut self, now: Now, id: RecordId, reply: Option<&Reply>) {
        if let Some(record) = self.records.iter_mut().find(|record| record.id() == id) {
            record.handle_finished(now, reply);
        }
    }

    /// When [`TurnOffering::poll_request`] has something next; none while all wait for answers.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        let wanted =
            |record: &Record| self.address.filter(|_| record.id().number() <= self.density);
        self.records.iter().filter_map(|record| record.due(wanted(record))).min()
    }

    /// How many records are in the overlay.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.records.iter().filter(|record| record.is_there()).count()
    }

    /// A node asks for a login ([`reload_node::Event::Asked`] for [`super::TURN_CREDENTIALS`]).
    ///
    /// # Errors
    /// The code to refuse it with: this is no TURN server, or it has too many users.
    pub fn grant(&mut self, now: Now, node: NodeId) -> Result<TurnGrant, ErrorCode> {
        let address = self.address.ok_or(ErrorCode::NOT_FOUND)?;
        self.logins.retain(|_, login| login.until > now.mono);
        if self.logins.len() >= self.most_logins && !self.logins.contains_key(&node) {
            return Err(ErrorCode::FORBIDDEN);
        }
        let random = &mut self.random;
        let login = self.logins.entry(node).or_insert_with(|| Login {
            username: Alphanumeric.sample_string(random, 16),
            password: Alphanumeric.sample_string(random, 32),
            until: now.mono,
        });
        login.until = now.mono + LOGIN_LIFETIME;
        let (username, password) = (login.username.clone(), login.password.clone());
        let answer = ApplicationAnswer {
            ufrag: Bytes::from(username.clone()),
            password: Bytes::from(password.clone()),
            candidates: vec![candidate(address)],
        };
        Ok(TurnGrant { username, password, lifetime: LOGIN_LIFETIME, answer })
    }
}

/// The one candidate of an answer: the address of the server (E104).
fn candidate(address: SocketAddr) -> IceCandidate {
    IceCandidate {
        addr_port: address.into(),
        overlay_link: OverlayLinkType::DTLS_UDP_SR,
        foundation: Bytes::from_static(b"1"),
        priority: 1,
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    }
}
