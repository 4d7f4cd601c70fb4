//! A host: a namespace with one network interface.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::lab::MASK;
use super::tool::{ip, tool};

/// A namespace that is one machine of the network.
#[derive(Debug)]
pub struct Host {
    namespace: String,
    address: Ipv4Addr,
    port: Port,
}

/// Where its cable ends.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) switch: String,
    pub(super) name: String,
    pub(super) gateway: Option<Ipv4Addr>,
}

impl Host {
    pub(super) fn new(namespace: String, address: Ipv4Addr, port: Port) -> Self {
        Self { namespace, address, port }
    }

    /// The name of its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A command that will run here.
    #[must_use]
    pub fn program(&self, program: &Path) -> Command {
        program_in(&self.namespace, program)
    }

    /// Runs a command here that ends by itself; its standard output.
    ///
    /// # Errors
    /// What it says.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Result<String> {
        tool("ip", &[&["netns", "exec", &self.namespace, program], arguments].concat())
    }

    /// A UDP socket of this host, on any free port for port 0.
    ///
    /// # Errors
    /// If there can be none.
    pub fn udp(&self, address: Ipv4Addr, port: u16) -> Result<UdpSocket> {
        self.inside(move || UdpSocket::bind(SocketAddr::from((address, port))))
    }

    /// A TCP port of this host that was free a moment ago.
    ///
    /// # Errors
    /// If there is none.
    pub fn free_port(&self) -> Result<u16> {
        let listener = self.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
        Ok(listener.local_addr()?.port())
    }

    pub(super) fn inside<T: Send>(
        &self,
        act: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> Result<T> {
        inside(&self.namespace, act)
    }

    /// Pulls the cable, or puts it back. Both ends see that at once, as with a real cable.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn plug(&self, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("-n {} link set {} {state}", self.port.switch, self.port.name))?;
        Ok(())
    }

    /// Packets larger than this, in bytes of IP, do not leave or reach the host in one piece.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn set_mtu(&self, mtu: u16) -> Result<()> {
        ip(&format!("-n {} link set {} mtu {mtu}", self.port.switch, self.port.name))?;
        ip(&format!("-n {} link set eth0 mtu {mtu}", self.namespace))?;
        Ok(())
    }

    /// Gives the host a further address.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn add_address(&self, address: Ipv4Addr) -> Result<()> {
        ip(&format!("-n {} address add {address}/{MASK} dev eth0", self.namespace))?;
        Ok(())
    }

    /// Takes its address away and gives it another, as when it moves.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn move_to(&mut self, address: Ipv4Addr) -> Result<()> {
        ip(&format!("-n {} address flush dev eth0 scope global", self.namespace))?;
        self.add_address(address)?;
        if let Some(gateway) = self.port.gateway {
            ip(&format!("-n {} route replace default via {gateway}", self.namespace))?;
        }
        self.address = address;
        Ok(())
    }
}

/// A command that will run in a namespace. `ip` becomes the program, which so keeps its process number.
pub(crate) fn program_in(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

/// Does something in a thread that has moved into a namespace. Sockets stay where they were made.
pub(crate) fn inside<T: Send>(
    name: &str,
    act: impl FnOnce() -> std::io::Result<T> + Send,
) -> Result<T> {
    let path = Path::new("/run/netns").join(name);
    let namespace =
        std::fs::File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let done = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(LinkNameSpaceType::Network),
            )?;
            act()
        });
        thread.join().ok()
    });
    done.context("a thread broke")?.with_context(|| format!("in {name}"))
}
