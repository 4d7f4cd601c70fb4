//! Attach (section 6.5.1): what a request must hold, and who may answer at its candidates.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use reload_blackbox::Expect::{self, AnyError, Error};
use reload_blackbox::{Draft, Link, Row, Story, Tls, Via, World, wall};
use reload_identity::Credentials;
use reload_wire::{
    AttachReqAns, CandType, ErrorCode, FetchReq, IceCandidate, IpAddressPort, MessageCode,
    OverlayLinkType, ProbeReq,
};
use tokio::net::TcpListener;
use tokio::time::{Duration, timeout};

const INVALID: Expect = Error(ErrorCode::INVALID_MESSAGE);
const INCOMPATIBLE: Expect = Error(ErrorCode::INCOMPATIBLE_WITH_OVERLAY);
const FORBIDDEN: Expect = Error(ErrorCode::FORBIDDEN);
const LIMIT: Duration = Duration::from_secs(15);

/// One host candidate, TLS without ICE.
pub(crate) fn candidates(address: SocketAddr) -> Vec<IceCandidate> {
    vec![candidate(address, OverlayLinkType::TLS_TCP_FH_NO_ICE)]
}

fn candidate(address: SocketAddr, overlay_link: OverlayLinkType) -> IceCandidate {
    IceCandidate {
        addr_port: match address {
            SocketAddr::V4(v4) => IpAddressPort::V4(*v4.ip(), v4.port()),
            SocketAddr::V6(v6) => IpAddressPort::V6(*v6.ip(), v6.port()),
        },
        overlay_link,
        foundation: Bytes::from_static(b"1"),
        priority: 1,
        kind: CandType::Host,
        related: None,
        extensions: Vec::new(),
    }
}

fn request(candidates: Vec<IceCandidate>) -> AttachReqAns {
    AttachReqAns {
        ufrag: Bytes::new(),
        password: Bytes::new(),
        role: Bytes::from_static(b"passive"),
        candidates,
        send_update: false,
    }
}

fn with(world: &World, edit: impl FnOnce(&mut AttachReqAns)) -> Draft {
    let mut request = request(candidates(nowhere()));
    edit(&mut request);
    world.request(MessageCode::ATTACH_REQUEST, &request)
}

/// An address at which nobody answers; only for requests that are not taken.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// A good Attach, if somebody listened.
pub(crate) fn good(world: &World) -> Draft {
    with(world, |_| {})
}

pub(crate) fn without_candidates(world: &World) -> Draft {
    with(world, |request| request.candidates.clear())
}

fn of_types(world: &World, types: &[u8]) -> Draft {
    with(world, |request| {
        let types = types.iter().map(|kind| candidate(nowhere(), OverlayLinkType(*kind)));
        request.candidates = types.collect();
    })
}

/// Where the bytes of the only candidate begin: three texts, a length.
const CANDIDATE: usize = 1 + 1 + 8 + 2;
/// The type of its address.
const ADDRESS: usize = CANDIDATE;
/// Its own type: behind address (8), link type, foundation (2), priority (4).
const KIND: usize = CANDIDATE + 8 + 1 + 2 + 4;

/// A candidate of type 3 has a related address.
fn peer_reflexive(world: &World) -> Draft {
    with(world, |request| {
        request.candidates[0].kind = CandType::Srflx;
        request.candidates[0].related = Some(IpAddressPort::V4([127, 0, 0, 1].into(), 9));
    })
    .body(|body| body[KIND] = 3)
}

