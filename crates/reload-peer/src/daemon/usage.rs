//! Runs the certificate store usage (section 8) beside the node.

use std::sync::Arc;

use reload_net::RequestFailure;
use reload_node::Response;
use reload_usages::{CertificateStore, EntryId};
use reload_wire::Now;
use tokio::task::JoinSet;

use crate::running::{PeerNode, Running};
use crate::units::now;

type Finished = (EntryId, Result<Response, RequestFailure>);

/// Keeps the certificate of the node stored until the node stops.
pub(crate) async fn keep_certificate_stored(node: Running) {
    let configuration = node.configuration();
    let certificate = Arc::clone(node.certificate());
    let make = move |running: &mut PeerNode, now: Now| {
        CertificateStore::new(now, &configuration, &certificate, |name| running.resource_id(name))
    };
    let Ok(mut usage) = node.handle().with(make).await else { return };
    let mut requests: JoinSet<Finished> = JoinSet::new();
    loop {
        while let Some((entry, request)) = usage.poll_request(now()) {
            let node = node.clone();
            requests.spawn(async move { (entry, node.try_request(request).await) });
        }
        let wakeup = usage.wakeup();
        tokio::select! {
            Some(finished) = requests.join_next() => {
                let Ok((entry, result)) = finished else { return };
                if let Err(RequestFailure::Stopped(_)) = result {
                    return;
                }
                on_finished(&mut usage, entry, result);
            }
            () = sleep_until(wakeup) => {}
        }
    }
}

fn on_finished(
    usage: &mut CertificateStore,
    entry: EntryId,
    result: Result<Response, RequestFailure>,
) {
    if let Err(error) = &result {
        tracing::debug!("the certificate is not stored yet: {error}");
    }
    usage.handle_finished(now(), entry, result.ok().map(|response| response.reply));
}

pub(crate) async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
