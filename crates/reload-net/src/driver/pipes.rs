//! Pipes and offers of a node, as the driver keeps them (section 6.5.2).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use reload_datagram::LinkPath;
use reload_node::{LinkId, Reply, RequestError, Response};
use reload_wire::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::handle::{OfferError, RequestFailure, Waiting};
use super::{Driven, Driver};
use crate::clock;
use crate::pipe::{Pipe, PipeEntry, PipeFacts, PipeSend};

/// Datagrams of all pipes that wait for the driver; senders wait beyond.
const OUTGOING: usize = 256;
/// Pipes that wait to be taken from an offer; further ones are closed.
const OFFERED: usize = 16;
/// Pipes of a node.
const MOST: usize = 1024;

/// The pipes that others open to an application of this node. The application is offered as long as
/// this lives.
#[derive(Debug)]
pub struct PipeListener {
    pipes: mpsc::Receiver<Pipe>,
    application: u16,
}

impl PipeListener {
    /// The next pipe; none when the node has stopped.
    pub async fn accept(&mut self) -> Option<Pipe> {
        self.pipes.recv().await
    }

    /// The Application-ID.
    #[must_use]
    pub const fn application(&self) -> u16 {
        self.application
    }
}

/// What became of an owner of something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// A pipe was dropped.
    Pipe(LinkId),
    /// An offer was dropped.
    Offer(u16),
}

/// What comes from the owners.
#[derive(Debug)]
pub(super) enum PipeInput {
    /// A datagram to be sent.
    Send(PipeSend),
    /// An owner is gone.
    Gone(Gone),
}

/// The pipes of a driver.
#[derive(Debug)]
pub(super) struct Pipes {
    pipes: BTreeMap<LinkId, PipeEntry>,
    offers: BTreeMap<u16, mpsc::Sender<Pipe>>,
    sender: mpsc::Sender<PipeSend>,
    outgoing: mpsc::Receiver<PipeSend>,
    owners: JoinSet<Gone>,
}

impl Default for Pipes {
    fn default() -> Self {
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let (pipes, offers) = (BTreeMap::new(), BTreeMap::new());
        Self { pipes, offers, sender, outgoing, owners: JoinSet::new() }
    }
}

impl Pipes {
    /// Hands a datagram to the owner of its pipe.
    pub(super) fn deliver(&self, link: LinkId, datagram: Bytes) {
        if let Some(pipe) = self.pipes.get(&link) {
            pipe.deliver(datagram);
        }
    }

    /// Whether the link is a pipe, which then takes so much.
    pub(super) fn set_mtu(&self, link: LinkId, mtu: usize) -> bool {
        self.pipes.get(&link).map(|pipe| pipe.set_mtu(mtu)).is_some()
    }

    /// The link goes this way from now on.
    pub(super) fn set_path(&self, link: LinkId, path: LinkPath) {
        if let Some(pipe) = self.pipes.get(&link) {
            pipe.set_path(path);
        }
    }

    /// The link is gone, and the pipe with it.
    pub(super) fn end(&mut self, link: LinkId, reason: &str) {
        if let Some(pipe) = self.pipes.remove(&link) {
            pipe.end(reason.to_owned());
        }
    }

    /// What the owners of pipes and offers want.
    pub(super) async fn next(&mut self) -> PipeInput {
        loop {
            tokio::select! {
                biased;
                Some(sending) = self.outgoing.recv() => return PipeInput::Send(sending),
                Some(gone) = self.owners.join_next() => {
                    if let Ok(gone) = gone {
                        return PipeInput::Gone(gone);
                    }
                }
            }
        }
    }

    /// What is to be sent already.
    pub(super) fn try_outgoing(&mut self) -> Option<PipeSend> {
        self.outgoing.try_recv().ok()
    }

    fn add(&mut self, facts: PipeFacts) -> Pipe {
        let link = facts.link;
        let (mut entry, pipe) = PipeEntry::new(facts, self.sender.clone());
        let dropped = entry.dropped_by_owner();
        self.owners.spawn(async move {
            dropped.await;
            Gone::Pipe(link)
        });
        self.pipes.insert(link, entry);
        pipe
    }

