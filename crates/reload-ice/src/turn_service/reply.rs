//! Answers to requests, signed for their user (RFC 8489 section 9.2.4).

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use stun_types::attribute::{ErrorCode, Nonce, Realm, UnknownAttributes};
use stun_types::message::{
    IntegrityAlgorithm, Message, MessageWrite, MessageWriteExt, MessageWriteVec,
};
use stun_types::prelude::AttributeWrite;

use super::users::Users;

/// A success with these attributes.
pub(crate) fn success(
    users: &Users,
    user: &str,
    request: &Message<'_>,
    attributes: &[&dyn AttributeWrite],
) -> Option<Bytes> {
    let mut answer = Message::builder_success(request, MessageWriteVec::new());
    attributes.iter().try_for_each(|it| answer.add_attribute(*it)).ok()?;
    sign(users, user, answer)
}

/// An error for an authenticated user.
pub(crate) fn refusal(
    users: &Users,
    user: &str,
    request: &Message<'_>,
    code: u16,
    unknown: Option<&UnknownAttributes>,
) -> Option<Bytes> {
    let mut answer = Message::builder_error(request, MessageWriteVec::new());
    answer.add_attribute(&ErrorCode::builder(code).build().ok()?).ok()?;
    if let Some(unknown) = unknown {
        answer.add_attribute(unknown).ok()?;
    }
    sign(users, user, answer)
}

/// An error for somebody who did not authenticate; it tells how to, unless the request is malformed.
pub(crate) fn challenge(
    users: &Users,
    now: Instant,
    client: SocketAddr,
    request: &Message<'_>,
    code: u16,
) -> Option<Bytes> {
    let mut answer = Message::builder_error(request, MessageWriteVec::new());
    answer.add_attribute(&ErrorCode::builder(code).build().ok()?).ok()?;
    if code != ErrorCode::BAD_REQUEST {
        answer.add_attribute(&Realm::new(users.realm()).ok()?).ok()?;
        answer.add_attribute(&Nonce::new(&users.nonce(now, client)).ok()?).ok()?;
    }
    Some(answer.finish().into())
}

fn sign(users: &Users, user: &str, mut answer: MessageWriteVec) -> Option<Bytes> {
    let key = users.key(user)?;
    answer.add_message_integrity_with_key(key, IntegrityAlgorithm::Sha1).ok()?;
    Some(answer.finish().into())
}
