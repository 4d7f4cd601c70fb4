//! The media of calls: two relays with pipes in memory between them, and phones with real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reload_sip_proxy::{
    Leg, Media, MediaError, MediaMode, MediaSettings, MediaUse, MediaWay, Overlay, OverlayError,
    Path, Peer, Pipe, Purpose, Role,
};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use crate::overlay::{Net, TestOverlay};

const CALL: &str = "call@phones";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A relay and its phone.
struct Side {
    media: Media,
    overlay: Arc<TestOverlay>,
    phone: UdpSocket,
    rtcp: UdpSocket,
    leg: Leg,
}

impl Side {
    async fn new(net: &Arc<Net>, number: u8, role: Role, settings: MediaSettings) -> Self {
        let overlay = net.node("user", number);
        let media = Media::new(settings, overlay.clone());
        tokio::spawn(take_pipes(overlay.clone(), media.clone()));
        let (phone, rtcp) = rtp_phone().await;
        let leg = Leg {
            call_id: CALL.to_owned(),
            peer: overlay.node_id(),
            path: Some(Path {
                local: "192.168.1.5:6084".parse().unwrap(),
                remote: "198.51.100.6:6084".parse().unwrap(),
                is_direct: false,
            }),
            role,
            line: "1".to_owned(),
            phone: SocketAddr::new(HERE, 5060),
            local_ip: HERE,
        };
        Self { media, overlay, phone, rtcp, leg }
    }

    fn sdp(&self) -> String {
        sdp("127.0.0.1", &self.phone)
    }

    fn outward(&self, sdp: &str) -> String {
        String::from_utf8(self.media.outward(&self.leg, sdp.as_bytes()).unwrap()).unwrap()
    }

    fn inward(&self, sdp: &str) -> String {
        String::from_utf8(self.media.inward(&self.leg, sdp.as_bytes()).unwrap()).unwrap()
    }

    fn usage(&self) -> MediaUse {
        self.media.usage(CALL).unwrap()
    }
}

async fn take_pipes(overlay: Arc<TestOverlay>, media: Media) {
    while let Some((purpose, pipe)) = overlay.accept().await {
        assert_eq!(purpose, Purpose::Media);
        media.accepted(pipe);
    }
}

/// The sockets of a phone: RTP and, on the port above it, RTCP.
pub(crate) async fn rtp_phone() -> (UdpSocket, UdpSocket) {
    loop {
        let rtp = UdpSocket::bind((HERE, 0)).await.unwrap();
        let port = rtp.local_addr().unwrap().port();
        if let Ok(rtcp) = UdpSocket::bind((HERE, port.saturating_add(1))).await {
            return (rtp, rtcp);
        }
    }
}

pub(crate) fn sdp(ip: &str, phone: &UdpSocket) -> String {
    let port = phone.local_addr().unwrap().port();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )
}

/// Where an SDP sends the audio.
pub(crate) fn target(sdp: &str) -> SocketAddr {
    assert!(sdp.contains("m=audio"), "{sdp:?}");
    let word = |prefix: &str, number: usize| {
        let line = sdp.lines().find_map(|line| line.strip_prefix(prefix)).unwrap();
        line.split(' ').nth(number).unwrap()
    };
    SocketAddr::new(word("c=IN IP4", 1).parse().unwrap(), word("m=audio", 1).parse().unwrap())
}

pub(crate) fn above(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + 1)
}

/// Two sides, and where their phones have been told to send.
struct Call {
    caller: Side,
    callee: Side,
    to_callee: SocketAddr,
    to_caller: SocketAddr,
}

impl Call {
    async fn begin(net: &Arc<Net>) -> Self {
        let mut caller = Side::new(net, 1, Role::Caller, MediaSettings::default()).await;
        let mut callee = Side::new(net, 2, Role::Callee, MediaSettings::default()).await;
        std::mem::swap(&mut caller.leg.peer, &mut callee.leg.peer);
        let to_caller = target(&callee.inward(&caller.outward(&caller.sdp())));
        let to_callee = target(&caller.inward(&callee.outward(&callee.sdp())));
        Self { caller, callee, to_callee, to_caller }
    }

    /// Sound in both directions.
    async fn talk(&self) {
        reaches(&self.caller.phone, self.to_callee, &self.callee.phone, b"hello").await;
        reaches(&self.callee.phone, self.to_caller, &self.caller.phone, b"hi").await;
    }
}

