//! The exchange of section 11.3: certificates, tokens, Node-IDs, revocation.

use enrollment_server::{NodeIdLimits, ServeOptions, revoke};
use reload_config::Leniency;
use reload_enroll::EnrollmentFailure;
use reload_identity::{Algorithm, KeyPair, Trust, VerifyError};

use crate::client::{ALICE, PASSWORD, form};
use crate::service::{Service, init_options, serve_options};

// R6940-11.3-12, R6940-11.3-13, R6940-11.3-15, R6940-11.3-18, R6940-11.3-20, R6940-11.3-21,
// R6940-11.3-22, R6940-13.3-02
#[tokio::test]
async fn a_good_request_gets_a_certificate_with_only_its_names() {
    let service = Service::start().await;
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let answer = service.client.form(&form(key.csr(ALICE).unwrap())).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/pkix-cert"));
    let certificate = service.client.check(&answer.body, &key, 1).await.unwrap();
    assert_eq!(certificate.user(), Some(ALICE));
    assert_eq!(certificate.node_ids().len(), 1);
    let (_, x509) = x509_parser::parse_x509_certificate(&answer.body).unwrap();
    assert_eq!(x509.subject().iter().count(), 0, "the subject must be empty");
    let names = x509.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    assert_eq!(names.value.general_names.len(), 2);
}

// R6940-11.3-12
#[tokio::test]
async fn an_rsa_key_is_certified_too() {
    let service = Service::start().await;
    let key = KeyPair::generate(Algorithm::Rsa2048).unwrap();
    let answer = service.client.form(&form(key.csr(ALICE).unwrap())).await;
    service.client.check(&answer.body, &key, 1).await.unwrap();
}

// R6940-11.3-11, R6940-11.3-14, R6940-11.3-23
#[tokio::test]
async fn wrong_password_and_unknown_user_get_the_same_answer() {
    let service = Service::start().await;
    let wrong = service.client.enroll(|form| form.password = Some("wrong".into())).await;
    let unknown = service.client.enroll(|form| form.username = Some("eve@x".into())).await;
    let nobody = service.client.enroll(|form| form.username = None).await;
    for result in [wrong, unknown, nobody] {
        assert_eq!(result.unwrap_err(), EnrollmentFailure::FailedAuthentication);
    }
}

// R6940-11.3-23
#[tokio::test]
async fn a_refusal_is_403_text_plain_with_the_bare_token() {
    let service = Service::start().await;
    let answer = service.client.form(&form(vec![0x30, 0x00])).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (403, "text/plain"));
    assert_eq!(answer.text(), "bad_CSR");
}

#[tokio::test]
async fn a_disabled_account_fails_authentication_until_enabled() {
    let service = Service::start().await;
    service.accounts.set_disabled(ALICE, true).await.unwrap();
    let refused = service.client.enroll(|_| {}).await.unwrap_err();
    assert_eq!(refused, EnrollmentFailure::FailedAuthentication);
    service.accounts.set_disabled(ALICE, false).await.unwrap();
    service.client.enroll(|_| {}).await.unwrap();
}

// R6940-11.3-23, R6940-13.3-01
#[tokio::test]
async fn another_user_name_in_the_csr_is_not_available() {
    let service = Service::start().await;
    for name in ["bob@overlay.example.org", "Alice@overlay.example.org"] {
        let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
        let answer = service.client.form(&form(key.csr(name).unwrap())).await;
        assert_eq!((answer.status, answer.text()), (403, "username_not_available"));
    }
}

// R6940-11.3-08, R6940-11.3-13, R6940-11.3-17
#[tokio::test]
async fn the_same_device_gets_the_same_node_ids_again() {
    let service = Service::start().await;
    let first = service.client.enroll(|_| {}).await.unwrap();
    let again = service.client.enroll(|_| {}).await.unwrap();
    assert_eq!(first.node_ids(), again.node_ids());
    assert_ne!(first.der(), again.der());
    let three = service.client.enroll(|form| form.nodeids = 3).await.unwrap();
    assert_eq!(three.node_ids().len(), 3);
    assert_eq!(three.node_ids()[0], first.node_ids()[0]);
    let phone = service.client.enroll(|form| form.device = Some("phone".into())).await.unwrap();
    assert!(!three.node_ids().contains(&phone.node_id()));
    let phone_again = service.client.enroll(|form| form.device = Some("phone".into())).await;
    assert_eq!(phone_again.unwrap().node_ids(), phone.node_ids());
}

