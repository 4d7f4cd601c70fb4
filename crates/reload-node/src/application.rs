//! Requests of the application: made into messages, and their answers made into replies.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reload_identity::FetchedKind;
use reload_storage::Store;
use reload_topology::Topology;
use reload_wire::{
    AppAttachReqAns, ChordRouteQueryAns, Decode, DecodeError, Destination, Encode, EncodeError,
    ErrorCode, FetchReq, FindAns, FindReq, MessageCode, NodeId, Now, PingAns, PingReq, ProbeAns,
    ProbeReq, RouteQueryReq, StatAns, StatReq, StoreAns, StoredDataSpecifier, UnknownKinds,
};

use crate::originate::{Answer, Ending};
use crate::transactions::{Content, Purpose};
use crate::{Event, NewValue, Node, Reply, Request, RequestError, RequestId, Response, Specifier};

impl<T: Topology, S: Store> Node<T, S> {
    pub(crate) fn on_request(&mut self, now: Now, id: RequestId, request: Request) {
        if self.leaving {
            return self.fail_request(id, RequestError::Leaving);
        }
        if let Request::Store { values, .. } = &request
            && let Err(error) = self.check_values(values)
        {
            return self.fail_request(id, error);
        }
        match request {
            Request::Attach { to } => self.attach_for_application(now, id, to),
            Request::AppAttach { to, application, connect: true } => {
                self.app_attach(now, id, to, application);
            }
            Request::AppAttach { to, application, connect: false } => {
                let body = self.app_question(application);
                let code = MessageCode::APP_ATTACH_REQUEST;
                self.send_message(now, id, ready(&body).map(|content| (code, to, content)));
            }
            other => self.send_message(now, id, message_of(other)),
        }
    }

    fn send_message(&mut self, now: Now, id: RequestId, message: Result<Message, EncodeError>) {
        match message {
            Ok((code, to, content)) => {
                self.originate(now, code, to, content, Purpose::Application(id), None);
            }
            Err(error) => self.fail_request(id, RequestError::BadAnswer(error.to_string())),
        }
    }

    /// Values of kinds that the overlay has, in the data model of the kind.
    fn check_values(&self, values: &[NewValue]) -> Result<(), RequestError> {
        let fits = |value: &NewValue| {
            let (kind, model) = value.model();
            match self.storage.model(kind) {
                Some(known) if known == model => Ok(()),
                _ => Err(RequestError::UnknownKind(kind)),
            }
        };
        values.iter().try_for_each(fits)
    }

    /// A request that was more than one message has ended.
    pub(crate) fn end_request(&mut self, id: RequestId, result: Result<Response, RequestError>) {
        self.emit(Event::Finished(id, result));
    }

    fn fail_request(&mut self, id: RequestId, error: RequestError) {
        self.counters.failed += 1;
        self.emit(Event::Finished(id, Err(error)));
    }

    /// A request of the application has ended.
    pub(crate) fn finish_application(
        &mut self,
        now: Now,
        id: RequestId,
        code: MessageCode,
        started: Instant,
        ending: Ending,
    ) {
        let elapsed = now.mono.saturating_duration_since(started);
        let result = match ending {
            Ending::Answered(answer) => self.response(code, elapsed, answer),
            Ending::Refused { code, info, from } => Err(self.refused(code, info, from)),
            Ending::Failed(error) => Err(error),
        };
        self.emit(Event::Finished(id, result));
    }

    fn response(
        &self,
        code: MessageCode,
        elapsed: Duration,
        answer: Answer,
    ) -> Result<Response, RequestError> {
        let Answer { from, hops, checked } = answer;
        let damaged = |error: DecodeError| RequestError::BadAnswer(error.to_string());
        let reply = match (code, checked.fetched) {
            (MessageCode::FETCH_REQUEST, Some(Ok(fetched))) => Ok(fetched_reply(fetched.kinds)),
            (MessageCode::FETCH_REQUEST, Some(Err(error))) => {
                return Err(RequestError::BadAnswer(error.to_string()));
            }
            _ => self.reply(code, &checked.message.contents.body),
        };
        let reply = reply.map_err(damaged)?;
        if let Reply::AppAnswered(answer) = &reply
            && answer.role[..] != b"active"[..]
        {
            return Err(RequestError::BadAnswer("its role is not active".to_owned()));
        }
        Ok(Response { from, hops, elapsed, reply })
    }

