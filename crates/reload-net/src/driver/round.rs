//! The loop of the driver: waiting for something, then a round of everything; and its end.

use std::time::{Duration, Instant};

use reload_ice::TurnLogin;
use reload_node::{JobId, JobResult, LinkEvent, Start};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::datagrams::Datagrams;
use super::dialler::Dialled;
use super::handle::Command;
use super::pipes::{Gone, PipeInput};
use super::{Driven, Driver, Entry, Life, LinkSnapshot, RequestFailure, Snapshot};
use crate::clock;
use crate::listener::Accepted;
use crate::pipe::PipeSend;
use crate::udp::{Arrival, Sockets};

/// Results of jobs in a round.
const RESULTS: usize = 64;
/// Links that have their turn in a round.
const TURNS: usize = 16;
/// Events of one link in its turn.
const BUDGET: usize = 8;
/// New connections in a round, of each kind; and new requests.
const ARRIVALS: usize = 8;
/// Batches of datagrams in a round.
const BATCHES: usize = 8;
/// Datagrams of pipes that go out in a round.
const PIPED: usize = 64;
/// Time for the links to close at the end.
const CLOSE: Duration = Duration::from_secs(5);

/// What ended the wait.
enum Input<N> {
    Timer,
    Result(JobId, JobResult),
    Links,
    Dialled(Dialled),
    Accepted(Accepted),
    CarrierEnded,
    Datagrams(Arrival),
    Piped(PipeSend),
    Gone(Gone),
    Command(Command<N>),
    HandlesGone,
}

impl<N: Driven> Driver<N> {
    /// Runs the node to its end.
    pub(super) async fn run(mut self, start: Start) {
        self.node.start(clock::now(), start);
        self.drain();
        while !self.is_over() {
            let input = self.wait().await;
            self.take(input);
            self.round();
            // A node that always has work still leaves its thread to others now and then.
            tokio::task::consume_budget().await;
        }
        self.end().await;
    }

    async fn wait(&mut self) -> Input<N> {
        let deadline = self.next_deadline();
        let datagrams = self.datagrams.as_mut().map(|datagrams| &mut datagrams.sockets);
        tokio::select! {
            biased;
            () = until(deadline) => Input::Timer,
            Some((id, result)) = self.results.recv() => Input::Result(id, result),
            () = self.inbox.ready() => Input::Links,
            arrival = arrival(datagrams) => Input::Datagrams(arrival),
            Some(dialled) = self.dialled.recv() => Input::Dialled(dialled),
            Some(accepted) = self.accepted.recv() => Input::Accepted(accepted),
            Some(_) = self.carriers.join_next() => Input::CarrierEnded,
            event = self.pipes.next() => event.into(),
            command = self.commands.recv(), if self.life == Life::Running || !self.commands.is_closed() => {
                command.map_or(Input::HandlesGone, Input::Command)
            }
        }
    }

    fn take(&mut self, input: Input<N>) {
        match input {
            Input::Timer | Input::Links | Input::CarrierEnded => {}
            Input::Result(id, result) => self.node.handle_crypto(clock::now(), id, result),
            Input::Dialled(dialled) => self.on_dialled(dialled),
            Input::Accepted(accepted) => self.on_accepted(accepted),
            Input::Datagrams(arrival) => self.on_arrival(arrival),
            Input::Piped(sending) => self.on_pipe_send(sending),
            Input::Gone(gone) => self.on_gone(gone),
            Input::Command(command) => self.on_command(command),
            Input::HandlesGone => self.leave(),
        }
        self.drain();
    }

    /// Everything once, own work first.
    fn round(&mut self) {
        self.timers();
        for _ in 0..RESULTS {
            let Ok((id, result)) = self.results.try_recv() else { break };
            self.take(Input::Result(id, result));
        }
        for _ in 0..TURNS {
            let Some((link, events)) = self.inbox.take(BUDGET) else { break };
            for event in events {
                if !self.links.contains_key(&link) {
                    break; // closed by the node in the middle of its turn
                }
                if let LinkEvent::Down { reason, .. } = &event {
                    tracing::debug!(reason, "link down");
                    self.links.remove(&link);
                    self.inbox.close(link);
                }
                self.node.handle_link(clock::now(), link, event);
                self.drain();
            }
        }
        for _ in 0..BATCHES {
            let arrival = self.datagrams.as_mut().and_then(|all| all.sockets.try_arrival());
            let Some(arrival) = arrival else { break };
            self.take(Input::Datagrams(arrival));
        }
        self.timers();
        for _ in 0..PIPED {
            let Some(sending) = self.pipes.try_outgoing() else { break };
            self.take(Input::Piped(sending));
        }
        for _ in 0..ARRIVALS {
            let Ok(dialled) = self.dialled.try_recv() else { break };
            self.take(Input::Dialled(dialled));
        }
        for _ in 0..ARRIVALS {
            let Ok(accepted) = self.accepted.try_recv() else { break };
            self.take(Input::Accepted(accepted));
        }
        for _ in 0..ARRIVALS {
            let Ok(command) = self.commands.try_recv() else { break };
            self.take(Input::Command(command));
        }
    }

