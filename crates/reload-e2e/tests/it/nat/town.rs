//! A town: an enrollment server, a bootstrap peer and coturn on public addresses, and homes behind
//! routers. The public part has addresses for benchmarks (RFC 2544), as private ones bar a TURN
//! candidate (section 9); all of it exists in namespaces alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use reload_e2e::netns::{Coturn, Host, Lab, Nat, Router, Switch};
use reload_e2e::{Capturing, Overlay, Site, Start, Watched};
use tempfile::TempDir;

/// Where all peers listen: each has a machine of its own.
pub(crate) const PORT: u16 = 6084;

/// The peer of the bootstrap address.
pub(crate) const BOOTSTRAP: usize = 0;

/// How a machine is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// With a public address.
    Public,
    /// Behind a router.
    Behind(Nat),
    /// Behind a router behind that of the provider.
    Twice(Nat, Nat),
}

impl Access {
    /// The stricter of its NATs, as seen from outside.
    fn seen(self) -> Option<Nat> {
        match self {
            Self::Public => None,
            Self::Behind(nat) => Some(nat),
            Self::Twice(inner, outer) => Some(inner.max(outer)),
        }
    }

    /// Whether no packet of the one can be the first that the other lets in, so that only a relay helps:
    /// the port that a symmetric NAT will use cannot be known, and the other side must know it.
    pub(crate) fn needs_relay(self, other: Self) -> bool {
        let hidden = |one: Self| one.seen() == Some(Nat::Symmetric);
        let strict = |one: Self| one.seen() >= Some(Nat::PortRestricted);
        hidden(self) && strict(other) || hidden(other) && strict(self)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.pad("public"),
            Self::Behind(nat) => nat.fmt(f),
            Self::Twice(inner, outer) if inner == outer => f.pad(&format!("two {inner}")),
            Self::Twice(inner, outer) => f.pad(&format!("{inner}, {outer}")),
        }
    }
}

/// Somebody who lives there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Citizen {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// Whether coturn is its TURN server.
    pub(crate) coturn: bool,
}

impl Citizen {
    pub(crate) const fn new(name: &'static str, access: Access) -> Self {
        Self { name, access, coturn: false }
    }
}

/// The network of a town; what stands first is dropped first.
pub(crate) struct Streets {
    pub(crate) coturn: Option<Coturn>,
    pub(crate) machines: Vec<Host>,
    /// Of each citizen, the one before the own machine first.
    pub(crate) routers: Vec<Vec<Router>>,
    server: Host,
    _directory: TempDir,
    _public: Switch,
    _lab: Lab,
}

impl Streets {
    /// Builds it. None where there can be no namespaces.
    pub(crate) fn build(citizens: &[Citizen]) -> Option<Self> {
        let lab = Lab::open().unwrap()?;
        let directory = tempfile::tempdir().unwrap();
        let public = lab.internet("public", public_address(254)).unwrap();
        let server = lab.host("server", &public, public_address(2)).unwrap();
        let relay = lab.host("coturn", &public, public_address(4)).unwrap();
        let coturn = Coturn::start(&relay, directory.path()).unwrap();
        let (mut machines, mut routers) = (Vec::new(), Vec::new());
        for (number, citizen) in (0..).zip(citizens) {
            let (machine, own) = settle(&lab, &public, number, citizen);
            machines.push(machine);
            routers.push(own);
        }
        let (_directory, _public, _lab) = (directory, public, lab);
        Some(Self { coturn, machines, routers, server, _directory, _public, _lab })
    }
}

/// The town; what stands first is dropped first.
pub(crate) struct Town {
    pub(crate) overlay: Overlay,
    capturing: Capturing,
    pub(crate) citizens: Vec<Citizen>,
    pub(crate) streets: Streets,
}

impl Town {
    /// Builds it and enrolls everybody, through the NATs; nobody runs yet. The first citizen has to be
    /// public. None where there can be no namespaces.
    pub(crate) fn build(name: &str, init: &[&str], citizens: &[Citizen]) -> Option<Self> {
        let captured = |watched: &[Watched]| Capturing::on_hosts(name, watched).unwrap();
        Self::with(name, init, citizens, captured)
    }

