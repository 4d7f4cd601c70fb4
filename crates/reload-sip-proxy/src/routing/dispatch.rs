//! Each request that comes in: who has sent it, whether he may, and where it goes.

use std::sync::Arc;

use reload_usages::sip::SipUri;
use rsipstack::sip::{Header, Method, Request, StatusCode, Version};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;

use super::dialogs::Found;
use super::fork::Fork;
use super::forward::Way;
use super::header::{begins_dialog, status, to_tag};
use super::hop::{Hop, PhoneHop, Side};
use super::identity::{check_outside, check_peer, check_phone};
use super::router::{Router, now};
use super::server::Server;
use super::shares::Share;
use super::targets::refused;
use super::{checks, header};
use crate::edge::{Asks, Verdict};

/// Transactions that are kept for each request that may be answered at one time: its branches, and refusals
/// of others. What comes beyond is dropped, and comes again.
const KEPT_PER_ANSWERED: usize = 8;

impl Router {
    /// Takes requests until there are no more.
    pub(crate) async fn serve(self: Arc<Self>, mut incoming: TransactionReceiver) {
        while let Some(transaction) = incoming.recv().await {
            self.on_transaction(transaction);
        }
    }

    fn on_transaction(self: &Arc<Self>, transaction: Transaction) {
        let from = transaction.connection.as_ref().and_then(|it| self.neighbour(it));
        let Some(from) = from else {
            return self.refuse(transaction, StatusCode::ServerInternalError);
        };
        if self.is_flooded(&from) {
            return;
        }
        if transaction.original.version != Version::V2 {
            return self.refuse(transaction, StatusCode::VersionNotSupported);
        }
        match self.shares.take(from.node()) {
            Some(share) => {
                tokio::spawn(Arc::clone(self).on_incoming(transaction, from, share));
            }
            None => self.refuse(transaction, status(503, "too many requests at one time")),
        }
    }

    /// Whether too much is kept already, as refusals are for a while. Peers have half of the room, so that
    /// the phones can call whatever peers do.
    fn is_flooded(&self, from: &Hop) -> bool {
        let most = KEPT_PER_ANSWERED.saturating_mul(self.settings.limits.transactions);
        let room = if from.node().is_some() { most / 2 } else { most };
        self.endpoint.transactions.len() > room
    }

    async fn on_incoming(self: Arc<Self>, transaction: Transaction, mut from: Hop, share: Share) {
        if let Hop::Phone(phone) = &mut from
            && let Some(contact) = header::contact(&transaction.original)
        {
            phone.line = self.registrar.line_of(&contact, &phone.destination);
        }
        if transaction.original.method == Method::Register {
            return match from {
                Hop::Phone(_) => self.registrar.handle(transaction).await,
                Hop::Peer(_) | Hop::Outside(_) => {
                    self.refuse(transaction, status(403, "only phones of the user register here"));
                }
            };
        }
        let server = Server::new(transaction, &self.end);
        self.on_request(server, from, share).await;
    }

    async fn on_request(self: Arc<Self>, mut server: Server, from: Hop, share: Share) {
        if server.request.method == Method::Invite {
            server.reply(StatusCode::Trying, Vec::new());
        }
        if let Err((status, headers)) = checks::check(&server.request, &self.branches) {
            return server.reply(status, headers);
        }
        if to_tag(&server.request).is_some() {
            self.on_inside(server, from, share).await;
        } else {
            self.on_outside(server, from, share).await;
        }
    }

    /// A request outside of dialogs.
    async fn on_outside(self: Arc<Self>, mut server: Server, from: Hop, share: Share) {
        if let Err((status, headers)) = self.may_begin(&server, &from) {
            return server.reply(status, headers);
        }
        let Ok(uri) = SipUri::parse(&server.request.uri.to_string()) else {
            return server.reply(StatusCode::BadRequest, Vec::new());
        };
        if begins_dialog(server.request.method)
            && self.dialogs().is_of_another(&server.request, &from)
        {
            return server.reply(status(482, "the Call-ID is that of another"), Vec::new());
        }
        if self.is_for_proxy(&server, &uri) {
            return server.reply(StatusCode::OK, Vec::new());
        }
        let targets = tokio::select! {
            targets = self.targets(&uri, &from) => targets,
            () = server.stop.told() => Err(StatusCode::RequestTerminated),
        };
        match targets {
            Ok(targets) => {
                let (fork, inbox) = Fork::new(self, server, from, share);
                fork.run(inbox, targets).await;
            }
            Err(status) => server.reply(status, Vec::new()),
        }
    }

