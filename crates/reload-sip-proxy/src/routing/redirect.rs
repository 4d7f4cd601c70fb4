//! Redirections (RFC 3261 sections 8.1.3.4 and 16.5): the proxy of the caller tries what the answer names,
//! within bounds. The proxy of the callee hands them back: it cannot call as the caller.

use std::collections::BTreeSet;

use reload_usages::sip::SipUri;
use rsipstack::sip::{HeadersExt, Response};

/// What has been tried in one call.
#[derive(Debug)]
pub(super) struct Redirects {
    left: usize,
    visited: BTreeSet<String>,
}

impl Redirects {
    /// `first` is the address that was called.
    pub(super) fn new(limit: usize, first: &str) -> Self {
        Self { left: limit, visited: BTreeSet::from([key(first)]) }
    }

    /// The addresses of a redirection that are to be tried now; none if nothing is left.
    pub(super) fn follow(&mut self, response: &Response) -> Vec<SipUri> {
        if !(300..=302).contains(&response.status_code.code()) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for contact in response.typed_contact_headers().unwrap_or_default() {
            let Ok(uri) = SipUri::parse(&contact.uri.to_string()) else { continue };
            if self.left > 0 && self.visited.insert(key(uri.as_str())) {
                self.left -= 1;
                found.push(uri);
            }
        }
        found
    }
}

/// Addresses are the same if they differ only in the scheme or in the case of the domain.
fn key(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    match rest.split_once('@') {
        Some((user, host)) => format!("{user}@{}", host.to_ascii_lowercase()),
        None => rest.to_ascii_lowercase(),
    }
}
