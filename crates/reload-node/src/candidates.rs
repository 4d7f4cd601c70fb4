//! Which candidates an overlay uses: it is all ICE or all No-ICE, by its configuration (sections
//! 6.5.1.1 and 6.5.1.5). What ICE does with them is not here.

use std::cmp::Reverse;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::StdRng;
use reload_config::Configuration;
use reload_wire::{CandType, ErrorCode, IceCandidate, OverlayLinkType};

use crate::{DialAddress, Gathering, IceGathering, LinkPurpose, Way};

/// How long a link may take to come up once both sides have agreed on it.
pub(crate) const FORMING: Duration = Duration::from_secs(10);

/// The same with ICE, where pairs are tried one after the other and relays come last.
const FORMING_BY_ICE: Duration = Duration::from_secs(15);

/// The driver gives up at the deadline of a plan, and knows what was tried: it speaks first.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Addresses dialled for one Attach, so that none makes this node search a network.
const ADDRESSES: usize = 8;

/// The same with ICE, where each interface and each relay of the other side is a candidate.
const CANDIDATES: usize = 16;

/// The least characters of a user name fragment and of a password (RFC 8445, 5.3).
const SHORTEST: (usize, usize) = (4, 22);

/// An error code and a text for people.
pub(crate) type Refused = (ErrorCode, &'static str);

/// The two kinds of overlays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ice,
    NoIce,
}

/// Our side of an Attach or AppAttach.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) family: Family,
    pub(crate) ufrag: Bytes,
    pub(crate) password: Bytes,
}

/// What the other side of an Attach or AppAttach says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered<'a> {
    pub(crate) ufrag: &'a Bytes,
    pub(crate) password: &'a Bytes,
    pub(crate) candidates: &'a [IceCandidate],
}

impl Family {
    pub(crate) fn of(configuration: &Configuration) -> Self {
        if configuration.no_ice { Self::NoIce } else { Self::Ice }
    }

    /// Whether a node can be sure of the other end of a link for this purpose.
    pub(crate) fn assures(self, purpose: LinkPurpose) -> bool {
        self == Self::Ice || !purpose.is_bound_by_ice()
    }

    const fn links(self) -> &'static [OverlayLinkType] {
        match self {
            // E53: no other link type has ICE
            Self::Ice => &[OverlayLinkType::DTLS_UDP_SR],
            Self::NoIce => {
                &[OverlayLinkType::TLS_TCP_FH_NO_ICE, OverlayLinkType::DTLS_UDP_SR_NO_ICE]
            }
        }
    }

    fn has(self, candidate: &IceCandidate) -> bool {
        self.links().contains(&candidate.overlay_link)
    }

    const fn other(self) -> Self {
        match self {
            Self::Ice => Self::NoIce,
            Self::NoIce => Self::Ice,
        }
    }

    /// Why a node without candidates sends no Attach.
    pub(crate) const fn unreachable(self) -> &'static str {
        match self {
            Self::Ice => "the overlay uses ICE, and this node has no candidate for it",
            Self::NoIce => "this node cannot be dialled",
        }
    }

    /// How long a link may take.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Self::Ice => FORMING_BY_ICE,
            Self::NoIce => FORMING,
        }
    }

    /// What of our own candidates may be said in this overlay.
    pub(crate) fn keep(self, mut candidates: Vec<IceCandidate>) -> Vec<IceCandidate> {
        candidates.retain(|candidate| self.has(candidate) && candidate.kind != CandType::Prflx);
        candidates
    }

    /// The way to the sender of an Attach, or why there is none.
    pub(crate) fn way(self, offered: Offered<'_>) -> Result<Way, Refused> {
        self.review(offered.candidates)?;
        let usable = self.usable(offered.candidates);
        if usable.is_empty() {
            let text = "no candidate of a link type that this overlay uses";
            return Err((ErrorCode::INCOMPATIBLE_WITH_OVERLAY, text));
        }
        match self {
            Self::NoIce => Ok(Way::Dial(addresses(&usable))),
            Self::Ice => ice(offered, usable),
        }
    }

    /// What must not be in a request or in an answer.
    pub(crate) fn review(self, candidates: &[IceCandidate]) -> Result<(), Refused> {
        let any = |family: Self| candidates.iter().any(|candidate| family.has(candidate));
        match (any(self), any(self.other())) {
            (true, true) => {
                let text = "candidates with ICE and without (6.5.1.1)";
                Err((ErrorCode::INVALID_MESSAGE, text))
            }
            (false, true) => {
                let text = match self {
                    Self::Ice => "this overlay uses ICE",
                    Self::NoIce => "this overlay does not use ICE",
                };
                Err((ErrorCode::INCOMPATIBLE_WITH_OVERLAY, text))
            }
            (_, false) => Ok(()),
        }
    }

    /// The candidates that can be tried, best first. Those of unknown link types do not count (E53),
    /// nor do those of the reserved type 3 (E54).
    fn usable(self, candidates: &[IceCandidate]) -> Vec<&IceCandidate> {
        let good = |candidate: &&IceCandidate| {
            let address = candidate.addr_port.socket_addr();
            self.has(candidate)
                && candidate.kind != CandType::Prflx
                && address.is_some_and(can_be_reached)
        };
        let mut usable: Vec<_> = candidates.iter().filter(good).collect();
        usable.sort_by_key(|candidate| Reverse(candidate.priority));
        usable
    }
}

