//! Where the configuration of the overlay comes from (section 11.2): a URL, or DNS, and the CAs that its
//! server is checked against. It is kept in the home, so that the daemon finds new configurations. It
//! judges no document.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use bytes::Bytes;
use reload_enroll::{CONFIGURATION_TYPE, configuration_url};
use reload_net::{Discovery, HttpsClient, HttpsResponse};

use crate::home::{Home, HomeError, SOURCE};

/// Where to ask for the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// How its server is found.
    pub place: Place,
    /// CA certificates for HTTPS, PEM; those of the system without.
    pub ca: Option<String>,
}

/// How a configuration server is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It was given.
    Url(String),
    /// By DNS: this name server, or those of the system.
    Dns(Option<SocketAddr>),
}

/// A document from a server.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// The document, unchecked.
    pub document: Bytes,
    /// What to say so that it is not sent again.
    pub etag: Option<String>,
}

impl Source {
    /// The URL asked for.
    #[must_use]
    pub(crate) fn url(&self, overlay: &str) -> String {
        match &self.place {
            Place::Url(url) => url.clone(),
            Place::Dns(_) => configuration_url(overlay),
        }
    }

    /// Fetches the document; none if the server still has that of the `etag`.
    ///
    /// # Errors
    /// One line with the URL.
    pub(crate) async fn fetch(
        &self,
        overlay: &str,
        etag: Option<&str>,
    ) -> anyhow::Result<Option<Fetched>> {
        let url = self.url(overlay);
        let client = self.client(overlay).await?;
        let answer = match etag {
            Some(etag) => client.get_if_changed(&url, CONFIGURATION_TYPE, etag).await?,
            None => client.get(&url, CONFIGURATION_TYPE).await?,
        };
        let HttpsResponse { status, body, etag, .. } = answer;
        match status {
            200 => Ok(Some(Fetched { document: body, etag })),
            304 => Ok(None),
            404 => bail!("there is no overlay configuration at {url} (HTTP status 404)"),
            status => bail!("{url} gives no configuration (HTTP status {status})"),
        }
    }

    /// The certificate must show the host of the URL, which is the overlay name if DNS was asked
    /// (sections 11.2, E95).
    async fn client(&self, overlay: &str) -> anyhow::Result<HttpsClient> {
        let client = HttpsClient::new(self.ca.as_deref().map(str::as_bytes), None)?;
        let Place::Dns(server) = &self.place else { return Ok(client) };
        let discovery = match server {
            Some(server) => Discovery::with_server(*server)?,
            None => Discovery::system()?,
        };
        let servers = discovery.servers(overlay).await?;
        tracing::debug!("configuration servers of {overlay}: {servers:?}");
        let servers = servers.iter().map(|server| (server.ip().to_string(), server.port()));
        Ok(client.at(servers.collect()))
    }

    /// Keeps it in the home.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep(&self, home: &Home) -> Result<(), HomeError> {
        let line = match &self.place {
            Place::Url(url) => format!("url {url}"),
            Place::Dns(Some(server)) => format!("dns {server}"),
            Place::Dns(None) => "dns".to_owned(),
        };
        let ca = self.ca.as_deref().unwrap_or_default();
        home.write(SOURCE, format!("{line}\n{ca}").as_bytes())
    }

    /// Keeps that the configuration comes from nowhere but the hands of the user.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep_none(home: &Home) -> Result<(), HomeError> {
        home.write(SOURCE, b"none\n")
    }

    /// That of a home, if it has one.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub(crate) fn of(home: &Home) -> anyhow::Result<Option<Self>> {
        if !home.has(SOURCE) {
            return Ok(None);
        }
        let text = home.read_text(SOURCE)?;
        parse(&text).with_context(|| {
            format!("{} is damaged: enroll again with `reload enroll`", home.path(SOURCE).display())
        })
    }
}

/// A line that says how, then the CAs.
fn parse(text: &str) -> anyhow::Result<Option<Source>> {
    let (line, ca) = text.split_once('\n').context("it has no whole line")?;
    let place = match line.split_once(' ').unwrap_or((line, "")) {
        ("none", "") => return Ok(None),
        ("url", url) => Place::Url(url.to_owned()),
        ("dns", "") => Place::Dns(None),
        ("dns", server) => Place::Dns(Some(server.parse().context("no address and port")?)),
        _ => bail!("{line:?} is no source"),
    };
    let ca = if ca.trim().is_empty() { None } else { Some(ca.to_owned()) };
    Ok(Some(Source { place, ca }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_home_keeps_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        assert_eq!(Source::of(&home).unwrap(), None);
        for place in [
            Place::Url("https://a.example/x y".into()),
            Place::Dns(None),
            Place::Dns(Some("[::1]:53".parse().unwrap())),
        ] {
            for ca in [None, Some("-----BEGIN\n-----END\n".to_owned())] {
                let source = Source { place: place.clone(), ca };
                source.keep(&home).unwrap();
                assert_eq!(Source::of(&home).unwrap(), Some(source));
            }
        }
        Source::keep_none(&home).unwrap();
        assert_eq!(Source::of(&home).unwrap(), None);
    }

    #[test]
    fn a_damaged_source_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::open(directory.path()).unwrap();
        for text in ["", "url", "dns 1.2.3.4\n", "ftp x\n"] {
            home.write(SOURCE, text.as_bytes()).unwrap();
            let line = format!("{:#}", Source::of(&home).unwrap_err());
            assert!(line.contains("source is damaged: enroll again"), "{line}");
        }
    }
}