    fn may_begin(&self, server: &Server, from: &Hop) -> Result<(), (StatusCode, Vec<Header>)> {
        let request = &server.request;
        let allowed = match from {
            Hop::Phone(phone) => {
                self.authenticate(request, phone)?;
                check_phone(request, self.overlay.aor())
            }
            Hop::Peer(pipe) => check_peer(request, pipe.peer().aor.as_ref()),
            Hop::Outside(_) => check_outside(request, |domain| self.is_of_overlay(domain)),
        };
        allowed.map_err(|status| (status, Vec::new()))
    }

    fn authenticate(
        &self,
        request: &Request,
        phone: &PhoneHop,
    ) -> Result<(), (StatusCode, Vec<Header>)> {
        let source = phone.destination.get_socketaddr();
        let source = source.map_err(|_| (StatusCode::Forbidden, Vec::new()))?;
        match self.authenticator.check(request, source, Asks::Proxy) {
            Verdict::Passed => Ok(()),
            Verdict::Challenge(status, headers) => Err((status, headers)),
            Verdict::Refused(status) => Err((status, Vec::new())),
        }
    }

    /// OPTIONS without a user asks the proxy itself (RFC 3261 section 11).
    fn is_for_proxy(&self, server: &Server, uri: &SipUri) -> bool {
        server.request.method == Method::Options && uri.user().is_none()
    }

    /// A request in a dialog.
    async fn on_inside(self: Arc<Self>, mut server: Server, from: Hop, share: Share) {
        self.acks.passed(&server.request).await;
        let found = self.dialogs().find(now(), &server.request, &from);
        let Some(found) = found else {
            return server.reply(StatusCode::CallTransactionDoesNotExist, Vec::new());
        };
        if from.is_phone()
            && let Some(contact) = header::contact(&server.request)
        {
            self.dialogs().refresh(&server.request, &found, true, &contact);
        }
        match self.way_inside(&server.request.uri, &found).await {
            Ok(way) => {
                let (mut fork, inbox) = Fork::new(self, server, from, share);
                fork.dialog = Some(found);
                fork.run_way(inbox, way).await;
            }
            Err(status) => {
                self.end_request(&server.request, &from, Some(&found), status.code());
                server.reply(status, Vec::new());
            }
        }
    }

    /// The way to the other end of a dialog.
    pub(super) async fn way_inside(
        &self,
        uri: &rsipstack::sip::Uri,
        found: &Found,
    ) -> Result<Way, StatusCode> {
        match &found.to {
            Side::Phone(phone) => {
                let mut phone = PhoneHop::clone(phone);
                let line = phone.line.as_deref();
                if let Some(now) = line.and_then(|line| self.registrar.by_line(line))
                    && let Some(now) = Self::phone(&now)
                {
                    // it may have come back on another connection
                    phone.connection = now.connection;
                    phone.destination = now.destination;
                }
                let uri = phone.contact.clone().ok_or(StatusCode::CallTransactionDoesNotExist)?;
                Ok(Way { hop: Hop::Phone(phone), uri })
            }
            Side::Outside => {
                let hop = self.outside().await.ok_or(StatusCode::ServiceUnavailable)?;
                Ok(Way { hop: Hop::Outside(hop), uri: uri.clone() })
            }
            Side::Peer { node, scheme, .. } => {
                if let Some(pipe) = self.pipes.live(*node, Some(*scheme)) {
                    return Ok(Way { hop: Hop::Peer(pipe), uri: uri.clone() });
                }
                let pipe = self.connect_again(uri, found).await?;
                Ok(Way { hop: Hop::Peer(pipe), uri: uri.clone() })
            }
        }
    }

    /// The pipe of a dialog has closed: its other end is in the Request-URI.
    async fn connect_again(
        &self,
        uri: &rsipstack::sip::Uri,
        found: &Found,
    ) -> Result<Arc<crate::pipes::SipPipe>, StatusCode> {
        let lost = super::branch::lost;
        let Side::Peer { node, scheme, .. } = &found.to else { return Err(lost()) };
        let uri = SipUri::parse(&uri.to_string()).map_err(|_| StatusCode::BadRequest)?;
        let known = self.overlay.resolve(&uri).await.map_err(|error| refused(&error))?;
        let target = known.targets.iter().find(|target| target.node() == Some(*node));
        let target = target.ok_or_else(lost)?;
        self.pipes.to(target, *scheme).await.map_err(|error| refused(&error))
    }

    /// Answers at once.
    fn refuse(&self, transaction: Transaction, status: StatusCode) {
        Server::new(transaction, &self.end).reply(status, Vec::new());
    }
}
