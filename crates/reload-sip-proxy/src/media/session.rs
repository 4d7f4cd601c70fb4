//! One branch of a call: a phone here and the proxy of another node. It decides once how the media goes and
//! stays with that, since phones keep the addresses they were given. No sockets: places are opened by the
//! caller. Whether an SDP is an offer or an answer does not matter to it (see `outward` and `inward`), so
//! re-INVITE, UPDATE, PRACK, offers in 2xx and answers in ACK are all the same.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reload_wire::NodeId;
use tokio::time::Instant;

use super::attribute::{Need, RelayAttribute, Token};
use super::counters::{Counters, MediaWay};
use super::reach::{is_address_reached, is_reached, is_split};
use super::sdp::{MediaAddress, Places, Ports, Sdp};
use super::{Leg, MediaError, Role};
use crate::MediaMode;

/// The state of a branch.
#[derive(Debug)]
pub(super) struct Session<P> {
    pub(super) peer: NodeId,
    role: Role,
    line: String,
    /// Where it takes datagrams.
    pub(super) token: Token,
    way: Way,
    /// Whether this node opens the media pipe: the one that first said that media has to be carried.
    opens: bool,
    sip: SocketAddr,
    phone: Vec<MediaAddress>,
    ends: Vec<End<P>>,
    pub(super) counters: Arc<Counters>,
    last: Activity,
}

/// What the other proxy named with a token of its own: each phone that it forked the call to has one.
#[derive(Debug)]
struct End<P> {
    token: Token,
    at: IpAddr,
    places: BTreeMap<usize, P>,
}

/// A pair of ports that faces the phone, in the place of the other phone.
pub(super) trait Place {
    /// RTP and RTCP.
    fn ports(&self) -> Ports;

    /// Where the phone is: its SIP, and what its SDP says of this media.
    fn aim(&self, sip: IpAddr, media: Option<&MediaAddress>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing is decided.
    New,
    /// This side has said that it can carry the media; the other has not answered.
    Offered(Need),
    /// Both sides carry it.
    Relayed,
    /// The phones send it to each other.
    Direct,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    at: Instant,
    packets: u64,
}

impl<P: Place> Session<P> {
    pub(super) fn new(leg: &Leg, token: Token, now: Instant) -> Self {
        Self {
            peer: leg.peer,
            role: leg.role,
            line: leg.line.clone(),
            token,
            way: Way::New,
            opens: false,
            sip: leg.phone,
            phone: Vec::new(),
            ends: Vec::new(),
            counters: Arc::default(),
            last: Activity { at: now, packets: 0 },
        }
    }

    /// Whether it is the branch of a leg: several phones may ring, but one has called.
    pub(super) fn is_of(&self, leg: &Leg) -> bool {
        self.is_beside(leg) && (self.role == Role::Caller || self.line == leg.line)
    }

    /// Whether it may be the branch of a leg that goes by another name: the phone is where it was.
    pub(super) fn is_at(&self, leg: &Leg) -> bool {
        self.is_beside(leg) && self.sip == leg.phone
    }

    /// Whether it is a branch of the same side with the same node.
    pub(super) fn is_beside(&self, leg: &Leg) -> bool {
        self.peer == leg.peer && self.role == leg.role
    }

    /// The phone has written an SDP. Gives what it is to say to the other proxy. The first one is an offer,
    /// unless an SDP of the other side has come before and decided.
    pub(super) fn outward(
        &mut self,
        mode: MediaMode,
        leg: &Leg,
        sdp: &Sdp<'_>,
    ) -> Option<RelayAttribute> {
        let media = sdp.media();
        if self.way == Way::New && media.iter().any(|media| media.carried) {
            self.way = match offer(mode, leg, sdp, &media) {
                Some(need) => Way::Offered(need),
                None => Way::Direct,
            };
            self.opens = self.way == Way::Offered(Need::Needed);
        }
        self.sip = leg.phone;
        self.phone = media;
        self.aim();
        let need = match self.way {
            Way::Offered(need) => need,
            Way::Relayed => Need::Needed,
            Way::New | Way::Direct => return None,
        };
        Some(RelayAttribute { token: self.token, need })
    }