    fn timers(&mut self) {
        let now = clock::now();
        if self.deadline.is_some_and(|deadline| deadline <= now.mono) {
            self.node.handle_timeout(now);
            self.drain();
        }
        if self.link_deadline().is_some_and(|deadline| deadline <= now.mono) {
            self.second_runners();
            if let Some(datagrams) = &mut self.datagrams {
                datagrams.handle_timeout(now);
            }
            self.drain();
        }
    }

    fn on_turn_servers(&mut self, servers: Vec<TurnLogin>) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.endpoint.set_turn_servers(clock::now(), servers);
        }
    }

    fn on_arrival(&mut self, arrival: Arrival) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.on_arrival(clock::now(), arrival);
        }
    }

    fn on_command(&mut self, command: Command<N>) {
        match command {
            Command::Request(request, waiting) => match self.node.request(clock::now(), request) {
                Ok(id) => drop(self.requests.insert(id, waiting)),
                Err(busy) => waiting.fail(RequestFailure::Busy(busy)),
            },
            Command::TurnServers(servers) => self.on_turn_servers(servers),
            Command::Offer(application, sender) => self.on_offer(application, sender),
            Command::Snapshot(sender) => self.on_snapshot(sender),
            Command::Call(call) => call(&mut self.node, clock::now()),
            Command::Shutdown => self.leave(),
        }
    }

    fn on_snapshot(&self, sender: oneshot::Sender<Snapshot>) {
        let now = clock::now();
        let up = self.links.iter().filter_map(|(id, entry)| match entry {
            Entry::Up(link) => Some(LinkSnapshot::of(*id, link, self.inbox.dropped(*id), now.mono)),
            Entry::Dialling(_) => None,
        });
        let snapshot = Snapshot {
            status: self.node.status(now),
            links: up.collect(),
            datagram_links: self
                .datagrams
                .as_ref()
                .map(|all| all.snapshot(now))
                .unwrap_or_default(),
            datagrams: self.datagrams.as_ref().map(|all| all.endpoint.counters()),
            datagrams_unsent: self.datagrams.as_ref().map_or(0, |all| all.sockets.unsent()),
            reflexive: self.datagrams.as_ref().map(Datagrams::reflexive).unwrap_or_default(),
            relayed: self.datagrams.as_ref().map(|all| all.endpoint.relayed()).unwrap_or_default(),
            turn_failed: self
                .datagrams
                .as_ref()
                .map(|all| all.endpoint.failed_turn_servers())
                .unwrap_or_default(),
            hosts: self.datagrams.as_ref().map(|all| all.hosts().to_vec()).unwrap_or_default(),
            listening: self.listening.to_vec(),
            connections_refused: self.gate.refused(),
        };
        // Whoever asked may have gone away.
        let _ = sender.send(snapshot);
    }

    fn leave(&mut self) {
        if self.life == Life::Running {
            self.life = Life::Leaving { until: Instant::now() + self.settings.leave };
            self.node.leave(clock::now());
        }
    }

    fn is_over(&self) -> bool {
        match self.life {
            Life::Running => false,
            Life::Leaving { until } => until <= Instant::now(),
            Life::Over => true,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let end = match self.life {
            Life::Leaving { until } => Some(until),
            Life::Running | Life::Over => None,
        };
        [self.deadline, end, self.link_deadline()].into_iter().flatten().min()
    }

    /// Closes every link, so that what was sent last goes out.
    async fn end(mut self) {
        self.listeners.iter().for_each(tokio::task::JoinHandle::abort);
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.close(link));
        let datagram_links = self.datagrams.as_ref().map(|all| all.snapshot(clock::now()));
        for status in datagram_links.into_iter().flatten() {
            self.close(status.status.link);
        }
        self.drain();
        let closing = async { while self.carriers.join_next().await.is_some() {} };
        if timeout(CLOSE, closing).await.is_err() {
            tracing::debug!("some links did not close in time");
        }
    }
}

async fn arrival(sockets: Option<&mut Sockets>) -> Arrival {
    match sockets {
        Some(sockets) => sockets.arrival().await,
        None => std::future::pending().await,
    }
}

impl<N> From<PipeInput> for Input<N> {
    fn from(input: PipeInput) -> Self {
        match input {
            PipeInput::Send(sending) => Self::Piped(sending),
            PipeInput::Gone(gone) => Self::Gone(gone),
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
