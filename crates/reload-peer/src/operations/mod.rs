//! What the commands ask of a running node, as sequences of requests. The daemon answers its
//! control socket with them, the demo calls them directly.

mod data;
mod kinds;
mod links;
mod look;
mod pipe;
mod ring;
mod sip;
mod status;
mod store;

pub(crate) use data::{fetch, find, stat};
pub(crate) use kinds::title as kind_title;
pub(crate) use links::links;
pub(crate) use look::{locate, ping, probe, route};
pub(crate) use ring::ring;
pub(crate) use sip::entry as sip_entry;
pub(crate) use status::status;
pub(crate) use store::{StoreOrder, remove, store};

use reload_net::PipeStream;

use crate::control::{Failure, Handler, PipeReply, Progress, Question, Reply};
use crate::running::Running;

impl Handler for Running {
    async fn answer(&self, question: Question, progress: Progress) -> Result<Reply, Failure> {
        match question {
            Question::Status => status(self).await.map(|status| Reply::Status(Box::new(status))),
            Question::Links => links(self).await.map(Reply::Links),
            Question::Pipe { .. } => Err(Failure::new("a pipe is no answer")),
            Question::Ring => ring(self, &progress).await.map(Reply::Ring),
            Question::Ping { target } => ping(self, &target).await.map(Reply::Ping),
            Question::Probe { target } => probe(self, &target).await.map(Reply::Probe),
            Question::Route { target } => route(self, &target, &progress).await.map(Reply::Route),
            Question::Locate { name } => locate(self, &name).await.map(Reply::Locate),
            Question::Store { name, kind, place, value, lifetime, generation } => {
                let order = StoreOrder { name, kind, place, value, lifetime, generation };
                store(self, order, &progress).await.map(Reply::Store)
            }
            Question::Fetch { name, kind, which } => {
                fetch(self, &name, &kind, which).await.map(Reply::Fetch)
            }
            Question::Stat { name, kind, which } => {
                stat(self, &name, &kind, which).await.map(Reply::Stat)
            }
            Question::Find { name, kinds } => find(self, &name, &kinds).await.map(Reply::Find),
            Question::Remove { name, kind, place } => {
                remove(self, &name, &kind, place, &progress).await.map(Reply::Store)
            }
            Question::SipRegister => sip::register(self).map(Reply::SipRegister),
            Question::SipLookup { address } => {
                sip::lookup(self, &address).await.map(Reply::SipLookup)
            }
            Question::SipForward { aor, to } => {
                sip::forward(self, &aor, to).await.map(Reply::SipRegister)
            }
            Question::SipCalls => sip::calls(self).map(Reply::SipCalls),
            Question::SipTrace { call_id } => {
                sip::trace(self, call_id.as_deref()).map(Reply::SipTrace)
            }
        }
    }

    async fn pipe(
        &self,
        question: Question,
        progress: Progress,
    ) -> Result<(Reply, PipeStream), Failure> {
        let Question::Pipe { target, application, listen } = question else {
            return Err(Failure::new("no pipe was asked for"));
        };
        let pipe = pipe::open(self, target.as_deref(), application, listen, &progress).await?;
        let reply = PipeReply {
            node: pipe.node().to_string(),
            user: pipe.user().map(str::to_owned),
            application,
        };
        let stream = pipe.into_stream().map_err(|error| Failure::new(error.to_string()))?;
        Ok((Reply::Pipe(reply), stream))
    }
}
