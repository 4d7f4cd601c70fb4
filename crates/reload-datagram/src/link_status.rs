//! How a link reads in `reload links`.

use std::net::SocketAddr;

use reload_node::LinkPurpose;
use reload_wire::{CandType, Now, OverlayLinkType};

use crate::association::Association;
use crate::link::{Link, Path};
use crate::output::LinkPath;
use crate::status::{DatagramLinkStatus, LinkPhase};

impl Link {
    pub(crate) fn status(&self, now: Now) -> DatagramLinkStatus {
        let association = self.association.as_ref();
        let up = association.filter(|_| self.is_up());
        let selected = match &self.path {
            Path::Ice(ice) => ice.selected,
            _ => None,
        };
        DatagramLinkStatus {
            link: self.id,
            application: match self.purpose {
                LinkPurpose::Overlay => None,
                LinkPurpose::Application(application) => Some(application),
            },
            link_type: match &self.path {
                Path::Ice(_) => OverlayLinkType::DTLS_UDP_SR,
                _ => OverlayLinkType::DTLS_UDP_SR_NO_ICE,
            },
            phase: self.phase(),
            node: up
                .and_then(Association::certificate)
                .map(|it| self.security.expected().unwrap_or(it.node_id())),
            socket: self.socket,
            local: self.local(),
            remote: self.remote(),
            kinds: selected.map(|pair| (pair.local_kind, pair.remote_kind)),
            cipher: up.and_then(Association::cipher),
            stats: up.and_then(Association::stats),
            mtu: up.map(Association::mtu),
            age: self.up_at.map(|at| now.mono.saturating_duration_since(at)),
            datagrams: association.map_or((0, 0), Association::datagrams),
            moves: self.moves,
        }
    }

    fn phase(&self) -> LinkPhase {
        match &self.path {
            _ if self.is_up() && self.is_failing() => LinkPhase::Failing,
            _ if self.is_up() => LinkPhase::Up,
            Path::Opening(_) => LinkPhase::Gathering,
            Path::Listening | Path::Waiting => LinkPhase::Waiting,
            Path::Direct(_) => LinkPhase::Connecting,
            Path::Ice(ice) if !ice.gathered => LinkPhase::Gathering,
            Path::Ice(ice) if !ice.planned => LinkPhase::Waiting,
            Path::Ice(ice) if ice.selected.is_none() => LinkPhase::Connecting,
            Path::Ice(_) => LinkPhase::Handshake,
        }
    }

    /// How its datagrams go.
    pub(crate) fn link_path(&self) -> Option<LinkPath> {
        let (local, remote) = (self.local()?, self.remote()?);
        let is_direct = match &self.path {
            Path::Ice(ice) => ice.selected.is_some_and(|it| {
                (it.local_kind, it.remote_kind) == (CandType::Host, CandType::Host)
            }),
            _ => true, // an overlay without ICE has no NATs
        };
        Some(LinkPath { local, remote, is_direct })
    }

    fn local(&self) -> Option<SocketAddr> {
        match &self.path {
            Path::Ice(ice) => ice.selected.map(|pair| pair.local),
            Path::Direct(direct) if !direct.local.ip().is_unspecified() => Some(direct.local),
            Path::Opening(_) | Path::Listening | Path::Waiting | Path::Direct(_) => None,
        }
    }
}