    fn offer(&mut self, application: u16) -> Result<PipeListener, OfferError> {
        if self.offers.get(&application).is_some_and(|offer| !offer.is_closed()) {
            return Err(OfferError::Taken(application));
        }
        let (sender, pipes) = mpsc::channel(OFFERED);
        self.offers.insert(application, sender.clone());
        self.owners.spawn(async move {
            sender.closed().await;
            Gone::Offer(application)
        });
        Ok(PipeListener { pipes, application })
    }
}

impl<N: Driven> Driver<N> {
    /// The end of a request: an answer, or the pipe that was asked for.
    pub(super) fn on_finished(&mut self, waiting: Waiting, result: Result<Response, RequestError>) {
        match (waiting, result) {
            (Waiting::Pipe(application, sender), Ok(response)) => {
                let pipe = match response.reply {
                    Reply::AppAttached { link, node } => self.pipe(link, node, application),
                    _ => Err("the answer does not fit the request".to_owned()),
                };
                let not_connected = |reason| RequestError::NotConnected(reason).into();
                // Whoever asked may have gone away: then the pipe is dropped, which closes it.
                let _ = sender.send(pipe.map_err(not_connected));
            }
            (Waiting::Pipe(_, sender), Err(error)) => drop(sender.send(Err(error.into()))),
            (Waiting::Response(sender), result) => {
                let _ = sender.send(result.map_err(RequestFailure::from));
            }
        }
    }

    /// A connection that another node asked for.
    pub(super) fn on_pipe(&mut self, link: LinkId, node: NodeId, application: u16) {
        let pipe = match self.pipe(link, node, application) {
            Ok(pipe) => pipe,
            Err(reason) => {
                tracing::debug!(%node, application, reason, "no pipe");
                return self.close(link);
            }
        };
        let offer = self.pipes.offers.get(&application);
        let taken = offer.is_some_and(|offer| offer.try_send(pipe).is_ok());
        if !taken {
            // The pipe was dropped, which closes it.
            tracing::debug!(%node, application, "nobody takes the pipe");
        }
    }

    fn pipe(&mut self, link: LinkId, node: NodeId, application: u16) -> Result<Pipe, String> {
        if self.pipes.pipes.len() >= MOST {
            return Err("too many pipes".to_owned());
        }
        let gone = "the link is gone already";
        let datagrams = self.datagrams.as_ref().ok_or(gone)?;
        let up = datagrams.up(link).ok_or(gone)?;
        let (certificate, mtu) = (Arc::clone(&up.certificate), up.mtu);
        let path = datagrams.endpoint.path(link);
        Ok(self.pipes.add(PipeFacts { link, node, application, certificate, mtu, path }))
    }

    pub(super) fn on_offer(
        &mut self,
        application: u16,
        sender: oneshot::Sender<Result<PipeListener, OfferError>>,
    ) {
        let offer = self.pipes.offer(application);
        if offer.is_ok() {
            self.node.offer(application);
        }
        // A listener that nobody takes is dropped, which withdraws the offer.
        let _ = sender.send(offer);
    }

    pub(super) fn on_gone(&mut self, gone: Gone) {
        match gone {
            Gone::Pipe(link) => {
                // What was sent before the drop goes out before the close.
                while let Some(sending) = self.pipes.try_outgoing() {
                    self.on_pipe_send(sending);
                }
                if self.pipes.pipes.remove(&link).is_some()
                    && let Some(datagrams) = &mut self.datagrams
                {
                    datagrams.close(clock::now(), link);
                }
            }
            Gone::Offer(application) => {
                // It may have been offered anew in the meantime.
                if self.pipes.offers.get(&application).is_some_and(mpsc::Sender::is_closed) {
                    self.pipes.offers.remove(&application);
                    self.node.withdraw(application);
                }
            }
        }
    }

    pub(super) fn on_pipe_send(&mut self, sending: PipeSend) {
        let PipeSend { link, datagram } = sending;
        if !self.pipes.pipes.contains_key(&link) {
            return;
        }
        if let Some(datagrams) = &mut self.datagrams
            && let Err(error) = datagrams.send(clock::now(), link, datagram)
        {
            tracing::debug!(?link, "datagram not sent: {error}");
        }
        self.drain();
    }
}
