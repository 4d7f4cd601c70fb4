//! A network that loses, delays and reorders datagrams, which the kernel alone does not do here: a
//! proxy between hosts that do not know of it. Each host sees the others at their own addresses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketType, bind, ipproto, socket};

use super::lab::{BRIDGE, MASK};
use super::tool::{ip, nft};
use super::{Host, Router};

/// What happens to datagrams on the way, each alone.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Of a thousand, as many do not arrive.
    pub lost: u64,
    /// How long each takes.
    pub delay: Duration,
    /// Some take longer by up to this, so that later ones overtake them.
    pub jitter: Duration,
    /// Of a thousand, as many are late by more than the jitter: by twice the delay.
    pub late: u64,
    /// Larger ones vanish without a word, in bytes of IP.
    pub mtu: usize,
}

/// A proxy for all UDP between some hosts behind one router. TCP to one port is refused, so that nobody
/// talks past it; everything else passes it by.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What became of the datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Handed on.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Handed on after one that came later.
    pub overtaken: u64,
    /// Too large.
    pub too_large: u64,
}

#[derive(Debug)]
struct Shared {
    weather: Weather,
    ends: Vec<End>,
    queue: Mutex<Queue>,
    more: Condvar,
    over: AtomicBool,
    fates: [AtomicU64; 4],
}

/// A host, and an address of the router that stands for it towards the others.
#[derive(Debug)]
struct End {
    host: Ipv4Addr,
    stands_in: Ipv4Addr,
    /// A raw one (raw(7)), as ports are not to be seen: gives IP packets and takes those of UDP.
    socket: UdpSocket,
}

#[derive(Debug, Default)]
struct Queue {
    /// Earliest first.
    waiting: BinaryHeap<Reverse<Waiting>>,
    arrived: u64,
    /// The last to be handed on between two hosts.
    handed_on: std::collections::BTreeMap<(usize, usize), u64>,
}

/// In the order in which it is compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    number: u64,
    from: usize,
    to: usize,
    data: Vec<u8>,
}

impl Proxy {
    /// Stands between all hosts at these addresses, which have to be behind the router and reach each
    /// other through it; `closed` is the TCP port.
    ///
    /// # Errors
    /// What `nft` or a socket says.
    pub fn between(
        router: &Router,
        hosts: &[Ipv4Addr],
        closed: u16,
        weather: Weather,
        seed: u64,
    ) -> Result<Self> {
        let mut ends = Vec::new();
        for (host, number) in hosts.iter().zip(0..) {
            ends.push(End::new(router, *host, number)?);
        }
        nft(router.host().namespace(), &rules(&ends, closed))?;
        let shared = Arc::new(Shared {
            weather,
            ends,
            queue: Mutex::default(),
            more: Condvar::new(),
            over: AtomicBool::new(false),
            fates: Default::default(),
        });
        let mut threads = Vec::new();
        for (to, seed) in (0..hosts.len()).zip(seed..) {
            let shared = Arc::clone(&shared);
            threads.push(std::thread::spawn(move || shared.receive(to, Dice::new(seed))));
        }
        let sender = Arc::clone(&shared);
        threads.push(std::thread::spawn(move || sender.hand_on()));
        Ok(Self { shared, threads })
    }

    /// What became of the datagrams so far.
    #[must_use]
    pub fn fates(&self) -> Fates {
        let [delivered, lost, overtaken, too_large] =
            [0, 1, 2, 3].map(|at: usize| self.shared.fates[at].load(Ordering::Relaxed));
        Fates { delivered, lost, overtaken, too_large }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl End {
    fn new(router: &Router, host: Ipv4Addr, number: u8) -> Result<Self> {
        let [a, b, c, _] = router.lan().gateway().context("a router has a segment")?.octets();
        let stands_in = Ipv4Addr::new(a, b, c, FIRST_STAND_IN + number);
        let namespace = router.host().namespace();
        ip(&format!("-n {namespace} address add {stands_in}/{MASK} dev {BRIDGE}"))?;
        let socket = router.host().inside(|| {
            let socket = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::UDP))?;
            bind(&socket, &SocketAddrV4::new(stands_in, 0))?;
            Ok(UdpSocket::from(socket))
        })?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self { host, stands_in, socket })
    }
}

/// What goes to a host goes to who stands in for it; what he sends comes from the host. Both without a
/// memory of connections, which would see the same datagram twice; and nobody tells that no program
/// listens there.
fn rules(ends: &[End], closed: u16) -> String {
    let (mut before, mut out) = (String::new(), String::new());
    for End { host, stands_in, .. } in ends {
        before += &format!(
            "iifname {BRIDGE} ip daddr {host} ip protocol udp ip daddr set {stands_in} notrack\n"
        );
        out += &format!(
            "oifname {BRIDGE} ip saddr {stands_in} ip protocol udp ip saddr set {host} notrack
             ip saddr {stands_in} icmp type destination-unreachable drop\n"
        );
    }
    format!(
        "table ip rough {{
           chain before {{ type filter hook prerouting priority raw;
             {before} }}
           chain past {{ type filter hook forward priority 0;
             iifname {BRIDGE} oifname {BRIDGE} tcp dport {closed} reject with tcp reset
           }}
           chain out {{ type filter hook output priority raw;
             {out} }}
         }}"
    )
}

