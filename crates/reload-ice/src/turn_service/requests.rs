//! Allocate, Refresh, CreatePermission and ChannelBind (RFC 8656 sections 7, 8, 10 and 12).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stun_types::attribute::{
    AttributeType, ErrorCode, Fingerprint, MessageIntegrity, Nonce, RawAttribute, Realm,
    UnknownAttributes, Username, XorMappedAddress,
};
use stun_types::message::{Message, Method, TransactionId};
use stun_types::prelude::{Attribute, AttributeFromRaw, AttributeStaticType};
use turn_client_proto::types::AddressFamily;
use turn_client_proto::types::attribute::{
    ChannelNumber, EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport,
    ReservationToken, XorPeerAddress, XorRelayedAddress,
};
use turn_client_proto::types::message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH};

use super::allocation::{Allocation, BindRefusal};
use super::peers::may_relay;
use super::{RelaySocket, TurnOutput, TurnService, reply};
use crate::binding::{exact, plain};

/// An Allocate request whose socket is being opened.
#[derive(Debug)]
pub(crate) struct Waiting {
    client: SocketAddr,
    user: String,
    lifetime: Duration,
    request: Bytes,
}

impl TurnService {
    /// The socket is open at this address, which peers can reach; or it could not be opened.
    pub fn handle_allocated(
        &mut self,
        now: Instant,
        socket: RelaySocket,
        address: Option<SocketAddr>,
    ) {
        let Some(it) = self.waiting.remove(&socket) else { return };
        let Some(request) = exact(&it.request) else { return };
        let id = request.transaction_id();
        let answer = address.and_then(|address| {
            let lifetime = Lifetime::new(seconds(it.lifetime));
            let relayed = XorRelayedAddress::new(plain(address), id);
            let mapped = XorMappedAddress::new(it.client, id);
            reply::success(&self.users, &it.user, &request, &[&relayed, &lifetime, &mapped])
        });
        let Some(answer) = answer else {
            self.outputs.push_back(TurnOutput::CloseSocket(socket));
            return self.refuse(it.client, &it.user, &request, ErrorCode::INSUFFICIENT_CAPACITY);
        };
        let (expires, made_by) = (now + it.lifetime, (id, answer.clone()));
        let made = Allocation::new(it.user, socket, expires, made_by);
        self.allocations.insert(it.client, made);
        self.clients.insert(socket, it.client);
        self.schedule();
        self.outputs.push_back(TurnOutput::ToClient { remote: it.client, data: answer });
    }

    pub(super) fn on_request(&mut self, now: Instant, client: SocketAddr, request: &Message<'_>) {
        let method = request.method();
        if ![ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&method) {
            return;
        }
        let user = match self.users.authenticate(now, client, request) {
            Ok(user) => user,
            Err(code) => {
                let data = reply::challenge(&self.users, now, client, request, code);
                return self.answer(client, data);
            }
        };
        if let Some(unknown) = unknown_attributes(request) {
            let code = ErrorCode::UNKNOWN_ATTRIBUTE;
            let data = reply::refusal(&self.users, &user, request, code, Some(&unknown));
            return self.answer(client, data);
        }
        if method == ALLOCATE {
            return self.on_allocate(now, client, user, request);
        }
        let code = match self.allocations.get(&client) {
            None => Some(ErrorCode::ALLOCATION_MISMATCH),
            Some(it) if it.user != user => Some(ErrorCode::WRONG_CREDENTIALS),
            Some(_) => self.on_known(now, client, &user, method, request).err(),
        };
        if let Some(code) = code {
            self.refuse(client, &user, request, code);
        }
    }

