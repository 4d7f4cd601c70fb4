//! Pairs of local UDP ports that face a phone: RTP on an even port, RTCP on the one above (RFC 3550 section 11).
//! Packets of the phone leave on the media pipe, those of the pipe go to the phone.

use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;

use super::attribute::Token;
use super::counters::Counters;
use super::frame::{MediaFrame, Stream};
use super::latch::Latch;
use super::link::{Link, Task};
use super::sdp::{MediaAddress, Ports};
use super::session::Place;
use super::{MediaError, lock};

/// Two ports. They are free again when this is dropped.
#[derive(Debug)]
pub(super) struct PortPair {
    rtp: Half,
    rtcp: Half,
    /// One of these for each pair that is open.
    _open: Arc<()>,
}

/// What a pair of ports belongs to.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) sip: IpAddr,
    pub(super) line: u8,
    pub(super) to: Token,
    pub(super) from: Token,
    pub(super) link: Arc<Link>,
    pub(super) counters: Arc<Counters>,
}

impl PortPair {
    pub(super) fn open(pair: SocketPair, owner: &Owner, open: Arc<()>) -> Result<Self, MediaError> {
        let half = |socket: StdSocket, is_rtcp: bool| {
            Half::open(socket, Stream { line: owner.line, is_rtcp }, owner.clone())
        };
        Ok(Self { rtp: half(pair.rtp, false)?, rtcp: half(pair.rtcp, true)?, _open: open })
    }

    /// Sends a packet to the phone, if it is known where that is and there is room. Never waits.
    pub(super) fn deliver(&self, is_rtcp: bool, packet: &Bytes) -> bool {
        let half = if is_rtcp { &self.rtcp } else { &self.rtp };
        let Some(target) = lock(&half.latch).target() else { return false };
        half.socket.try_send_to(packet, target).is_ok()
    }
}

impl Place for PortPair {
    fn ports(&self) -> Ports {
        (self.rtp.port, self.rtcp.port)
    }

    fn aim(&self, sip: IpAddr, media: Option<&MediaAddress>) {
        lock(&self.rtp.latch).aim(sip, media.and_then(|media| media.rtp));
        lock(&self.rtcp.latch).aim(sip, media.and_then(|media| media.rtcp));
    }
}

/// One port.
#[derive(Debug)]
struct Half {
    port: u16,
    socket: Arc<UdpSocket>,
    latch: Arc<Mutex<Latch>>,
    _reading: Task,
}

impl Half {
    fn open(socket: StdSocket, stream: Stream, owner: Owner) -> Result<Self, MediaError> {
        socket.set_nonblocking(true).map_err(MediaError::NoPort)?;
        let socket = Arc::new(UdpSocket::from_std(socket).map_err(MediaError::NoPort)?);
        let port = socket.local_addr().map_err(MediaError::NoPort)?.port();
        let latch = Arc::new(Mutex::new(Latch::new(owner.sip)));
        let reading = tokio::spawn(read(socket.clone(), latch.clone(), stream, owner));
        Ok(Self { port, socket, latch, _reading: Task::new(reading) })
    }
}

/// Takes the packets of the phone until it is aborted.
async fn read(socket: Arc<UdpSocket>, latch: Arc<Mutex<Latch>>, stream: Stream, owner: Owner) {
    let mut buffer = vec![0; MAX_PACKET];
    loop {
        // Errors are those that ICMP reports of packets sent: a phone that is not there yet.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(AFTER_ERROR).await;
            continue;
        };
        if length == 0 {
            continue;
        }
        if !lock(&latch).takes(from) {
            owner.counters.on_stranger();
            continue;
        }
        let packet = Bytes::copy_from_slice(&buffer[..length]);
        let frame = MediaFrame { stream, to: owner.to, from: owner.from, packet };
        owner.counters.sent.count(length, owner.link.send(frame.to_bytes()));
    }
}

/// What fails at once does not fail all the time.
const AFTER_ERROR: Duration = Duration::from_millis(10);
/// Bytes of a UDP datagram.
const MAX_PACKET: usize = 65_535;

/// Two sockets on neighbouring ports.
#[derive(Debug)]
pub(super) struct SocketPair {
    rtp: StdSocket,
    rtcp: StdSocket,
}

impl SocketPair {
    /// Binds them; `turn` counts up, so that ports just given back are not the first to be used again.
    pub(super) fn bind(
        at: IpAddr,
        range: Option<&RangeInclusive<u16>>,
        turn: usize,
    ) -> Result<Self, MediaError> {
        match range {
            Some(range) => Self::bind_in(at, range, turn),
            None => Self::bind_any(at),
        }
    }

    fn bind_any(at: IpAddr) -> Result<Self, MediaError> {
        let mut last = None;
        for _ in 0..TRIES {
            let any = StdSocket::bind((at, 0)).map_err(MediaError::NoPort)?;
            let port = any.local_addr().map_err(MediaError::NoPort)?.port();
            match StdSocket::bind((at, port ^ 1)) {
                Ok(other) if port & 1 == 0 => return Ok(Self { rtp: any, rtcp: other }),
                Ok(other) => return Ok(Self { rtp: other, rtcp: any }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or(MediaError::Full, MediaError::NoPort))
    }

    fn bind_in(at: IpAddr, range: &RangeInclusive<u16>, turn: usize) -> Result<Self, MediaError> {
        let is_pair = |port: &u16| port & 1 == 0 && *port != 0 && range.contains(&(port | 1));
        let even: Vec<u16> = range.clone().filter(is_pair).collect();
        let start = turn.checked_rem(even.len()).ok_or(MediaError::Full)?;
        let both = |port: u16| {
            let bind = |port| StdSocket::bind(SocketAddr::new(at, port)).ok();
            Some(Self { rtp: bind(port)?, rtcp: bind(port | 1)? })
        };
        even[start..]
            .iter()
            .chain(&even[..start])
            .find_map(|&port| both(port))
            .ok_or(MediaError::Full)
    }
}

/// Neighbours of free ports are seldom taken.
const TRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn ports(pair: &SocketPair) -> Ports {
        let port = |socket: &StdSocket| socket.local_addr().unwrap().port();
        (port(&pair.rtp), port(&pair.rtcp))
    }

    #[test]
    fn rtp_has_an_even_port_and_rtcp_the_next() {
        let pairs: Vec<SocketPair> =
            (0..20).map(|turn| SocketPair::bind(HERE, None, turn).unwrap()).collect();
        for pair in &pairs {
            let (rtp, rtcp) = ports(pair);
            assert_eq!((rtp % 2, rtcp), (0, rtp + 1));
        }
    }

    #[test]
    fn a_range_gives_no_port_outside_it_and_each_once() {
        let (first, _) = ports(&SocketPair::bind(HERE, None, 0).unwrap());
        let range = first..=first + 2;
        let pair = SocketPair::bind(HERE, Some(&range), 7).unwrap();
        assert_eq!(ports(&pair), (first, first + 1));
        let error = SocketPair::bind(HERE, Some(&range), 8).unwrap_err();
        assert!(matches!(error, MediaError::Full));
        drop(pair);
        assert!(SocketPair::bind(HERE, Some(&range), 9).is_ok());
    }

    #[test]
    fn a_range_without_a_pair_gives_none() {
        assert!(matches!(SocketPair::bind(HERE, Some(&(5001..=5002)), 0), Err(MediaError::Full)));
        assert!(matches!(SocketPair::bind(HERE, Some(&(0..=1)), 0), Err(MediaError::Full)));
    }
}