/// The UDP datagram of an IP packet (RFC 791 section 3.1), without a checksum (RFC 768): it was one of
/// other addresses.
fn datagram(packet: &[u8]) -> Option<Vec<u8>> {
    let words = usize::from(packet.first()? & 0x0f);
    let mut datagram = packet.get(4 * words..)?.to_vec();
    datagram.get_mut(6..8)?.fill(0);
    Some(datagram)
}

impl Shared {
    fn receive(&self, to: usize, mut dice: Dice) {
        let mut buffer = vec![0; 65536];
        while !self.over.load(Ordering::Relaxed) {
            let (length, remote) = match self.ends[to].socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if is_pause(error.kind()) => continue,
                Err(_) => return,
            };
            let from = self.ends.iter().position(|end| remote.ip() == IpAddr::V4(end.host));
            if let (Some(from), Some(data)) = (from, datagram(&buffer[..length])) {
                self.on_datagram(from, to, data, &mut dice);
            }
        }
    }

    fn on_datagram(&self, from: usize, to: usize, data: Vec<u8>, dice: &mut Dice) {
        let weather = self.weather;
        if data.len() + HEADER > weather.mtu {
            return self.count(TOO_LARGE);
        }
        if dice.below(1000) < weather.lost {
            return self.count(LOST);
        }
        let jitter = weather.jitter.mul_f64(f64::from(dice.small()) / 256.0);
        let late = if dice.below(1000) < weather.late { 2 } else { 0 };
        let due = Instant::now() + weather.delay * (1 + late) + jitter;
        let mut queue = self.lock();
        queue.arrived += 1;
        let number = queue.arrived;
        // A queue as long as this is no network any more.
        if queue.waiting.len() < LONGEST {
            queue.waiting.push(Reverse(Waiting { due, number, from, to, data }));
        }
        drop(queue);
        self.more.notify_one();
    }

    fn hand_on(&self) {
        let mut queue = self.lock();
        while !self.over.load(Ordering::Relaxed) {
            let now = Instant::now();
            let due = queue.waiting.peek().map(|next| next.0.due);
            if due.is_some_and(|due| due <= now) {
                if let Some(Reverse(next)) = queue.waiting.pop() {
                    self.deliver(&mut queue, &next);
                }
                continue;
            }
            let pause = due.map_or(LOOK, |due| due - now).min(LOOK);
            let waited = self.more.wait_timeout(queue, pause);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn deliver(&self, queue: &mut Queue, next: &Waiting) {
        let last = queue.handed_on.entry((next.from, next.to)).or_default();
        if *last > next.number {
            self.count(OVERTAKEN);
        }
        *last = (*last).max(next.number);
        let target = SocketAddr::from((self.ends[next.to].host, 0));
        // A host that is not there is as good as a lost datagram.
        if self.ends[next.from].socket.send_to(&next.data, target).is_ok() {
            self.count(DELIVERED);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, fate: usize) {
        self.fates[fate].fetch_add(1, Ordering::Relaxed);
    }
}

/// An ICMP error of an earlier datagram is no end of the socket.
fn is_pause(kind: ErrorKind) -> bool {
    use ErrorKind::{ConnectionRefused, HostUnreachable, Interrupted, TimedOut, WouldBlock};
    matches!(kind, WouldBlock | TimedOut | ConnectionRefused | HostUnreachable | Interrupted)
}

const DELIVERED: usize = 0;
const LOST: usize = 1;
const OVERTAKEN: usize = 2;
const TOO_LARGE: usize = 3;

/// Bytes of IP.
const HEADER: usize = 20;

/// The last number of the first address that stands in for a host.
const FIRST_STAND_IN: u8 = 200;

/// Threads look at least as often whether the proxy is dropped.
const LOOK: Duration = Duration::from_millis(100);

/// Datagrams on the way at the same time.
const LONGEST: usize = 100_000;

/// Numbers from a seed (xorshift).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        // Small seeds begin with small numbers.
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn small(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}

/// So that two hosts of one segment send to each other through the router, not past it.
///
/// # Errors
/// What `ip` says.
pub(super) fn isolate(host: &Host, gateway: Ipv4Addr) -> Result<()> {
    let (namespace, address) = (host.namespace(), host.address());
    ip(&format!("-n {namespace} address flush dev eth0 scope global"))?;
    ip(&format!("-n {namespace} address add {address}/32 dev eth0"))?;
    ip(&format!("-n {namespace} route add {gateway} dev eth0"))?;
    ip(&format!("-n {namespace} route add default via {gateway}"))?;
    Ok(())
}
