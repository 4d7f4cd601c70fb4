//! Finding the devices of a user (RFC 7904 section 4): [`SipLookup`] decides, the node asks.

use std::sync::Arc;

use reload_net::RequestFailure;
use reload_node::{Reply, RequestError, Response};
use reload_usages::sip::{
    LookupLimits, LookupOutput, LookupRequestId, Resolution, SipLookup, SipUri,
};
use tokio::task::JoinSet;

use crate::running::Running;
use reload_sip_proxy::OverlayError;

/// Where a URI leads.
///
/// # Errors
/// [`OverlayError::Address`], [`OverlayError::Stopped`].
pub(crate) async fn resolve(node: &Running, uri: &SipUri) -> Result<Resolution, OverlayError> {
    let hash = Arc::new(reload_chord::resource_id);
    let lookup = SipLookup::new(node.configuration(), hash, LookupLimits::default(), uri);
    let mut lookup = lookup.map_err(|error| OverlayError::Address(error.to_string()))?;
    let mut requests: JoinSet<(LookupRequestId, Result<Reply, RequestError>)> = JoinSet::new();
    loop {
        while let Some(output) = lookup.poll_output() {
            match output {
                LookupOutput::Request(id, request) => {
                    let node = node.clone();
                    requests.spawn(async move { (id, reply(node.try_request(request).await)) });
                }
                LookupOutput::Finished(found) => return Ok(found),
            }
        }
        match requests.join_next().await {
            Some(Ok((id, result))) => lookup.handle_finished(id, result),
            Some(Err(_)) | None => return Err(OverlayError::Stopped),
        }
    }
}

/// The reply to a request, for the machines of the usages.
pub(super) fn reply(result: Result<Response, RequestFailure>) -> Result<Reply, RequestError> {
    match result {
        Ok(response) => Ok(response.reply),
        Err(RequestFailure::Failed(error)) => Err(error),
        Err(RequestFailure::Busy(busy)) => Err(RequestError::NotConnected(busy.to_string())),
        Err(RequestFailure::Stopped(_)) => Err(RequestError::Leaving),
    }
}