impl Terms {
    /// New ones: each session has its own user name fragment and password.
    pub(crate) fn new(family: Family, rng: &mut StdRng) -> Self {
        let ufrag = Alphanumeric.sample_string(rng, 8).into();
        let password = Alphanumeric.sample_string(rng, 24).into();
        Self { family, ufrag, password }
    }

    /// What the driver needs to gather. `controlling`: we send the Attach.
    pub(crate) fn gathering(
        &self,
        purpose: LinkPurpose,
        controlling: bool,
        own_socket: bool,
    ) -> Gathering {
        let (ufrag, password) = (self.ufrag.clone(), self.password.clone());
        let ice = match self.family {
            Family::Ice => Some(IceGathering { ufrag, password, controlling }),
            Family::NoIce => None,
        };
        Gathering { purpose, ice, own_socket }
    }
}

fn addresses(usable: &[&IceCandidate]) -> Vec<DialAddress> {
    let dial = |candidate: &&IceCandidate| {
        let address = candidate.addr_port.socket_addr()?;
        Some(DialAddress { address, link: candidate.overlay_link })
    };
    usable.iter().filter_map(dial).take(ADDRESSES).collect()
}

fn ice(offered: Offered<'_>, usable: Vec<&IceCandidate>) -> Result<Way, Refused> {
    let Offered { ufrag, password, .. } = offered;
    if ufrag.len() < SHORTEST.0 || password.len() < SHORTEST.1 {
        let text = "the ICE user name fragment or the password is too short (RFC 8445, 5.3)";
        return Err((ErrorCode::INVALID_MESSAGE, text));
    }
    let candidates = usable.into_iter().take(CANDIDATES).cloned().collect();
    Ok(Way::Ice { ufrag: ufrag.clone(), password: password.clone(), candidates })
}

fn can_be_reached(address: SocketAddr) -> bool {
    let no_host = match address.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
    };
    !no_host && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use reload_wire::{Decode, Dialect, IpAddressPort};

    fn read(bytes: &[u8]) -> IceCandidate {
        IceCandidate::decode_exact(&Dialect::default(), bytes).expect("it is well formed")
    }

    fn tried(candidates: &[IceCandidate]) -> Vec<DialAddress> {
        addresses(&Family::NoIce.usable(candidates))
    }

    #[test]
    fn a_candidate_of_the_reserved_type_is_not_dialled() {
        // 127.0.0.1:7, TLS, no foundation, priority 1, type 3, its related address, no extension
        let bytes = [
            &[1, 6, 127, 0, 0, 1, 0, 7][..],
            &[4, 0, 0, 0, 0, 1, 3],
            &[1, 6, 127, 0, 0, 1, 0, 8],
            &[0, 0],
        ];
        let mut bytes = bytes.concat();
        assert_eq!(tried(&[read(&bytes)]), []);
        assert_eq!(Family::NoIce.keep(vec![read(&bytes)]), []);
        bytes[14] = 2;
        let address = IpAddressPort::V4([127, 0, 0, 1].into(), 7).socket_addr();
        let found = tried(&[read(&bytes)]);
        assert_eq!(found.first().map(|dial| dial.address), address);
    }
}
