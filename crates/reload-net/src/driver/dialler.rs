//! Dialling as a node planned it: its addresses in order, within its deadline.

use std::sync::Arc;

use reload_node::{LinkId, Plan, Way};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::handshake::{Authenticated, dial};
use crate::tls::{TlsIdentity, log};

/// What became of a plan: a connection, or why there is none.
pub(crate) type Dialled = (LinkId, Result<Authenticated, Failure>);

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// A node is there and one of the two certificates is not taken: DTLS would end the same way.
    pub(crate) settled: bool,
}

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
        Err(_) => Err(Failure { reason: "the node is stopping".to_owned(), settled: true }),
    };
    let _ = dialled.send((link, result)).await;
}

/// Each address gets an equal part of the time that is left.
async fn dial_in_order(identity: &TlsIdentity, plan: &Plan) -> Result<Authenticated, Failure> {
    let Way::Dial(addresses) = &plan.way else {
        // links with ICE do not come here
        return Err(Failure { reason: "no address to dial".to_owned(), settled: false });
    };
    let (mut reasons, mut settled) = (Vec::new(), false);
    for (place, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = Instant::from_std(plan.deadline).saturating_duration_since(now);
        let shares = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        match dial(identity, address.address, plan.expected(), now + left / shares).await {
            Ok(connection) => return Ok(connection),
            Err(refusal) => {
                log(&refusal);
                settled |= refusal.is_of_certificates();
                reasons.push(refusal.to_string());
            }
        }
    }
    if reasons.is_empty() {
        reasons.push("no address to dial".to_owned());
    }
    Err(Failure { reason: reasons.join("; "), settled })
}
