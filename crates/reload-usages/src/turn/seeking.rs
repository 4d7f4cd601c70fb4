//! A node that needs a relay (section 9): it looks for TURN servers at random places and gets logins
//! from the peers that run them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reload_config::Configuration;
use reload_ice::TurnLogin;
use reload_identity::FetchedKind;
use reload_node::{Reply, Request, Specifier};
use reload_wire::{
    Decode, Dialect, FindAns, KindId, ModelSpecifier, NodeId, Now, ResourceId, StoredDataValue,
    TurnServer,
};

use super::density;
use super::server::{Outcome, Server};

/// Random places that are looked at in a row.
const IN_A_ROW: u32 = 8;

/// The pause after them; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(600);

/// A server that was of no use is not tried again for so long.
const AVOID: Duration = Duration::from_secs(600);

/// Servers avoided at a time.
const AVOIDED: usize = 256;

/// Names what a request was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeekId(Option<NodeId>);

/// Keeps logins of as many TURN servers as are wanted. Call [`TurnSeeking::poll_request`] after each
/// change, at [`TurnSeeking::wakeup`] and after each [`TurnSeeking::handle_finished`].
#[derive(Debug)]
pub struct TurnSeeking {
    node: NodeId,
    dialect: Dialect,
    exists: bool,
    wanted: usize,
    search: Search,
    /// Places looked at since the last pause, and pauses since something was found.
    looked: u32,
    pauses: u32,
    servers: BTreeMap<NodeId, Server>,
    avoid: BTreeMap<NodeId, Instant>,
    changed: bool,
    random: StdRng,
}

/// What the search does; one step at a time.
#[derive(Clone, Debug)]
enum Search {
    /// A Find is due then.
    Pause(Instant),
    Finding,
    /// A Fetch of what was found is due.
    Found(ResourceId),
    Fetching,
}

impl TurnSeeking {
    /// Looks for nothing until [`TurnSeeking::set_wanted`] asks for it.
    #[must_use]
    pub fn new(now: Now, configuration: &Configuration, node: NodeId, seed: [u8; 32]) -> Self {
        Self {
            node,
            dialect: configuration.dialect(),
            exists: density(configuration) > 0,
            wanted: 0,
            search: Search::Pause(now.mono),
            looked: 0,
            pauses: 0,
            servers: BTreeMap::new(),
            avoid: BTreeMap::new(),
            changed: false,
            random: StdRng::from_seed(seed),
        }
    }

    /// Another configuration is in force.
    pub fn set_configuration(&mut self, configuration: &Configuration) {
        self.dialect = configuration.dialect();
        self.exists = density(configuration) > 0;
    }

    /// How many servers are wanted: none where others can reach this node without.
    pub fn set_wanted(&mut self, now: Now, wanted: usize) {
        if wanted > self.wanted && !matches!(self.search, Search::Finding | Search::Fetching) {
            self.search = Search::Pause(now.mono);
        }
        self.wanted = wanted;
        while self.servers.len() > wanted {
            self.servers.pop_last();
            self.changed = true;
        }
    }

    /// A server does not relay for us: another one is looked for.
    pub fn handle_failed(&mut self, now: Now, server: SocketAddr) {
        let is_it = |it: &&Server| it.login().is_some_and(|login| login.server == server);
        if let Some(node) = self.servers.values().find(is_it).map(|it| it.node) {
            self.drop_server(now, node);
        }
    }

    /// The link to a node is lost: if it is one of the servers, it is asked for the login again, and
    /// dropped if it does not answer.
    pub fn handle_link_down(&mut self, now: Now, node: NodeId) {
        if let Some(server) = self.servers.get_mut(&node) {
            server.doubt(now);
        }
    }

    /// The next request to make, until there is none.
    pub fn poll_request(&mut self, now: Now) -> Option<(SeekId, Request)> {
        let over = |server: &&Server| server.is_over(now);
        while let Some(node) = self.servers.values().find(over).map(|server| server.node) {
            self.drop_server(now, node);
        }
        let of_server = self.servers.values_mut().find_map(|server| {
            let request = server.poll_request(now)?;
            Some((SeekId(Some(server.node)), request))
        });
        of_server.or_else(|| Some((SeekId(None), self.poll_search(now)?)))
    }

    fn poll_search(&mut self, now: Now) -> Option<Request> {
        if !self.is_searching() {
            return None;
        }
        match &self.search {
            Search::Pause(at) if *at <= now.mono => {
                self.search = Search::Finding;
                let random: [u8; 16] = self.random.random();
                let resource = ResourceId::new(&random).expect("16 bytes fit");
                Some(Request::Find { resource, kinds: vec![KindId::TURN_SERVICE] })
            }
            Search::Found(resource) => {
                let resource = resource.clone();
                self.search = Search::Fetching;
                let which = ModelSpecifier::Single;
                let kind = KindId::TURN_SERVICE;
                let specifiers = vec![Specifier { kind, generation: 0, which }];
                Some(Request::Fetch { resource, specifiers })
            }
            _ => None,
        }
    }

