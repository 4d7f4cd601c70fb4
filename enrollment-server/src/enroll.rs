//! One enrollment request, from the form to the certificate (RFC 6940 section 11.3). Who may ask is
//! decided here; how the answer looks in HTTP is not.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use reload_enroll::{EnrollmentFailure, EnrollmentForm};
use reload_wire::NodeIdLength;
use tracing::{info, warn};

use crate::accounts::{Accounts, Login};
use crate::authority::Authority;
use crate::certificates::{self, Issue};
use crate::devices::{self, NodeIdLimits, NodeIdRefusal};
use crate::home::Home;
use crate::limits::Attempts;
use crate::{clock, document, request};

/// What decides about enrollment requests.
pub(crate) struct Enrollment {
    /// Its configuration says whose names are taken.
    pub(crate) home: Home,
    pub(crate) accounts: Accounts,
    pub(crate) authority: Authority,
    pub(crate) attempts: Attempts,
    pub(crate) node_ids: NodeIdLimits,
    pub(crate) node_id_length: NodeIdLength,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The certificate, DER.
    Certificate(Bytes),
    /// Refused with a token of 11.3.
    Refused(EnrollmentFailure),
    /// Too many failed attempts: try again after this time.
    Wait(Duration),
    /// Too many logins at once.
    Busy,
}

impl Enrollment {
    /// Answers a form that came from `address`.
    pub(crate) async fn answer(&self, address: IpAddr, form: &EnrollmentForm) -> Result<Answer> {
        let (Some(user), Some(password)) = (&form.username, &form.password) else {
            return Ok(Answer::Refused(EnrollmentFailure::FailedAuthentication));
        };
        let attempt = match self.attempts.begin(Instant::now(), user, address) {
            Ok(attempt) => attempt,
            Err(wait) => {
                warn!(user, %address, "too many failed attempts, held back");
                return Ok(Answer::Wait(wait));
            }
        };
        match self.accounts.login(user, password).await? {
            Login::Account(account) => {
                self.attempts.take_back(&attempt);
                self.issue(account, user, form).await
            }
            Login::Refused => {
                warn!(user, %address, "login refused");
                Ok(Answer::Refused(EnrollmentFailure::FailedAuthentication))
            }
            Login::Busy => {
                self.attempts.take_back(&attempt);
                Ok(Answer::Busy)
            }
        }
    }

    /// Issues the certificate; Node-IDs and certificate are kept together or not at all.
    async fn issue(&self, account: i64, user: &str, form: &EnrollmentForm) -> Result<Answer> {
        let spki = match request::read(&form.csr, user) {
            Ok(spki) => spki,
            Err(refusal) => {
                warn!(user, %refusal, "certificate request refused");
                return Ok(Answer::Refused(refusal.failure()));
            }
        };
        // the account may be older than the rule (RFC 7904 section 3.4)
        if let Err(refusal) = document::check_user(&self.home, user) {
            warn!("certificate request refused: {refusal:#}");
            return Ok(Answer::Refused(EnrollmentFailure::UsernameNotAvailable));
        }
        let device = form.device.as_deref().unwrap_or_default();
        let (count, length) = (form.nodeids, self.node_id_length);
        let mut transaction = self.accounts.begin().await?;
        let node_ids =
            devices::node_ids(&mut transaction, account, device, count, length, self.node_ids);
        let node_ids = match node_ids.await? {
            Ok(node_ids) => node_ids,
            Err(refusal) => return Ok(self.no_node_ids(user, form, refusal)),
        };
        let issued = match self.authority.issue(&spki, &node_ids, user, clock::now()) {
            Ok(issued) => issued,
            Err(error) => {
                warn!(user, %error, "certificate request refused");
                return Ok(Answer::Refused(EnrollmentFailure::BadCsr));
            }
        };
        let issue = Issue {
            account,
            device,
            node_ids: &node_ids,
            serial: &issued.serial,
            issued: issued.from,
            expires: issued.to,
            der: &issued.der,
        };
        certificates::keep(&mut transaction, &issue).await?;
        transaction.commit().await?;
        info!(user, device, serial = issued.serial, node_ids = ?node_ids, "certificate issued");
        Ok(Answer::Certificate(issued.der))
    }

    fn no_node_ids(&self, user: &str, form: &EnrollmentForm, refusal: NodeIdRefusal) -> Answer {
        let device = form.device.as_deref().unwrap_or_default();
        match refusal {
            NodeIdRefusal::Number => {
                warn!(
                    user,
                    asked = form.nodeids,
                    limit = self.node_ids.per_device,
                    "Node-IDs refused"
                );
            }
            NodeIdRefusal::Devices => warn!(
                user,
                device,
                limit = self.node_ids.devices,
                "Node-IDs refused: the account has as many devices as it may have"
            ),
            NodeIdRefusal::Label => warn!(user, "Node-IDs refused: the device label is too long"),
        }
        Answer::Refused(EnrollmentFailure::NodeIdsNotAvailable)
    }
}
