//! One UDP socket: datagrams with both their addresses, in batches, and not fragmented by IP unless that
//! was asked for.
//!
//! The source address matters on hosts with several addresses: checks and DTLS must leave from the
//! address that the other side knows. So the system is asked for the destination of each datagram
//! that comes (PKTINFO) and told the source of each that goes.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Buffers of one batch; the system may join several datagrams of one sender in each.
const BATCH: usize = 4;
/// The largest datagram, and the most that the system joins.
const BUFFER: usize = 64 * 1024;
/// What the kernel may hold for us; it gives less if the machine allows less.
const KERNEL_BUFFER: usize = 2 << 20;

/// A datagram that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Our address that it was sent to.
    pub(crate) local: SocketAddr,
    /// Who sent it.
    pub(crate) remote: SocketAddr,
    /// What it says.
    pub(crate) data: Bytes,
}

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    bound: SocketAddr,
}

impl Socket {
    /// Binds; port 0 takes any free port.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        // Less room means more loss, nothing worse.
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER);
        let bound = socket.local_addr()?;
        Ok(Self { io: UdpSocket::from_std(socket)?, state, bound })
    }

    /// Lets IP take datagrams to pieces, here and on the way, that are larger than a link takes. It is off
    /// at first: Simple Reliability wants to know what the path takes (section 6.6.3).
    pub(crate) fn let_ip_fragment(&self) -> io::Result<()> {
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        };
        let of_ipv4 = set_ip_mtu_discover(&self.io, Ipv4PathMtuDiscovery::DONT);
        match self.bound.is_ipv6() {
            // one of IPv6 alone has no such option of IPv4
            true => set_ipv6_mtu_discover(&self.io, Ipv6PathMtuDiscovery::DONT)?,
            false => of_ipv4?,
        }
        Ok(())
    }

    /// The address it is bound to, which may be "any", with the real port.
    pub(crate) const fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Whether it can send from this address of ours.
    pub(crate) fn serves(&self, local: IpAddr) -> bool {
        let bound = self.bound.ip();
        bound == local || (bound.is_unspecified() && (bound.is_ipv6() || local.is_ipv4()))
    }

    /// Waits for datagrams.
    pub(crate) async fn receive(&self, buffers: &mut Buffers) -> io::Result<Vec<Datagram>> {
        let mut metas = [RecvMeta::default(); BATCH];
        let [a, b, c, d] = &mut buffers.0;
        let mut slices = [a, b, c, d].map(|buffer| IoSliceMut::new(buffer));
        let count = self
            .io
            .async_io(Interest::READABLE, || {
                self.state.recv((&self.io).into(), &mut slices, &mut metas)
            })
            .await?;
        let mut datagrams = Vec::new();
        for (buffer, meta) in buffers.0.iter().zip(&metas).take(count) {
            let filled = &buffer[..meta.len.min(buffer.len())];
            // An empty datagram has no stride, and says nothing.
            let parts = filled.chunks(meta.stride.max(1));
            datagrams.extend(parts.map(|part| self.datagram(meta, part)));
        }
        Ok(datagrams)
    }

    fn datagram(&self, meta: &RecvMeta, part: &[u8]) -> Datagram {
        let local = meta.dst_ip.unwrap_or_else(|| self.bound.ip()).to_canonical();
        Datagram {
            local: SocketAddr::new(local, self.bound.port()),
            remote: SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port()),
            data: Bytes::copy_from_slice(part),
        }
    }

    /// Sends now or not at all: a full send queue is loss, as on the way.
    pub(crate) fn send(&self, local: IpAddr, remote: SocketAddr, data: &[u8]) -> io::Result<()> {
        let destination = self.as_family(remote);
        let src_ip = (!local.is_unspecified()).then_some(local);
        let transmit =
            Transmit { destination, ecn: None, contents: data, segment_size: None, src_ip };
        // Not by way of the reactor, which holds a new socket for busy until it has heard of it.
        self.state.try_send((&self.io).into(), &transmit)
    }

    /// A socket of IPv6 knows addresses of IPv4 as mapped ones only.
    fn as_family(&self, remote: SocketAddr) -> SocketAddr {
        match remote.ip() {
            IpAddr::V4(ip) if self.bound.is_ipv6() => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), remote.port())
            }
            _ => remote,
        }
    }
}

/// Room for one batch.
pub(crate) struct Buffers([Vec<u8>; BATCH]);

impl Default for Buffers {
    fn default() -> Self {
        Self(std::array::from_fn(|_| vec![0; BUFFER]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn one(socket: &Socket) -> Datagram {
        let mut datagrams = socket.receive(&mut Buffers::default()).await.unwrap();
        assert_eq!(datagrams.len(), 1);
        datagrams.remove(0)
    }

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    #[tokio::test]
    async fn a_socket_bound_to_any_tells_and_chooses_its_address() {
        let any = Socket::bind(at("0.0.0.0", 0)).unwrap();
        let other = Socket::bind(at("127.0.0.1", 0)).unwrap();
        let target = at("127.0.0.7", any.bound().port());
        other.send(other.bound().ip(), target, b"to an alias").unwrap();
        let came = one(&any).await;
        assert_eq!((came.local, came.remote), (target, other.bound()));
        any.send(came.local.ip(), came.remote, b"back").unwrap();
        let back = one(&other).await;
        assert_eq!((back.remote, &back.data[..]), (target, &b"back"[..]));
    }

    #[tokio::test]
    async fn a_socket_of_both_families_speaks_plain_ipv4() {
        let Ok(any) = Socket::bind(at("::", 0)) else { return }; // a machine without IPv6
        let other = Socket::bind(at("127.0.0.1", 0)).unwrap();
        let target = at("127.0.0.1", any.bound().port());
        other.send(other.bound().ip(), target, b"hello").unwrap();
        let came = one(&any).await;
        assert_eq!((came.local, came.remote), (target, other.bound()));
        any.send(came.local.ip(), came.remote, b"back").unwrap();
        assert_eq!(one(&other).await.remote, target);
    }

    #[tokio::test]
    async fn ip_takes_datagrams_to_pieces_only_where_that_was_asked_for() {
        use rustix::net::sockopt::{Ipv4PathMtuDiscovery, ip_mtu_discover};
        let socket = Socket::bind(at("127.0.0.1", 0)).unwrap();
        assert_eq!(ip_mtu_discover(&socket.io).unwrap(), Ipv4PathMtuDiscovery::PROBE);
        socket.let_ip_fragment().unwrap();
        assert_eq!(ip_mtu_discover(&socket.io).unwrap(), Ipv4PathMtuDiscovery::DONT);
        if let Ok(both) = Socket::bind(at("::", 0)) {
            both.let_ip_fragment().unwrap();
        }
    }

    #[tokio::test]
    async fn datagrams_keep_their_bounds_whatever_the_system_joins() {
        let (one, two) = (at("127.0.0.1", 0), at("127.0.0.1", 0));
        let (one, two) = (Socket::bind(one).unwrap(), Socket::bind(two).unwrap());
        let sizes = [1200, 1200, 7, 1200, 1];
        for size in sizes {
            one.send(one.bound().ip(), two.bound(), &vec![0; size]).unwrap();
        }
        let (mut seen, mut buffers) = (Vec::new(), Buffers::default());
        while seen.len() < sizes.len() {
            let datagrams = two.receive(&mut buffers).await.unwrap();
            seen.extend(datagrams.iter().map(|datagram| datagram.data.len()));
        }
        assert_eq!(seen, sizes);
    }
}
