//! `pipe`: finds the other node and connects to it, or waits for it.

use std::collections::BTreeSet;
use std::str::FromStr;

use reload_identity::VerifiedValue;
use reload_net::Pipe;
use reload_node::{Reply, Request, Specifier};
use reload_wire::{ArrayRange, KindId, ModelSpecifier, NodeId};

use crate::control::{Failure, Progress};
use crate::names::same_length;
use crate::running::{Running, failure, unexpected};

/// A pipe for an application.
///
/// # Errors
/// One line.
pub(super) async fn open(
    node: &Running,
    target: Option<&str>,
    application: u16,
    listen: bool,
    progress: &Progress,
) -> Result<Pipe, Failure> {
    match (listen, target) {
        (true, target) => accept(node, target, application, progress).await,
        (false, Some(target)) => connect(node, target, application, progress).await,
        (false, None) => Err(Failure::new("which node? give a Node-ID or a user name")),
    }
}

/// Waits for a node; one that is not `target` is sent away.
async fn accept(
    node: &Running,
    target: Option<&str>,
    application: u16,
    progress: &Progress,
) -> Result<Pipe, Failure> {
    let offer = node.handle().offer(application).await;
    let mut offer = offer.map_err(|error| Failure::new(error.to_string()))?;
    progress.say("waiting for a node to connect");
    while let Some(pipe) = offer.accept().await {
        if target.is_none_or(|target| is_at_the_other_end(&pipe, target)) {
            return Ok(pipe);
        }
        tracing::info!(node = %pipe.node(), application, "sent away: another node is waited for");
    }
    Err(Failure::new("the node has stopped"))
}

fn is_at_the_other_end(pipe: &Pipe, target: &str) -> bool {
    match node_id(target) {
        Some(node) => pipe.certificate().node_ids().contains(&node),
        None => pipe.user().is_some_and(|user| user.eq_ignore_ascii_case(target)),
    }
}

/// Connects to a node, or to the first of a user's nodes that can be reached.
async fn connect(
    node: &Running,
    target: &str,
    application: u16,
    progress: &Progress,
) -> Result<Pipe, Failure> {
    let nodes = match node_id(target) {
        Some(other) => BTreeSet::from([other]),
        None => nodes_of(node, target, progress).await?,
    };
    let own = node.node_id();
    let mut last = Failure::new(format!("{target} has no other node than this one"));
    for other in nodes.into_iter().filter(|other| *other != own) {
        let right = same_length(other.as_bytes(), own.as_bytes());
        right.map_err(|error| Failure::new(error.to_string()))?;
        progress.say(format!("connecting to {other}"));
        match node.handle().app_attach(other, application).await {
            Ok(pipe) => return Ok(pipe),
            Err(error) => last = failure(&error),
        }
    }
    Err(last)
}

/// `node:HEX` or `HEX`; all else is a user name.
fn node_id(text: &str) -> Option<NodeId> {
    NodeId::from_str(text.strip_prefix("node:").unwrap_or(text)).ok()
}

/// The nodes of a user: those whose certificates are stored under its name (section 8).
async fn nodes_of(
    node: &Running,
    user: &str,
    progress: &Progress,
) -> Result<BTreeSet<NodeId>, Failure> {
    progress.say(format!("looking for the nodes of {user}"));
    let resource = node.resource_id(user).await?;
    let kind = KindId::CERTIFICATE_BY_USER;
    let all = ModelSpecifier::Array(vec![ArrayRange { first: 0, last: u32::MAX }]);
    let specifiers = vec![Specifier { kind, generation: 0, which: all }];
    let response = node.request(Request::Fetch { resource, specifiers }).await?;
    let Reply::Fetched(kinds) = response.reply else { return Err(unexpected()) };
    let values = kinds.iter().filter(|fetched| fetched.kind == kind);
    let values = values.flat_map(|fetched| &fetched.values);
    // Each node stores its own certificate and signs it: who signed is whom we look for.
    let signers = values.map(VerifiedValue::signer);
    let of_user = signers.filter(|signer| signer.user().is_some_and(|name| name == user));
    let nodes: BTreeSet<_> = of_user.map(|signer| signer.node_id).collect();
    if nodes.is_empty() {
        let text = format!("no node of {user} is known: no certificate is stored under that name");
        return Err(Failure::new(text));
    }
    Ok(nodes)
}