/// Sends again until it comes: the first packets are lost while the pipe is being opened.
pub(crate) async fn reaches(
    from: &UdpSocket,
    to: SocketAddr,
    at: &UdpSocket,
    packet: &[u8],
) -> SocketAddr {
    let mut buffer = [0; 2000];
    for _ in 0..500 {
        from.send_to(packet, to).await.unwrap();
        let wait = Duration::from_millis(20);
        while let Ok(received) = timeout(wait, at.recv_from(&mut buffer)).await {
            let (length, source) = received.unwrap();
            if &buffer[..length] == packet {
                return source;
            }
        }
    }
    panic!("{} does not come through", String::from_utf8_lossy(packet));
}

/// Nothing of it comes.
async fn is_silent(at: &UdpSocket, packet: &[u8]) {
    let mut buffer = [0; 2000];
    let wait = Duration::from_millis(100);
    while let Ok(received) = timeout(wait, at.recv_from(&mut buffer)).await {
        assert_ne!(&buffer[..received.unwrap().0], packet);
    }
}

#[tokio::test]
async fn rtp_and_rtcp_go_both_ways_between_phones_that_see_their_own_proxy_only() {
    let net = Net::new();
    let call = Call::begin(&net).await;
    assert_eq!((call.to_callee.ip(), call.to_callee.port() % 2), (HERE, 0));
    assert_ne!(call.to_callee, call.callee.phone.local_addr().unwrap());
    call.talk().await;
    let (caller, callee) = (&call.caller, &call.callee);
    reaches(&caller.rtcp, above(call.to_callee), &callee.rtcp, b"report").await;
    let source = reaches(&callee.rtcp, above(call.to_caller), &caller.rtcp, b"answer").await;
    assert_eq!(source, above(call.to_callee), "what the phone sends to is what it hears from");

    assert_eq!(net.connects.load(Ordering::Relaxed), 1);
    let usage = caller.usage();
    assert_eq!(usage.way, MediaWay::Relayed);
    assert!(usage.sent.packets >= 2 && usage.received.packets >= 2, "{usage:?}");
    assert_eq!(usage.strangers, 0);
}