    fn reply(&self, code: MessageCode, body: &Bytes) -> Result<Reply, DecodeError> {
        let dialect = &self.dialect;
        Ok(match code {
            MessageCode::PING_REQUEST => {
                let pong = PingAns::decode_exact(dialect, body)?;
                Reply::Pong { response_id: pong.response_id, time: pong.time }
            }
            MessageCode::PROBE_REQUEST => {
                Reply::Probed(ProbeAns::decode_exact(dialect, body)?.probe_info)
            }
            MessageCode::ROUTE_QUERY_REQUEST => {
                Reply::Routed(ChordRouteQueryAns::decode_exact(dialect, body)?.next_peer)
            }
            MessageCode::APP_ATTACH_REQUEST => {
                Reply::AppAnswered(AppAttachReqAns::decode_exact(dialect, body)?)
            }
            MessageCode::STORE_REQUEST => Reply::Stored(StoreAns::decode_exact(dialect, body)?),
            MessageCode::STAT_REQUEST => Reply::Stats(StatAns::decode_exact(dialect, body)?),
            _ => Reply::Found(FindAns::decode_exact(dialect, body)?),
        })
    }

    pub(crate) fn refused(&self, code: ErrorCode, info: Bytes, from: NodeId) -> RequestError {
        let text = match code {
            ErrorCode::UNKNOWN_KIND => match UnknownKinds::decode_exact(&self.dialect, &info) {
                Ok(UnknownKinds(kinds)) => {
                    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                }
                Err(_) => "a list of kinds that does not decode".to_owned(),
            },
            ErrorCode::GENERATION_COUNTER_TOO_LOW => {
                match StoreAns::decode_exact(&self.dialect, &info) {
                    Ok(answer) => generations(&answer),
                    Err(_) => "counters that do not decode".to_owned(),
                }
            }
            _ => String::from_utf8_lossy(&info).into_owned(),
        };
        RequestError::Refused { code, text, info, from }
    }
}

fn generations(answer: &StoreAns) -> String {
    let one = |kind: &reload_wire::StoreKindResponse| {
        format!("kind {} is at generation {}", kind.kind, kind.generation_counter)
    };
    answer.kind_responses.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn fetched_reply(kinds: Vec<FetchedKind>) -> Reply {
    Reply::Fetched(kinds)
}

type Message = (MessageCode, Vec<Destination>, Content);

fn message_of(request: Request) -> Result<Message, EncodeError> {
    Ok(match request {
        Request::Ping { to, padding } => {
            let padding = Bytes::from(vec![0; usize::from(padding)]);
            (MessageCode::PING_REQUEST, to, ready(&PingReq { padding })?)
        }
        Request::Probe { to, information } => {
            (MessageCode::PROBE_REQUEST, to, ready(&ProbeReq { requested_info: information })?)
        }
        Request::RouteQuery { to, target } => {
            let query = RouteQueryReq {
                send_update: false,
                destination: target,
                overlay_specific_data: Bytes::new(),
            };
            (MessageCode::ROUTE_QUERY_REQUEST, to, ready(&query)?)
        }
        Request::Store { resource, values } => {
            let to = vec![Destination::Resource(resource.clone())];
            (MessageCode::STORE_REQUEST, to, Content::Store { resource, values })
        }
        Request::Fetch { resource, specifiers } => {
            let to = vec![Destination::Resource(resource.clone())];
            let specifiers = specifiers.iter().map(on_the_wire).collect::<Result<_, _>>()?;
            (MessageCode::FETCH_REQUEST, to, ready(&FetchReq { resource, specifiers })?)
        }
        Request::Stat { resource, specifiers } => {
            let to = vec![Destination::Resource(resource.clone())];
            let specifiers = specifiers.iter().map(on_the_wire).collect::<Result<_, _>>()?;
            (MessageCode::STAT_REQUEST, to, ready(&StatReq { resource, specifiers })?)
        }
        Request::Find { resource, kinds } => {
            let to = vec![Destination::Resource(resource.clone())];
            (MessageCode::FIND_REQUEST, to, ready(&FindReq { resource, kinds })?)
        }
        // these have states of their own
        Request::Attach { .. } | Request::AppAttach { .. } => {
            return Err(EncodeError::NotAllowed { field: "request" });
        }
    })
}

fn ready(body: &impl Encode) -> Result<Content, EncodeError> {
    Ok(Content::Ready { body: body.to_bytes()?, certificates: Vec::new() })
}

fn on_the_wire(specifier: &Specifier) -> Result<StoredDataSpecifier, EncodeError> {
    Ok(StoredDataSpecifier {
        kind: specifier.kind,
        generation: specifier.generation,
        model_specifier: specifier.which.to_bytes()?,
    })
}