    fn is_searching(&self) -> bool {
        self.exists && self.servers.len() < self.wanted
    }

    /// A request has ended: its good answer, or none if it failed or could not be made.
    pub fn handle_finished(&mut self, now: Now, id: SeekId, reply: Option<Reply>) {
        match id.0 {
            Some(node) => self.on_server(now, node, reply),
            None => self.on_search(now, reply),
        }
    }

    fn on_server(&mut self, now: Now, node: NodeId, reply: Option<Reply>) {
        let Some(server) = self.servers.get_mut(&node) else { return };
        match server.handle_finished(now, reply) {
            Outcome::Same => {}
            Outcome::Login => self.changed = true,
            Outcome::Useless => self.drop_server(now, node),
        }
    }

    fn on_search(&mut self, now: Now, reply: Option<Reply>) {
        match (&self.search, reply) {
            (Search::Finding, Some(Reply::Found(found))) => match resource_in(&found) {
                Some(resource) => self.search = Search::Found(resource),
                None => self.look_elsewhere(now),
            },
            (Search::Fetching, Some(Reply::Fetched(kinds))) => {
                let nodes = servers_in(&self.dialect, &kinds);
                self.on_found(now, nodes);
            }
            (Search::Finding | Search::Fetching, _) => self.look_elsewhere(now),
            (Search::Pause(_) | Search::Found(_), _) => {} // answers nothing that was asked
        }
    }

    /// These nodes are TURN servers.
    pub(super) fn on_found(&mut self, now: Now, nodes: BTreeSet<NodeId>) {
        self.avoid.retain(|_, until| *until > now.mono);
        let is_new = |node: &NodeId| {
            *node != self.node && !self.servers.contains_key(node) && !self.avoid.contains_key(node)
        };
        let Some(node) = nodes.into_iter().find(is_new).filter(|_| self.is_searching()) else {
            return self.look_elsewhere(now);
        };
        self.servers.insert(node, Server::new(node, now.mono));
        (self.looked, self.pauses) = (0, 0);
        self.search = Search::Pause(now.mono);
    }

    /// At some other random Resource-ID (section 9), and after a few of them not at once.
    fn look_elsewhere(&mut self, now: Now) {
        self.looked += 1;
        let mut pause = Duration::ZERO;
        if self.looked >= IN_A_ROW {
            pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(10)).min(LAST_PAUSE);
            (self.looked, self.pauses) = (0, self.pauses.saturating_add(1));
        }
        self.search = Search::Pause(now.mono + pause);
    }

    fn drop_server(&mut self, now: Now, node: NodeId) {
        let Some(server) = self.servers.remove(&node) else { return };
        self.changed |= server.login().is_some();
        if self.avoid.len() >= AVOIDED {
            self.avoid.pop_first();
        }
        self.avoid.insert(node, now.mono + AVOID);
        self.look_elsewhere(now);
    }

    /// When [`TurnSeeking::poll_request`] has something next; none while all wait for answers.
    #[must_use]
    pub fn wakeup(&self) -> Option<Instant> {
        let search = match self.search {
            Search::Pause(at) if self.is_searching() => Some(at),
            _ => None,
        };
        self.servers.values().filter_map(Server::wakeup).chain(search).min()
    }

    /// The logins of now, if they are others than at the last call.
    pub fn poll_change(&mut self) -> Option<Vec<TurnLogin>> {
        std::mem::take(&mut self.changed).then(|| self.logins())
    }

    /// The peers whose TURN servers are used, with the addresses of these, for people.
    #[must_use]
    pub fn servers(&self) -> Vec<(NodeId, SocketAddr)> {
        let with_login = |it: &Server| it.login().map(|login| (it.node, login.server));
        self.servers.values().filter_map(with_login).collect()
    }

    /// The logins of now.
    #[must_use]
    pub fn logins(&self) -> Vec<TurnLogin> {
        self.servers.values().filter_map(|server| server.login().cloned()).collect()
    }
}

fn resource_in(found: &FindAns) -> Option<ResourceId> {
    let ours = found.results.iter().find(|data| data.kind == KindId::TURN_SERVICE)?;
    ours.resource().cloned()
}

/// The nodes that say of themselves that they are TURN servers. Where the server is, they say again
/// with the login.
fn servers_in(dialect: &Dialect, kinds: &[FetchedKind]) -> BTreeSet<NodeId> {
    let ours = kinds.iter().filter(|fetched| fetched.kind == KindId::TURN_SERVICE);
    let values = ours.flat_map(|fetched| &fetched.values);
    let server = |value: &&reload_identity::VerifiedValue| match value.value() {
        StoredDataValue::Single(data) if data.exists => {
            TurnServer::decode_exact(dialect, &data.value).is_ok()
        }
        _ => false,
    };
    values.filter(server).map(|value| value.signer().node_id).collect()
}
