//! That a request is not wanted any more, and why (RFC 3326): a phone that hears that the call was taken
//! elsewhere does not show it as missed.

use std::sync::{Arc, OnceLock};

use rsipstack::platform::CancellationToken;
use rsipstack::sip::Header;

/// Is told once, to all that have a copy.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<Header>>,
}

impl Stop {
    /// Tells it.
    pub(super) fn tell(&self, reason: Option<Header>) {
        if let Some(reason) = reason {
            self.reason.set(reason).ok();
        }
        self.token.cancel();
    }

    /// Waits until it is told.
    pub(super) async fn told(&self) {
        self.token.cancelled().await;
    }

    /// Why.
    pub(super) fn reason(&self) -> Option<Header> {
        self.reason.get().cloned()
    }
}

/// The reason that somebody has answered with this code.
pub(super) fn answered_elsewhere(code: u16) -> Header {
    let text = if code / 100 == 2 { "Call completed elsewhere" } else { "Declined elsewhere" };
    Header::Reason(format!("SIP;cause={code};text=\"{text}\"").into())
}

/// The reason in a CANCEL.
pub(super) fn reason_of(headers: &rsipstack::sip::Headers) -> Option<Header> {
    let reason = headers.iter().find(|header| matches!(header, Header::Reason(_)));
    reason.filter(|reason| !reason.value().contains(char::is_control)).cloned()
}
