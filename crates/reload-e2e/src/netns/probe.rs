//! What a NAT does, found out from both of its sides without any of our protocols (RFC 5780 section
//! 4.3 and 4.4 in spirit): who asks has a socket behind it, and two servers with two ports each look at
//! where his packets come from.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{Host, Nat};

/// A packet within one machine needs no longer.
const LIMIT: Duration = Duration::from_millis(300);

/// Which packets share a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// All of one inner address and port.
    EndpointIndependent,
    /// Those to one address and port.
    AddressAndPortDependent,
}

/// Who gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    /// Everybody.
    EndpointIndependent,
    /// Who has the address of somebody that was sent to.
    AddressDependent,
    /// Who was sent to.
    AddressAndPortDependent,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which packets share a mapping.
    pub mapping: Mapping,
    /// Who gets in.
    pub filtering: Filtering,
}

impl Found {
    /// The kind that behaves so.
    ///
    /// # Errors
    /// If there is no name for it.
    pub fn kind(self) -> Result<Nat> {
        match (self.mapping, self.filtering) {
            (Mapping::EndpointIndependent, Filtering::EndpointIndependent) => Ok(Nat::FullCone),
            (Mapping::EndpointIndependent, Filtering::AddressDependent) => {
                Ok(Nat::AddressRestricted)
            }
            (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent) => {
                Ok(Nat::PortRestricted)
            }
            (Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent) => {
                Ok(Nat::Symmetric)
            }
            _ => bail!("no kind is called {self:?}"),
        }
    }
}

/// Two servers in the public part.
#[derive(Debug)]
pub struct Landmarks {
    near: UdpSocket,
    /// Another port of the same address.
    beside: UdpSocket,
    /// Another address.
    far: UdpSocket,
}

impl Landmarks {
    /// On two hosts.
    ///
    /// # Errors
    /// If there are no sockets.
    pub fn on(one: &Host, other: &Host) -> Result<Self> {
        let open = |host: &Host| {
            let socket = host.udp(host.address(), 0)?;
            socket.set_read_timeout(Some(LIMIT))?;
            anyhow::Ok(socket)
        };
        Ok(Self { near: open(one)?, beside: open(one)?, far: open(other)? })
    }

    /// Looks at a host from outside.
    ///
    /// # Errors
    /// If it cannot send out at all, or maps in a way that has no name here.
    pub fn look_at(&self, home: &Host) -> Result<Found> {
        Ok(Found { mapping: self.mapping(home)?, filtering: self.filtering(home)? })
    }

    fn mapping(&self, home: &Host) -> Result<Mapping> {
        let socket = inner(home)?;
        let seen = [&self.near, &self.beside, &self.far].map(|server| reflexive(&socket, server));
        let [near, beside, far] = seen;
        let (near, beside, far) = (near?, beside?, far?);
        if near == beside && near == far {
            return Ok(Mapping::EndpointIndependent);
        }
        ensure!(near != beside && near != far && beside != far, "seen: {near}, {beside}, {far}");
        Ok(Mapping::AddressAndPortDependent)
    }

    fn filtering(&self, home: &Host) -> Result<Filtering> {
        // A fresh socket, which only the first server is told of.
        let socket = inner(home)?;
        let outside = reflexive(&socket, &self.near)?;
        ensure!(reaches(&self.near, outside, &socket)?, "the way back is closed");
        if reaches(&self.far, outside, &socket)? {
            return Ok(Filtering::EndpointIndependent);
        }
        if reaches(&self.beside, outside, &socket)? {
            return Ok(Filtering::AddressDependent);
        }
        // What did not come in before must do so once it was sent to: it was a filter, not a broken way.
        reflexive(&socket, &self.far)?;
        Ok(Filtering::AddressAndPortDependent)
    }
}

fn inner(home: &Host) -> Result<UdpSocket> {
    let socket = home.udp(home.address(), 0)?;
    socket.set_read_timeout(Some(LIMIT))?;
    Ok(socket)
}

/// Where a packet to the server seems to come from.
fn reflexive(socket: &UdpSocket, server: &UdpSocket) -> Result<SocketAddr> {
    let asked = socket.local_addr()?.to_string();
    socket.send_to(asked.as_bytes(), server.local_addr()?)?;
    let mut buffer = [0; 64];
    loop {
        let (length, from) = server.recv_from(&mut buffer).context("nothing gets out")?;
        if buffer[..length] == *asked.as_bytes() {
            return Ok(from);
        }
    }
}

/// Whether a packet of the server to that address gets to the socket.
fn reaches(server: &UdpSocket, outside: SocketAddr, socket: &UdpSocket) -> Result<bool> {
    let said = format!("from {}", server.local_addr()?);
    server.send_to(said.as_bytes(), outside)?;
    let mut buffer = [0; 64];
    match socket.recv(&mut buffer) {
        Ok(length) => Ok(buffer[..length] == *said.as_bytes()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