#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = &[
    // R6940-6.5.1.1-06
    Row::new("role active", INVALID, |w| with(w, |request| request.role = Bytes::from_static(b"active"))),
    Row::new("no role", INVALID, |w| with(w, |request| request.role = Bytes::new())),
    Row::new("role Passive", INVALID, |w| with(w, |request| request.role = Bytes::from_static(b"Passive"))),
    // R6940-6.5.1.1-10
    Row::new("no candidate", AnyError, without_candidates),
    Row::new("only link type 2", INCOMPATIBLE, |w| of_types(w, &[2])),
    Row::new("only link types that nobody knows", INCOMPATIBLE, |w| of_types(w, &[77, 200])),
    Row::new("only link type 0", INCOMPATIBLE, |w| of_types(w, &[0])),
    // R6940-6.5.1.1-09
    Row::new("with ICE and without", INVALID, |w| of_types(w, &[1, 4])),
    Row::new("only a candidate of type 3", INCOMPATIBLE, peer_reflexive),
    Row::new("candidate type 0", INVALID, |w| good(w).body(|body| body[KIND] = 0)),
    Row::new("candidate type 5", INVALID, |w| good(w).body(|body| body[KIND] = 5)),
    Row::new("candidate type 255", INVALID, |w| good(w).body(|body| body[KIND] = 255)),
    // R6940-6.3.1.1-09
    Row::new("address of an unknown type", INCOMPATIBLE, |w| good(w).body(|body| body[ADDRESS] = 7)),
    Row::new("address longer than its type", INVALID, |w| good(w).body(|body| body[ADDRESS + 1] = 7)),
    Row::new("send_update 2", INVALID, |w| good(w).body(|body| *body.last_mut().unwrap() = 2)),
    Row::new("several Node-IDs, Ping without Attach", Expect::Answer, |w| w.ping().by(&w.several))
        .over(Via::Several),
    // R6940-6.1.2-11
    Row::new("several Node-IDs, Fetch without Attach", FORBIDDEN, |w| {
        let resource = w.resource_of(&w.carol);
        w.request(MessageCode::FETCH_REQUEST, &FetchReq { resource, specifiers: Vec::new() }).by(&w.several)
    }).over(Via::Several),
    Row::new("several Node-IDs, Probe without Attach", FORBIDDEN, |w| {
        w.request(MessageCode::PROBE_REQUEST, &ProbeReq { requested_info: Vec::new() }).by(&w.several)
    }).over(Via::Several),
    Row::new("several Node-IDs, Store without Attach", FORBIDDEN, |w| crate::store::good(w).by(&w.several))
        .over(Via::Several),
    // R6940-6.1.2-12
    Row::new("several Node-IDs, a bad Attach", INVALID, |w| {
        with(w, |request| request.role = Bytes::new()).by(&w.several)
    }).over(Via::Several),
];

pub(crate) const STORIES: &[Story] = &[
    // R6940-6.5.1.13-02
    Story::new("the right node answers at the candidate", |w| Box::pin(right_node(w))),
    // R6940-6.5.1.13-04
    Story::new("another node answers at the candidate", |w| Box::pin(other_node(w))),
    Story::new("a node of another CA answers at the candidate", |w| Box::pin(other_ca(w))),
    Story::new("the connection at the candidate is closed at once", |w| Box::pin(nobody(w))),
];

/// Carol Attaches to alice, who is answered at the candidate by somebody.
async fn attach(world: &mut World) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let request = request(candidates(listener.local_addr()?));
    let answer = world.ask(world.request(MessageCode::ATTACH_REQUEST, &request)).await?;
    ensure!(answer.code == MessageCode::ATTACH_ANSWER, "answered with {}", answer.code);
    let answer: AttachReqAns = answer.decode()?;
    ensure!(answer.role == "active", "the role of the answer is {:?}", answer.role);
    ensure!(!answer.candidates.is_empty(), "no candidate in the answer");
    Ok(listener)
}

/// Alice dials; whether she stays with who answers. Who does shake hands learns of a refusal when
/// it reads.
async fn dialled(world: &mut World, who: &Credentials) -> Result<bool> {
    let listener = attach(world).await?;
    let (stream, _) = timeout(LIMIT, listener.accept()).await.context("alice does not dial")??;
    let tls = Tls::default();
    let seen = tls.seen();
    let Ok(stream) = timeout(LIMIT, tls.acceptor(who)?.accept(stream)).await? else {
        return Ok(false);
    };
    let shown = seen.certificate().context("alice shows no certificate")?;
    let now = wall();
    let shown = world.trust.check(&Bytes::from(shown), &[], now)?;
    ensure!(shown.node_id() == world.alice, "{} dials", shown.node_id());
    let mut link = Link::over(stream, seen);
    let alice = world.alice;
    Ok(world.lives(&mut link, Via::Carol, alice).await.is_ok())
}

async fn right_node(world: &mut World) -> Result<()> {
    let carol = world.carol.clone();
    ensure!(dialled(world, &carol).await?, "alice closes the link");
    lives_anew(world).await
}

async fn other_node(world: &mut World) -> Result<()> {
    let dave = world.dave.clone();
    ensure!(!dialled(world, &dave).await?, "alice stays with dave");
    lives_anew(world).await
}

async fn other_ca(world: &mut World) -> Result<()> {
    let mallory = world.people.other_ca.clone();
    ensure!(!dialled(world, &mallory).await?, "alice stays with mallory");
    lives_anew(world).await
}

async fn nobody(world: &mut World) -> Result<()> {
    let listener = attach(world).await?;
    drop(timeout(LIMIT, listener.accept()).await.context("alice does not dial")??);
    lives_anew(world).await
}

/// The link of carol works; a new one, since links come and go here.
async fn lives_anew(world: &mut World) -> Result<()> {
    let mut link = world.dial(&world.carol).await?;
    let alice = world.alice;
    world.lives(&mut link, Via::Carol, alice).await?;
    world.keep(link);
    Ok(())
}
