//! The exchange with the enrollment server for a certificate (section 11.3).

use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use reload_enroll::{
    EnrollmentAnswer, EnrollmentForm, ExpectedCertificate, check_certificate, read_answer,
};
use reload_identity::{KeyPair, VerifiedCertificate};
use reload_net::HttpsClient;

use super::{Overlay, Password};
use crate::units::now;

/// Who asks for a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a> {
    /// The full user name.
    pub user: &'a str,
    /// Its password.
    pub password: &'a Password,
    /// The device; another device of the same user gets another Node-ID.
    pub device: &'a str,
}

/// Asks the enrollment servers of the configuration, one after the other, for a certificate.
///
/// # Errors
/// What the last of them said.
pub(crate) async fn request_certificate(
    overlay: &Overlay,
    key: &KeyPair,
    account: Account<'_>,
) -> anyhow::Result<Arc<VerifiedCertificate>> {
    let configuration = &overlay.config.configuration;
    if configuration.enrollment_servers.is_empty() {
        bail!(
            "the overlay {} has no enrollment server; if it permits self-signed certificates, give \
             its document with --config",
            configuration.instance_name
        );
    }
    configuration.check_user(account.user)?;
    let mut form = EnrollmentForm::new(key.csr(account.user)?);
    form.username = Some(account.user.to_owned());
    form.password = Some(account.password.expose().to_owned());
    form.device = Some(account.device.to_owned());
    let mut last = None;
    for url in &configuration.enrollment_servers {
        match ask(overlay, url, &form).await {
            Ok(answer) => return accept(overlay, key, account.user, url, answer),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no enrollment server answered")))
}

async fn ask(
    overlay: &Overlay,
    url: &str,
    form: &EnrollmentForm,
) -> anyhow::Result<EnrollmentAnswer> {
    let name = &overlay.config.configuration.instance_name;
    let client = HttpsClient::new(overlay.ca.as_deref(), Some(name))?;
    let encoded = form.encode();
    let answer = client.post(url, &encoded.content_type, Bytes::from(encoded.body)).await?;
    if matches!(answer.status, 429 | 503) {
        bail!("{url} has too much to do or saw too many failed attempts: try again in a minute");
    }
    Ok(read_answer(answer.status, answer.content_type.as_deref(), answer.body))
}

fn accept(
    overlay: &Overlay,
    key: &KeyPair,
    user: &str,
    url: &str,
    answer: EnrollmentAnswer,
) -> anyhow::Result<Arc<VerifiedCertificate>> {
    let der = match answer {
        EnrollmentAnswer::Certificate(der) => der,
        EnrollmentAnswer::Refused(failure) => {
            return Err(failure).with_context(|| format!("{user} is not enrolled at {url}"));
        }
    };
    let expected = ExpectedCertificate { public_key: key.spki(), user: Some(user), nodeids: 1 };
    Ok(check_certificate(&der, &overlay.trust, &expected, now().wall)?)
}
