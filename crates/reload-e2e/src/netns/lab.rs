//! A laboratory: all namespaces of one test, with names of their own, gone when it is dropped.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use super::host::{Host, Port};
use super::rough::isolate;
use super::router::Router;
use super::tool::{ip, missing, tool};

/// Before the number of the process in the names of our namespaces.
const PREFIX: &str = "reload-e2e-";

/// Laboratories of this process so far.
static LABS: AtomicU32 = AtomicU32::new(0);

/// The namespaces of one test.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    names: Mutex<Vec<String>>,
}

impl Lab {
    /// An empty one; none, with a word about it, where there can be none. What tests that were killed
    /// have left behind is removed. RELOAD_TEST_NETWORKS=skip is for systems that allow none.
    ///
    /// # Errors
    /// If there can be none and RELOAD_TEST_TOOLS=require.
    pub fn open() -> Result<Option<Self>> {
        if std::env::var("RELOAD_TEST_NETWORKS").is_ok_and(|value| value == "skip") {
            println!("skipped: RELOAD_TEST_NETWORKS=skip");
            return Ok(None);
        }
        if let Some(what) = missing() {
            if std::env::var("RELOAD_TEST_TOOLS").is_ok_and(|value| value == "require") {
                bail!("no network namespaces without {what}");
            }
            println!("skipped: no network namespaces without {what}");
            return Ok(None);
        }
        remove_stale()?;
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}-", std::process::id());
        Ok(Some(Self { prefix, names: Mutex::default() }))
    }

    /// A network segment: what is attached to it is on one link.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn switch(&self, name: &str) -> Result<Switch> {
        let namespace = self.namespace(name)?;
        Switch::in_namespace(&namespace)
    }

    /// A network segment that is all of the Internet: what is sent elsewhere, to private addresses above
    /// all, goes to its gateway and is never heard of again.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn internet(&self, name: &str, gateway: Ipv4Addr) -> Result<Switch> {
        let mut switch = self.switch(name)?;
        switch.become_gateway(gateway)?;
        let namespace = &switch.namespace;
        tool("ip", &["netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
        ip(&format!("-n {namespace} route add blackhole default"))?;
        Ok(switch)
    }

    /// A host with one network interface, `eth0`, and a route to everywhere if the segment has a gateway.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn host(&self, name: &str, switch: &Switch, address: Ipv4Addr) -> Result<Host> {
        let namespace = self.namespace(name)?;
        let port = switch.attach(&namespace, address)?;
        Ok(Host::new(namespace, address, port))
    }

    /// A host that sends to its neighbours through the router of the segment.
    ///
    /// # Errors
    /// What `ip` says, or if the segment has no router.
    pub fn isolated_host(&self, name: &str, router: &Router, address: Ipv4Addr) -> Result<Host> {
        let host = self.host(name, router.lan(), address)?;
        isolate(&host, router.lan().gateway().context("no gateway")?)?;
        Ok(host)
    }

    /// A router between a segment and one of its own, which has the first address of a /24. It does no
    /// NAT until it is told.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn router(
        &self,
        name: &str,
        outside: &Switch,
        address: Ipv4Addr,
        inside: Ipv4Addr,
    ) -> Result<Router> {
        let host = self.host(name, outside, address)?;
        let mut lan = Switch::in_namespace(host.namespace())?;
        lan.become_gateway(inside)?;
        // A router that tells neighbours to talk to each other directly would be passed by.
        for setting in ["ip_forward=1", "conf.all.send_redirects=0", "conf.lan.send_redirects=0"] {
            host.command("sysctl", &["-qw", &format!("net.ipv4.{setting}")])?;
        }
        Ok(Router::new(host, lan))
    }

    fn namespace(&self, name: &str) -> Result<String> {
        let full = format!("{}{name}", self.prefix);
        ip(&format!("netns add {full}"))?;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(full.clone());
        ip(&format!("-n {full} link set lo up"))?;
        Ok(full)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let names = self.names.get_mut().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            // Nothing can be done about one that stays; the next test tries again.
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Removes namespaces of processes that are gone. Tests that run beside this one do the same.
fn remove_stale() -> Result<()> {
    for line in ip("netns list")?.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test may be faster; one that stays is in nobody's way.
            let _ = ip(&format!("netns del {name}"));
        }
    }
    Ok(())
}

/// A network segment: a bridge.
#[derive(Debug)]
pub struct Switch {
    namespace: String,
    gateway: Option<Ipv4Addr>,
    ports: AtomicU32,
}

impl Switch {
    fn in_namespace(namespace: &str) -> Result<Self> {
        ip(&format!("-n {namespace} link add {BRIDGE} type bridge"))?;
        ip(&format!("-n {namespace} link set {BRIDGE} up"))?;
        Ok(Self { namespace: namespace.to_owned(), gateway: None, ports: AtomicU32::new(0) })
    }

    fn become_gateway(&mut self, address: Ipv4Addr) -> Result<()> {
        ip(&format!("-n {} address add {address}/{MASK} dev {BRIDGE}", self.namespace))?;
        self.gateway = Some(address);
        Ok(())
    }

    /// The address of its router, if it has one.
    #[must_use]
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway
    }

    /// Lays a cable to a namespace that has no network yet.
    fn attach(&self, namespace: &str, address: Ipv4Addr) -> Result<Port> {
        let name = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        let (here, there) = (&self.namespace, namespace);
        ip(&format!("link add {name} netns {here} type veth peer name eth0 netns {there}"))?;
        ip(&format!("-n {here} link set {name} master {BRIDGE} up"))?;
        ip(&format!("-n {there} address add {address}/{MASK} dev eth0"))?;
        ip(&format!("-n {there} link set eth0 up"))?;
        if let Some(gateway) = self.gateway {
            ip(&format!("-n {there} route add default via {gateway}"))?;
        }
        Ok(Port { switch: self.namespace.clone(), name, gateway: self.gateway })
    }
}

/// The bridge of a segment.
pub(super) const BRIDGE: &str = "lan";

/// Bits of a network address in every segment.
pub(super) const MASK: u8 = 24;