    /// The same for who will not run anybody: there will be nothing to capture.
    pub(crate) fn without_peers(name: &str, citizens: &[Citizen]) -> Option<Self> {
        Self::with(name, &[], citizens, |_| Capturing::Off)
    }

    fn with(
        name: &str,
        init: &[&str],
        citizens: &[Citizen],
        capture: impl FnOnce(&[Watched]) -> Capturing,
    ) -> Option<Self> {
        let streets = Streets::build(citizens)?;
        let watched = streets.machines.iter().zip(citizens).map(watched).collect::<Vec<_>>();
        let capturing = capture(&watched);
        let bootstrap = SocketAddr::from((streets.machines[BOOTSTRAP].address(), PORT)).to_string();
        let init = [&["--bootstrap", &bootstrap], init].concat();
        let keylogs: Option<&Path> = capturing.directory();
        let overlay = format!("{name}.example.org");
        let mut overlay =
            Overlay::at(&overlay, keylogs, &Site::from(&streets.server), &init).unwrap();
        for (citizen, machine) in citizens.iter().zip(&streets.machines) {
            let place = overlay.enroll_at(citizen.name, &Site::from(machine)).unwrap();
            let peer = overlay.peer_mut(place);
            peer.set_port(PORT);
            if let Some(coturn) = streets.coturn.as_ref().filter(|_| citizen.coturn) {
                peer.set_options(&["--turn", &coturn.option()]);
            }
        }
        Some(Self { overlay, capturing, citizens: citizens.to_vec(), streets })
    }

    /// Starts a peer, which finds the bootstrap peer by the configuration.
    pub(crate) fn start(&mut self, place: usize) {
        let start = Start { first: place == BOOTSTRAP, bootstrap: Vec::new() };
        self.overlay.peer_mut(place).start(&start).unwrap();
    }

    /// Who relays at that address.
    pub(crate) fn relay_name(&self, relay: IpAddr) -> String {
        if self.streets.coturn.as_ref().is_some_and(|coturn| coturn.address().ip() == relay) {
            return "coturn".to_owned();
        }
        let of =
            self.streets.machines.iter().position(|machine| IpAddr::V4(machine.address()) == relay);
        of.map_or_else(
            || relay.to_string(),
            |place| format!("TURN of {}", self.citizens[place].name),
        )
    }

    /// Everybody leaves, and the capture ends.
    pub(crate) fn close(mut self) {
        for place in self.overlay.running().into_iter().rev() {
            self.overlay.peer_mut(place).terminate().unwrap();
        }
        self.overlay.stop_server().unwrap();
        self.capturing.finish(&[]).unwrap();
    }
}

fn public_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, number)
}

/// The machine of a citizen, and the routers before it.
fn settle(lab: &Lab, public: &Switch, number: u8, citizen: &Citizen) -> (Host, Vec<Router>) {
    let name = citizen.name;
    let outside = public_address(10 + number);
    // Every bought router gives its home the same addresses.
    let (gateway, home) = (Ipv4Addr::new(192, 168, 1, 1), Ipv4Addr::new(192, 168, 1, 2));
    let router = format!("router-{name}");
    match citizen.access {
        Access::Public => (lab.host(name, public, outside).unwrap(), Vec::new()),
        Access::Behind(nat) => {
            let router = lab.router(&router, public, outside, gateway).unwrap();
            router.set_nat(nat, home).unwrap();
            (lab.host(name, router.lan(), home).unwrap(), vec![router])
        }
        Access::Twice(inner, outer) => {
            let (carrier, between) = (Ipv4Addr::new(100, 64, 0, 1), Ipv4Addr::new(100, 64, 0, 2));
            let provider = format!("provider-{name}");
            let provider = lab.router(&provider, public, outside, carrier).unwrap();
            provider.set_nat(outer, between).unwrap();
            let router = lab.router(&router, provider.lan(), between, gateway).unwrap();
            router.set_nat(inner, home).unwrap();
            (lab.host(name, router.lan(), home).unwrap(), vec![router, provider])
        }
    }
}

/// The overlay links of one machine, on its own side of all NATs.
fn watched((machine, citizen): (&Host, &Citizen)) -> Watched {
    let (name, filter) = (citizen.name.to_owned(), format!("port {PORT}"));
    Watched { site: Site::from(machine), name, filter }
}