// R6940-11.3-17
#[tokio::test]
async fn node_ids_survive_a_restart() {
    let service = Service::start().await;
    let before = service.client.enroll(|_| {}).await.unwrap();
    let directory = service.stop().await;
    let service = Service::start_in(directory, serve_options()).await;
    let after = service.client.enroll(|_| {}).await.unwrap();
    assert_eq!(before.node_ids(), after.node_ids());
}

// R6940-11.3-23
#[tokio::test]
async fn numbers_of_node_ids_and_devices_are_limited() {
    let node_ids = NodeIdLimits { per_device: 2, devices: 2 };
    let options = ServeOptions { node_ids, ..serve_options() };
    let service = Service::start_with(init_options(), options).await;
    for nodeids in [0, 3, u32::MAX] {
        let refused = service.client.enroll(|form| form.nodeids = nodeids).await.unwrap_err();
        assert_eq!(refused, EnrollmentFailure::NodeIdsNotAvailable);
    }
    assert_eq!(service.client.enroll(|form| form.nodeids = 2).await.unwrap().node_ids().len(), 2);
    let device = |label: &str| {
        let label = label.to_owned();
        service.client.enroll(|form| form.device = Some(label))
    };
    device("phone").await.unwrap();
    assert_eq!(device("tv").await.unwrap_err(), EnrollmentFailure::NodeIdsNotAvailable);
    device("phone").await.unwrap();
    assert_eq!(service.accounts.list().await.unwrap()[0].devices, 2);
}

#[tokio::test]
async fn revoked_node_ids_are_bad_nodes_of_the_document_served_next() {
    let service = Service::start().await;
    let before = service.client.configuration().await;
    let revoked = service.client.enroll(|form| form.nodeids = 2).await.unwrap();
    let serial = service.accounts.certificates(Some(ALICE)).await.unwrap()[0].serial.clone();
    let done = revoke(&service.home(), &service.accounts, &serial).await.unwrap();
    assert_eq!(done.node_ids, revoked.node_ids());

    let after = service.client.configuration().await;
    assert_eq!(after.sequence, before.sequence + 1);
    assert_eq!(after.bad_nodes, revoked.node_ids());
    let trust = Trust::new(&after, Leniency::Strict).unwrap();
    let error = trust.check(revoked.der(), &[], crate::client::now()).unwrap_err();
    assert!(matches!(error, VerifyError::BadNode(_)), "{error}");
    assert!(service.accounts.certificates(None).await.unwrap()[0].revoked.is_some());

    let new = service.client.enroll(|_| {}).await.unwrap();
    assert!(!revoked.node_ids().contains(&new.node_id()), "a revoked Node-ID came back");
    let node_id = revoked.node_id().to_string();
    let again = revoke(&service.home(), &service.accounts, &node_id).await.unwrap();
    assert_eq!(again.sequence, after.sequence, "nothing new to sign");
    assert!(revoke(&service.home(), &service.accounts, "00").await.is_err());
}

// R6940-14.16-01
#[tokio::test]
async fn the_document_names_the_bound_address() {
    let service = Service::start().await;
    let first = service.client.configuration().await;
    assert_eq!(first.sequence, 2, "1 is that of init");
    let directory = service.stop().await;
    let service = Service::start_in(directory, serve_options()).await;
    let second = service.client.configuration().await;
    let moved = first.enrollment_servers != second.enrollment_servers;
    assert_eq!(second.sequence, if moved { 3 } else { 2 });
    assert_eq!(second.enrollment_servers.len(), 1);
}

#[tokio::test]
async fn a_url_given_by_the_operator_stays_and_its_path_is_served() {
    let mut new = init_options();
    new.url = Some("https://enroll.example.net/apply".into());
    let service = Service::start_with(new, serve_options()).await;
    let configuration = service.client.configuration().await;
    assert_eq!(configuration.sequence, 1);
    assert_eq!(configuration.enrollment_servers, ["https://enroll.example.net/apply"]);
    let key = KeyPair::generate(Algorithm::EcdsaP256).unwrap();
    let encoded = form(key.csr(ALICE).unwrap()).encode();
    let answer = service.client.post("/apply", &encoded.content_type, encoded.body).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_changed_password_holds_at_once() {
    let service = Service::start().await;
    service.accounts.set_password(ALICE, "another").await.unwrap();
    service.client.enroll(|form| form.password = Some(PASSWORD.into())).await.unwrap_err();
    service.client.enroll(|form| form.password = Some("another".into())).await.unwrap();
}
