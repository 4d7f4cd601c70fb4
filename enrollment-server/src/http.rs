//! The HTTP surface: the configuration document of 11.2 and the enrollment POST of 11.3. It decides
//! nothing: it reads forms, bounds them, and turns answers into status, type and body.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use reload_enroll::{
    CERTIFICATE_TYPE, CONFIGURATION_TYPE, ENROLL_PATH, EnrollmentFailure, EnrollmentForm,
    FormError, MAX_FORM_SIZE, WELL_KNOWN_PATH,
};
use sha2::{Digest, Sha256};
use tracing::{debug, error};

use crate::enroll::{Answer, Enrollment};
use crate::home::{DOCUMENT, Home};
use crate::url;

/// A request that takes longer, its body included, is dropped: a slow sender holds no memory.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const TEXT: &str = "text/plain";

/// What the handlers share.
pub(crate) struct Service {
    pub(crate) home: Home,
    pub(crate) enrollment: Enrollment,
}

impl fmt::Debug for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Service").field("home", &self.home).finish_non_exhaustive()
    }
}

/// The routes of the service: enrollment at our path and at those of the URLs in the document.
pub(crate) fn router(service: Arc<Service>, enrollment_servers: &[String]) -> Router {
    let named = enrollment_servers.iter().filter_map(|server| url::path(server));
    let mut paths: BTreeSet<String> = named.collect();
    paths.insert(ENROLL_PATH.to_owned());
    paths.remove(WELL_KNOWN_PATH);
    paths
        .iter()
        .fold(Router::new(), |router, path| router.route(path, post(enroll)))
        .route(WELL_KNOWN_PATH, get(configuration))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page\n") })
        .layer(DefaultBodyLimit::max(MAX_FORM_SIZE))
        .layer(middleware::from_fn(limit_time))
        .with_state(service)
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the request took too long\n"),
    }
}

/// The document as it stands on the disk, so that one signed by another process is served at once. A
/// peer that has it already gets no body.
async fn configuration(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    match tokio::fs::read(service.home.file(DOCUMENT)).await {
        Ok(document) => {
            let etag = etag(&document);
            let known = has_already(&headers, &etag);
            let headers = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, etag)];
            if known {
                return (StatusCode::NOT_MODIFIED, headers).into_response();
            }
            (headers, [(CONTENT_TYPE, CONFIGURATION_TYPE)], document).into_response()
        }
        Err(problem) => {
            error!(%problem, "cannot read {DOCUMENT}");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the configuration cannot be read\n")
        }
    }
}

/// The same for the same bytes, and for no others.
fn etag(document: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(document)[..16]))
}

/// Whether If-None-Match names it (RFC 9110 section 13.1.2).
fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    let mut tags = fields.flat_map(|field| field.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

async fn enroll(
    State(service): State<Arc<Service>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return text(rejection.status(), "the form is too large or cut off\n"),
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = match EnrollmentForm::decode(kind, &body) {
        Ok(form) => form,
        Err(problem) => {
            debug!(%peer, %problem, "form refused");
            return form_error(problem);
        }
    };
    match service.enrollment.answer(peer.ip(), &form).await {
        Ok(answer) => response(answer),
        Err(problem) => {
            error!("enrollment failed: {problem:#}");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the enrollment server failed\n")
        }
    }
}

fn response(answer: Answer) -> Response {
    match answer {
        Answer::Certificate(der) => ([(CONTENT_TYPE, CERTIFICATE_TYPE)], der).into_response(),
        Answer::Refused(failure) => refused(&failure),
        Answer::Wait(time) => {
            let message = "too many failed attempts, try again later\n";
            let retry = [(RETRY_AFTER, time.as_secs().max(1).to_string())];
            (retry, text(StatusCode::TOO_MANY_REQUESTS, message)).into_response()
        }
        Answer::Busy => {
            let retry = [(RETRY_AFTER, "5")];
            (retry, text(StatusCode::SERVICE_UNAVAILABLE, "busy, try again later\n"))
                .into_response()
        }
    }
}

/// A form that lacks what 11.3 asks for gets the token of that part, other damage a plain 400.
fn form_error(problem: FormError) -> Response {
    match problem {
        FormError::NoCsr | FormError::Field("csr") | FormError::Repeated("csr") => {
            refused(&EnrollmentFailure::BadCsr)
        }
        FormError::Field("nodeids") | FormError::Repeated("nodeids") => {
            refused(&EnrollmentFailure::NodeIdsNotAvailable)
        }
        FormError::Field("username" | "password") => {
            refused(&EnrollmentFailure::FailedAuthentication)
        }
        FormError::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "the form is too large\n"),
        FormError::NotMultipart => {
            text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a multipart/form-data form is expected\n")
        }
        other => text(StatusCode::BAD_REQUEST, format!("{other}\n")),
    }
}

/// 403, text/plain, and the token alone as the body (11.3).
fn refused(failure: &EnrollmentFailure) -> Response {
    text(StatusCode::FORBIDDEN, failure.token().unwrap_or("unknown_reason"))
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], body.into()).into_response()
}