    /// The other side has written an SDP. Gives the ports that the phone is to see instead of those in it;
    /// none if the media does not go through here. The first one is an offer unless this side has made one.
    pub(super) fn inward(
        &mut self,
        mode: MediaMode,
        leg: &Leg,
        sdp: &Sdp<'_>,
        open: impl FnMut(Token, usize) -> Result<P, MediaError>,
    ) -> Result<Option<Places>, MediaError> {
        let media = sdp.media();
        let Some(relay) = sdp.relay() else {
            if !matches!(self.way, Way::Relayed) {
                self.way = Way::Direct;
            }
            return Ok(None);
        };
        let is_followed = match self.way {
            Way::Direct => false,
            Way::Offered(_) | Way::Relayed => true,
            Way::New => follows(mode, leg, relay.need, &media),
        };
        if !is_followed {
            self.way = Way::Direct;
            return Ok(None);
        }
        let places = self.place(relay.token, leg, &media, open)?;
        self.opens |= self.way == Way::New && relay.need == Need::Possible;
        self.way = Way::Relayed;
        self.aim();
        Ok(Some(places))
    }

    /// Whether nothing has been decided.
    pub(super) fn is_new(&self) -> bool {
        self.way == Way::New
    }

    /// Whether it has to do with a media pipe, and if so, whether this node opens it.
    pub(super) fn pipe(&self) -> Option<bool> {
        matches!(self.way, Way::Offered(Need::Needed) | Way::Relayed).then_some(self.opens)
    }

    /// The ports that stand for one media description of a phone of the other side.
    pub(super) fn find(&self, from: Token, line: u8) -> Option<&P> {
        let end = self.ends.iter().find(|end| end.token == from)?;
        end.places.get(&usize::from(line))
    }

    pub(super) fn way(&self) -> MediaWay {
        match self.way {
            Way::New | Way::Offered(_) => MediaWay::Offered,
            Way::Relayed => MediaWay::Relayed,
            Way::Direct => MediaWay::Direct,
        }
    }

    pub(super) fn touch(&mut self, now: Instant) {
        self.last.at = now;
    }

    /// Since when there was no SIP and no packet, as far as this has been asked before.
    pub(super) fn idle_since(&mut self, now: Instant) -> Instant {
        let packets = self.counters.packets();
        if packets != self.last.packets {
            self.last = Activity { at: now, packets };
        }
        self.last.at
    }

    fn place(
        &mut self,
        from: Token,
        leg: &Leg,
        media: &[MediaAddress],
        mut open: impl FnMut(Token, usize) -> Result<P, MediaError>,
    ) -> Result<Places, MediaError> {
        let index = match self.ends.iter().position(|end| end.token == from) {
            Some(index) => index,
            None if self.ends.len() >= MAX_ENDS => return Err(MediaError::Full),
            None => {
                let end = End { token: from, at: leg.local_ip, places: BTreeMap::new() };
                self.ends.push(end);
                self.ends.len() - 1
            }
        };
        let end = &mut self.ends[index];
        let mut ports = BTreeMap::new();
        for (line, _) in media.iter().enumerate().take(MAX_LINES).filter(|(_, m)| m.carried) {
            let place = match end.places.entry(line) {
                std::collections::btree_map::Entry::Occupied(place) => place.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => free.insert(open(from, line)?),
            };
            ports.insert(line, place.ports());
        }
        Ok(Places { at: end.at, ports })
    }

    fn aim(&self) {
        for end in &self.ends {
            for (&line, place) in &end.places {
                place.aim(self.sip.ip(), self.phone.get(line).filter(|media| media.carried));
            }
        }
    }
}

/// What the first SDP of a phone says about relaying, if anything.
fn offer(mode: MediaMode, leg: &Leg, sdp: &Sdp<'_>, media: &[MediaAddress]) -> Option<Need> {
    match mode {
        MediaMode::Direct => None,
        MediaMode::Relay => Some(Need::Needed),
        // The phone looks for a way itself.
        MediaMode::Auto if sdp.has_candidates() => None,
        MediaMode::Auto if is_reached(media, leg.path.as_ref()) => Some(Need::Possible),
        MediaMode::Auto => Some(Need::Needed),
    }
}

/// Whether this side carries the media that another offers to carry.
fn follows(mode: MediaMode, leg: &Leg, need: Need, media: &[MediaAddress]) -> bool {
    match (mode, need) {
        (MediaMode::Direct, _) => false,
        (MediaMode::Relay, _) | (MediaMode::Auto, Need::Needed) => true,
        // The SDP of this phone is still to come: its address is that of its SIP, as far as is known.
        (MediaMode::Auto, Need::Possible) => {
            let phone = leg.phone.ip();
            !is_address_reached(phone, leg.path.as_ref()) || is_split(media, phone)
        }
    }
}

/// Forks of one call at one other node.
const MAX_ENDS: usize = 8;
/// Media descriptions that are carried in one SDP; those behind stay as they are.
const MAX_LINES: usize = 8;

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
