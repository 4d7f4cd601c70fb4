//! Dialling as a node planned it: its addresses in order, within its deadline.

use std::sync::Arc;

use reload_node::{LinkId, Plan, Way};
use reload_wire::OverlayLinkType;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::handshake::{Authenticated, dial};
use crate::tls::{TlsIdentity, log};

/// What became of a plan: a connection, or why there is none.
pub(crate) type Dialled = (LinkId, Result<Authenticated, String>);

/// Works a plan off; at most as many at once as `dials` has permits.
pub(crate) async fn work_off(
    identity: TlsIdentity,
    link: LinkId,
    plan: Plan,
    dials: Arc<Semaphore>,
    dialled: mpsc::Sender<Dialled>,
) {
    let result = match dials.acquire().await {
        Ok(_permit) => dial_in_order(&identity, &plan).await,
        Err(_) => Err("the node is stopping".to_owned()),
    };
    let _ = dialled.send((link, result)).await;
}

/// Each address gets an equal part of the time that is left.
async fn dial_in_order(identity: &TlsIdentity, plan: &Plan) -> Result<Authenticated, String> {
    let Way::Dial(addresses) = &plan.way else {
        return Err("links with ICE are not supported yet".to_owned());
    };
    let tls = addresses.iter().filter(|dial| dial.link == OverlayLinkType::TLS_TCP_FH_NO_ICE);
    let addresses: Vec<_> = tls.map(|dial| dial.address).collect();
    let mut reasons = Vec::new();
    for (place, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = Instant::from_std(plan.deadline).saturating_duration_since(now);
        let shares = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        match dial(identity, *address, plan.expected, now + left / shares).await {
            Ok(connection) => return Ok(connection),
            Err(refusal) => {
                log(&refusal);
                reasons.push(refusal.to_string());
            }
        }
    }
    if reasons.is_empty() { Err("no address to dial".to_owned()) } else { Err(reasons.join("; ")) }
}