    /// RFC 8656 section 7.2, in its order.
    fn on_allocate(
        &mut self,
        now: Instant,
        client: SocketAddr,
        user: String,
        request: &Message<'_>,
    ) {
        if self.waiting.values().any(|it| it.client == client) {
            return; // it will be answered when the socket is open
        }
        if let Some(it) = self.allocations.get(&client) {
            if it.made_by.0 == request.transaction_id() && it.user == user {
                let data = it.made_by.1.clone();
                return self.answer(client, Some(data));
            }
            return self.refuse(client, &user, request, ErrorCode::ALLOCATION_MISMATCH);
        }
        if let Err(code) = self.may_allocate(&user, request) {
            return self.refuse(client, &user, request, code);
        }
        let lifetime = self.lifetime(now, &user, request);
        self.last_socket += 1;
        let socket = RelaySocket(self.last_socket);
        let request = Bytes::copy_from_slice(request.as_bytes());
        self.waiting.insert(socket, Waiting { client, user, lifetime, request });
        self.outputs.push_back(TurnOutput::AllocateSocket(socket));
    }

    fn may_allocate(&self, user: &str, request: &Message<'_>) -> Result<(), u16> {
        let transport = request.attribute::<RequestedTransport>();
        let transport = transport.map_err(|_| ErrorCode::BAD_REQUEST)?;
        if transport.protocol() != RequestedTransport::UDP {
            return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL);
        }
        let pairs = [EvenPort::TYPE, ReservationToken::TYPE];
        if pairs.iter().any(|it| request.has_attribute(*it)) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY); // pairs of ports are not to be had here
        }
        if self.requested_family(request)? != self.family() {
            return Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
        }
        let own = self.allocations.values().filter(|it| it.user == user).count()
            + self.waiting.values().filter(|it| it.user == user).count();
        if own >= self.quotas.allocations_per_user {
            return Err(ErrorCode::ALLOCATION_QUOTA_REACHED);
        }
        if self.allocations.len() + self.waiting.len() >= self.quotas.allocations {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        Ok(())
    }

    fn on_known(
        &mut self,
        now: Instant,
        client: SocketAddr,
        user: &str,
        method: Method,
        request: &Message<'_>,
    ) -> Result<(), u16> {
        match method {
            REFRESH => self.on_refresh(now, client, user, request),
            CREATE_PERMISSION => self.on_create_permission(now, client, user, request),
            _ => self.on_channel_bind(now, client, user, request),
        }
    }

    /// RFC 8656 section 8.2.
    fn on_refresh(
        &mut self,
        now: Instant,
        client: SocketAddr,
        user: &str,
        request: &Message<'_>,
    ) -> Result<(), u16> {
        let named = request.has_attribute(RequestedAddressFamily::TYPE);
        if named && self.requested_family(request)? != self.family() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        let ends = request.attribute::<Lifetime>().is_ok_and(|it| it.seconds() == 0);
        let lifetime = if ends { Duration::ZERO } else { self.lifetime(now, user, request) };
        let answer = Lifetime::new(seconds(lifetime));
        let data = reply::success(&self.users, user, request, &[&answer]);
        self.answer(client, data);
        if ends {
            self.remove(client);
        } else if let Some(it) = self.allocations.get_mut(&client) {
            it.expires = now + lifetime;
        }
        Ok(())
    }

    /// RFC 8656 section 10.2.
    fn on_create_permission(
        &mut self,
        now: Instant,
        client: SocketAddr,
        user: &str,
        request: &Message<'_>,
    ) -> Result<(), u16> {
        let id = request.transaction_id();
        let mut peers = Vec::new();
        for (_, attribute) in request.iter_attributes() {
            if attribute.get_type() == XorPeerAddress::TYPE {
                peers.push(self.peer(&attribute, id)?.ip());
            }
        }
        if peers.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        self.permit(now, client, &peers)?;
        let data = reply::success(&self.users, user, request, &[]);
        self.answer(client, data);
        Ok(())
    }

    /// RFC 8656 section 12.2.
    fn on_channel_bind(
        &mut self,
        now: Instant,
        client: SocketAddr,
        user: &str,
        request: &Message<'_>,
    ) -> Result<(), u16> {
        let number = request.attribute::<ChannelNumber>().map_err(|_| ErrorCode::BAD_REQUEST)?;
        let peer = request.raw_attribute(XorPeerAddress::TYPE).ok_or(ErrorCode::BAD_REQUEST)?;
        let peer = self.peer(&peer, request.transaction_id())?;
        if !CHANNELS.contains(&number.channel()) {
            return Err(ErrorCode::BAD_REQUEST);
        }
        let most = self.quotas.channels;
        let it = self.allocations.get_mut(&client).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        it.bind(now, number.channel(), peer, most).map_err(|it| match it {
            BindRefusal::Conflict => ErrorCode::BAD_REQUEST,
            BindRefusal::Full => ErrorCode::INSUFFICIENT_CAPACITY,
        })?;
        self.permit(now, client, &[peer.ip()])?;
        let data = reply::success(&self.users, user, request, &[]);
        self.answer(client, data);
        Ok(())
    }

    fn permit(&mut self, now: Instant, client: SocketAddr, peers: &[IpAddr]) -> Result<(), u16> {
        let most = self.quotas.permissions;
        let it = self.allocations.get_mut(&client).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        it.permit(now, peers, most).then_some(()).ok_or(ErrorCode::INSUFFICIENT_CAPACITY)
    }

    fn peer(&self, attribute: &RawAttribute<'_>, id: TransactionId) -> Result<SocketAddr, u16> {
        let peer = XorPeerAddress::from_raw_ref(attribute).map_err(|_| ErrorCode::BAD_REQUEST)?;
        let peer = plain(peer.addr(id));
        if peer.is_ipv4() != self.address.is_ipv4() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        may_relay(peer.ip(), &self.quotas).then_some(peer).ok_or(ErrorCode::FORBIDDEN)
    }

    /// What is asked for, at most the quota, and not beyond the user's own time.
    fn lifetime(&self, now: Instant, user: &str, request: &Message<'_>) -> Duration {
        let asked = request.attribute::<Lifetime>().map(|it| it.seconds());
        let asked = asked.map_or(self.quotas.lifetime, |it| Duration::from_secs(u64::from(it)));
        let left = self.users.expires(user).map(|it| it.saturating_duration_since(now));
        asked.min(self.quotas.lifetime).min(left.unwrap_or_default())
    }

    fn requested_family(&self, request: &Message<'_>) -> Result<AddressFamily, u16> {
        if !request.has_attribute(RequestedAddressFamily::TYPE) {
            return Ok(AddressFamily::IPV4); // RFC 8656 section 7.2
        }
        let family = request.attribute::<RequestedAddressFamily>();
        family.map(|it| it.family()).map_err(|_| ErrorCode::BAD_REQUEST)
    }

    fn family(&self) -> AddressFamily {
        if self.address.is_ipv4() { AddressFamily::IPV4 } else { AddressFamily::IPV6 }
    }

    fn refuse(&mut self, client: SocketAddr, user: &str, request: &Message<'_>, code: u16) {
        let data = reply::refusal(&self.users, user, request, code, None);
        self.answer(client, data);
    }

    fn answer(&mut self, remote: SocketAddr, data: Option<Bytes>) {
        if let Some(data) = data {
            self.outputs.push_back(TurnOutput::ToClient { remote, data });
        }
    }
}

/// Those that have to be understood and are not: DONT-FRAGMENT too, as sockets do not set the bit here
/// (RFC 8656 section 7.2).
fn unknown_attributes(request: &Message<'_>) -> Option<UnknownAttributes> {
    let known = [
        Username::TYPE,
        Realm::TYPE,
        Nonce::TYPE,
        MessageIntegrity::TYPE,
        Fingerprint::TYPE,
        RequestedTransport::TYPE,
        RequestedAddressFamily::TYPE,
        Lifetime::TYPE,
        EvenPort::TYPE,
        ReservationToken::TYPE,
        ChannelNumber::TYPE,
        XorPeerAddress::TYPE,
    ];
    let types = request.iter_attributes().map(|(_, it)| it.get_type());
    let unknown: Vec<AttributeType> =
        types.filter(|it| it.comprehension_required() && !known.contains(it)).collect();
    (!unknown.is_empty()).then(|| UnknownAttributes::new(&unknown))
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}

const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff; // RFC 8656 section 12