#[tokio::test]
async fn all_calls_of_two_nodes_share_one_pipe() {
    let net = Net::new();
    let mut call = Call::begin(&net).await;
    call.talk().await;
    call.caller.leg.call_id = "second".to_owned();
    call.callee.leg.call_id = "second".to_owned();
    let to_caller = target(&call.callee.inward(&call.caller.outward(&call.caller.sdp())));
    let to_callee = target(&call.caller.inward(&call.callee.outward(&call.callee.sdp())));
    assert_ne!((to_caller, to_callee), (call.to_caller, call.to_callee));
    (call.to_caller, call.to_callee) = (to_caller, to_callee);
    call.talk().await;
    assert_eq!(net.connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_phone_on_hold_hears_nothing_until_it_is_taken_back() {
    let net = Net::new();
    let call = Call::begin(&net).await;
    call.talk().await;
    let held = sdp("0.0.0.0", &call.callee.phone);
    assert!(call.caller.inward(&call.callee.outward(&held)).contains("c=IN IP4 0.0.0.0"));
    call.caller.phone.send_to(b"music", call.to_callee).await.unwrap();
    is_silent(&call.callee.phone, b"music").await;
    call.caller.inward(&call.callee.outward(&call.callee.sdp()));
    call.talk().await;
}

#[tokio::test]
async fn a_phone_that_moves_in_a_new_offer_is_followed() {
    let net = Net::new();
    let mut call = Call::begin(&net).await;
    call.talk().await;
    (call.caller.phone, call.caller.rtcp) = rtp_phone().await;
    let again = target(&call.callee.inward(&call.caller.outward(&call.caller.sdp())));
    assert_eq!(again, call.to_caller, "the other phone keeps its ports");
    reaches(&call.callee.phone, call.to_caller, &call.caller.phone, b"here").await;
    call.talk().await;
}

#[tokio::test]
async fn the_end_of_a_call_frees_its_ports() {
    let net = Net::new();
    let call = Call::begin(&net).await;
    call.talk().await;
    assert!(UdpSocket::bind(call.to_callee).await.is_err(), "the port is in use");
    call.caller.media.release("another call");
    assert!(UdpSocket::bind(call.to_callee).await.is_err(), "the port is in use");
    call.caller.media.release(CALL);
    call.callee.media.release_branch(&call.callee.leg);
    for port in [call.to_callee, call.to_caller] {
        for port in [port, above(port)] {
            is_free(port).await;
        }
    }
    assert_eq!(call.caller.media.usage(CALL), None);
    assert_eq!(call.callee.media.usage(CALL), None);
}

pub(crate) async fn is_free(port: SocketAddr) {
    for _ in 0..500 {
        if UdpSocket::bind(port).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{port} is not free");
}

#[tokio::test]
async fn packets_of_strangers_go_nowhere() {
    let net = Net::new();
    let call = Call::begin(&net).await;
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    stranger.send_to(b"spam", call.to_callee).await.unwrap();
    call.talk().await;
    stranger.send_to(b"spam", call.to_callee).await.unwrap();
    is_silent(&call.callee.phone, b"spam").await;
    call.talk().await;
    assert_eq!(call.caller.usage().strangers, 2);
}

#[tokio::test]
async fn media_goes_on_over_a_new_pipe_when_one_breaks() {
    let net = Net::new();
    let call = Call::begin(&net).await;
    call.talk().await;
    // Pipes above the bound push out the oldest: here the one that carries the call.
    for _ in 0..3 {
        drop(call.callee.overlay.pipe_to(call.callee.leg.peer, Purpose::Media).unwrap());
    }
    call.talk().await;
}

/// A pipe that takes short datagrams only.
struct Narrow(Box<dyn Pipe>);

#[async_trait]
impl Pipe for Narrow {
    fn peer(&self) -> &Arc<Peer> {
        self.0.peer()
    }

    fn mtu(&self) -> usize {
        100
    }

    fn path(&self) -> Option<Path> {
        self.0.path()
    }

    async fn send(&self, datagram: Bytes) -> Result<(), OverlayError> {
        self.0.send(datagram).await
    }

    async fn recv(&self) -> Option<Bytes> {
        self.0.recv().await
    }
}

/// A relay, and another node that is played by hand over the pipe.
struct ByHand {
    side: Side,
    pipe: Box<dyn Pipe>,
    to_far: SocketAddr,
    token: [u8; 4],
}

const FAR_TOKEN: [u8; 4] = [0, 0, 0, 0xb];

impl ByHand {
    async fn begin(net: &Arc<Net>) -> Self {
        let far = net.node("far", 2);
        let side = {
            let mut side = Side::new(net, 1, Role::Caller, MediaSettings::default()).await;
            side.leg.peer = far.node_id();
            side
        };
        let offer = side.outward(&side.sdp());
        let (purpose, pipe) = far.accept().await.unwrap();
        assert_eq!(purpose, Purpose::Media);
        let token = offer.lines().find_map(|line| line.strip_prefix("a=reload-relay:1 ")).unwrap();
        let token = token.strip_suffix(" needed").expect("behind a NAT it is needed");
        let token = u32::from_str_radix(token, 16).unwrap().to_be_bytes();
        let answer = "v=0\r\nc=IN IP4 10.0.0.7\r\na=reload-relay:1 0000000b needed\r\n\
            m=audio 7078 RTP/AVP 0\r\n";
        let to_far = target(&side.inward(answer));
        Self { side, pipe, to_far, token }
    }

    fn datagram(&self, stream: u8, packet: &[u8]) -> Bytes {
        [&[1, stream][..], &self.token, &FAR_TOKEN, packet].concat().into()
    }
}

#[tokio::test]
async fn datagrams_on_the_pipe_are_as_they_are_described() {
    let net = Net::new();
    let call = ByHand::begin(&net).await;
    let mut wanted = Vec::new();
    for (socket, to, stream) in
        [(&call.side.phone, call.to_far, 0), (&call.side.rtcp, above(call.to_far), 1)]
    {
        socket.send_to(b"abc", to).await.unwrap();
        wanted.extend([&[1, stream][..], &FAR_TOKEN, &call.token, b"abc"].concat());
        assert_eq!(call.pipe.recv().await.unwrap(), wanted);
        wanted.clear();
    }
    call.pipe.send(call.datagram(1, b"xyz")).await.unwrap();
    let mut buffer = [0; 100];
    let (length, from) = call.side.rtcp.recv_from(&mut buffer).await.unwrap();
    assert_eq!((&buffer[..length], from), (&b"xyz"[..], above(call.to_far)));
}

#[tokio::test]
async fn datagrams_of_other_nodes_and_other_calls_go_nowhere() {
    let net = Net::new();
    let call = ByHand::begin(&net).await;
    call.side.phone.send_to(b"hello", call.to_far).await.unwrap();
    call.pipe.recv().await.unwrap();
    let stranger = net.node("stranger", 3);
    let other = stranger.pipe_to(call.side.overlay.node_id(), Purpose::Media).unwrap();
    other.send(call.datagram(0, b"spam")).await.unwrap();
    for position in [0, 1, 2, 6] {
        let mut wrong = call.datagram(0, b"spam").to_vec();
        wrong[position] ^= 0x10;
        call.pipe.send(wrong.into()).await.unwrap();
    }
    call.pipe.send(Bytes::from_static(b"\x01")).await.unwrap();
    call.pipe.send(call.datagram(0, b"")).await.unwrap();
    call.pipe.send(call.datagram(0, b"true")).await.unwrap();
    let mut buffer = [0; 100];
    let (length, _) = call.side.phone.recv_from(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..length], b"true");
    is_silent(&call.side.phone, b"spam").await;
    assert_eq!(call.side.usage().received.packets, 1);
}

#[tokio::test]
async fn a_packet_that_does_not_fit_is_lost_and_counted() {
    let net = Net::new();
    let call = ByHand::begin(&net).await;
    let far = net.node("far", 2);
    let near = net.node("near", 1);
    let pipe = far.pipe_to(near.node_id(), Purpose::Media).unwrap();
    let (_, accepted) = near.accept().await.unwrap();
    call.side.media.accepted(Box::new(Narrow(accepted)));
    // 100 bytes less the header of 10.
    call.side.phone.send_to(&[7; 91], call.to_far).await.unwrap();
    call.side.phone.send_to(&[7; 90], call.to_far).await.unwrap();
    assert_eq!(pipe.recv().await.unwrap().len(), 100);
    let sent = call.side.usage().sent;
    assert_eq!((sent.packets, sent.bytes, sent.lost), (1, 90, 1));
}

#[tokio::test(start_paused = true)]
async fn the_pipe_is_closed_when_the_last_call_has_ended() {
    let net = Net::new();
    let call = ByHand::begin(&net).await;
    sleep(Duration::from_secs(60)).await;
    let recv = timeout(Duration::from_millis(1), call.pipe.recv()).await;
    assert!(recv.is_err(), "it is kept while the call lasts");
    call.side.media.release(CALL);
    let recv = timeout(Duration::from_secs(60), call.pipe.recv()).await;
    assert_eq!(recv, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn the_side_that_only_follows_opens_a_pipe_when_the_other_does_not() {
    let net = Net::new();
    let far = net.node("far", 2);
    let mut side = Side::new(&net, 1, Role::Callee, MediaSettings::default()).await;
    side.leg.peer = far.node_id();
    let offer = "v=0\r\nc=IN IP4 10.0.0.7\r\na=reload-relay:1 0000000b needed\r\n\
        m=audio 7078 RTP/AVP 0\r\n";
    let to_far = target(&side.inward(offer));
    side.outward(&side.sdp());
    let start = tokio::time::Instant::now();
    let pipe = async { far.accept().await.unwrap() };
    let sound = async {
        loop {
            side.phone.send_to(b"hello", to_far).await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = pipe => {}
        () = sound => {}
    }
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(4), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nothing_is_heard_of_ends() {
    let net = Net::new();
    let call = ByHand::begin(&net).await;
    sleep(Duration::from_secs(1700)).await;
    assert!(call.side.media.usage(CALL).is_some());
    sleep(Duration::from_secs(200)).await;
    assert_eq!(call.side.media.usage(CALL), None);
}

#[tokio::test]
async fn a_full_relay_says_so_and_keeps_nothing_of_the_call() {
    let net = Net::new();
    let settings = MediaSettings { pairs: 1, ..MediaSettings::default() };
    let mut side = Side::new(&net, 1, Role::Callee, settings).await;
    let offer = "v=0\r\nc=IN IP4 10.0.0.7\r\na=reload-relay:1 0000000b needed\r\n\
        m=audio 7078 RTP/AVP 0\r\n";
    side.inward(offer);
    side.leg.call_id = "second".to_owned();
    let error = side.media.inward(&side.leg, offer.as_bytes()).unwrap_err();
    assert!(matches!(error, MediaError::Full));
    assert_eq!(error.status(), 503);
    assert_eq!(side.media.usage("second"), None);
    side.media.release(CALL);
    for _ in 0..500 {
        if side.media.inward(&side.leg, offer.as_bytes()).is_ok() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the room is not given back");
}

#[tokio::test]
async fn mode_direct_touches_no_sdp() {
    let net = Net::new();
    let settings = MediaSettings { mode: MediaMode::Direct, ..MediaSettings::default() };
    let side = Side::new(&net, 1, Role::Caller, settings).await;
    let offer = side.sdp().replace("m=", "a=reload-relay:1 0000000b needed\r\nm=");
    assert_eq!(side.outward(&offer), offer);
    assert_eq!(side.inward(&offer), offer);
    assert_eq!(side.media.usage(CALL), None);
}
