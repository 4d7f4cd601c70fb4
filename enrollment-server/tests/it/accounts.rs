//! Limits: failed attempts, sizes, and forms that are none.

use std::time::Duration;

use enrollment_server::{AttemptLimits, ServeOptions};
use reload_enroll::EnrollmentFailure;
use reload_identity::{Algorithm, KeyPair};

use crate::client::{ALICE, form};
use crate::service::{Service, init_options, serve_options};

fn limited(per_account: u32, per_address: u32) -> ServeOptions {
    let refill = Duration::from_secs(3600); // longer than any test
    let attempts = AttemptLimits { per_account, per_address, refill };
    ServeOptions { attempts, ..serve_options() }
}

#[tokio::test]
async fn an_account_is_held_back_after_failed_attempts() {
    let service = Service::start_with(init_options(), limited(2, 100)).await;
    for _ in 0..2 {
        let wrong = service.client.enroll(|form| form.password = Some("wrong".into())).await;
        assert_eq!(wrong.unwrap_err(), EnrollmentFailure::FailedAuthentication);
    }
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let answer = service.client.form(&form(key.csr(ALICE).unwrap())).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (429, "text/plain"));
    assert_eq!(answer.retry_after.as_deref(), Some("3600"));
    let other = service.client.enroll(|form| form.username = Some("bob@x".into())).await;
    assert_eq!(other.unwrap_err(), EnrollmentFailure::FailedAuthentication);
}

#[tokio::test]
async fn an_address_is_held_back_across_accounts() {
    let service = Service::start_with(init_options(), limited(100, 3)).await;
    for name in ["a@x", "b@x", "c@x"] {
        service.client.enroll(|form| form.username = Some(name.into())).await.unwrap_err();
    }
    let refused = service.client.enroll(|_| {}).await.unwrap_err();
    assert_eq!(refused, EnrollmentFailure::Unknown { status: 429 });
}

#[tokio::test]
async fn good_requests_do_not_use_up_attempts() {
    let service = Service::start_with(init_options(), limited(1, 1)).await;
    for _ in 0..3 {
        service.client.enroll(|_| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let service = Service::start().await;
    let body = vec![b'x'; 70_000];
    let kind = "multipart/form-data; boundary=x";
    assert_eq!(service.client.post("/enroll", kind, body).await.status, 413);
}

#[tokio::test]
async fn what_is_no_form_is_refused_and_the_server_lives() {
    let service = Service::start().await;
    let kind = "multipart/form-data; boundary=x";
    let part = "--x\r\nContent-Disposition: form-data; name=\"nodeids\"\r\n\r\nmany\r\n";
    let csr = "--x\r\nContent-Disposition: form-data; name=\"csr\"\r\n\r\nMAA=\r\n";
    let cases = [
        ("application/json", "{}".to_owned(), 415),
        ("multipart/form-data", String::new(), 415),
        ("multipart/form-data; boundary=", String::new(), 400),
        (kind, String::new(), 400),
        (kind, "--x".into(), 400),
        (kind, "--x--".into(), 403),
        (kind, format!("{part}{csr}--x--"), 403),
    ];
    for (kind, body, status) in cases {
        let answer = service.client.post("/enroll", kind, body.clone().into_bytes()).await;
        assert_eq!(answer.status, status, "{kind} {body:?}: {answer:?}");
    }
    assert_eq!(service.client.get("/enroll").await.status, 405);
    assert_eq!(service.client.get("/").await.status, 404);
    service.client.enroll(|_| {}).await.unwrap();
}

// R6940-11.3-13
#[tokio::test]
async fn requests_at_once_get_different_certificates_and_one_set_of_node_ids() {
    let service = Service::start().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let client = service.client.clone();
        tasks.spawn(async move { client.enroll(|form| form.nodeids = 2).await.unwrap() });
    }
    let certificates = tasks.join_all().await;
    assert!(certificates.iter().all(|found| found.node_ids() == certificates[0].node_ids()));
    assert_eq!(service.accounts.certificates(None).await.unwrap().len(), 8);
}
