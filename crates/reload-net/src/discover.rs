//! Discovery of a configuration server by DNS (section 11.2, E95): the SRV record
//! `_reload-config._tcp` of the overlay name, and the addresses behind it. It fetches nothing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError as DnsError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use thiserror::Error;

/// The name of the record before the overlay name.
const SERVICE: &str = "_reload-config._tcp";
/// Where https is when no SRV record says otherwise (E95).
const HTTPS_PORT: u16 = 443;
/// Time for one query to one name server; there are two attempts.
const QUERY_TIME: Duration = Duration::from_secs(3);
/// Servers of one answer that are looked at.
const MAX_SERVERS: usize = 8;

/// Why DNS does not lead to a configuration server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The name cannot be asked for.
    #[error("{0:?} is no name that DNS could know")]
    BadName(String),
    /// The resolver of the system cannot be used.
    #[error("the DNS settings of this machine can't be used ({0}); give --dns or --config-url")]
    System(String),
    /// The name servers do not answer, or with an error.
    #[error("DNS gives no answer for {name}: {reason}; give --config-url if it is known")]
    NoAnswer {
        /// What was asked for.
        name: String,
        /// In words.
        reason: String,
    },
    /// The overlay says that it has no configuration server: a record with the target `.` (RFC 2782).
    #[error("the DNS says that {0} has no configuration server; get its document by other means")]
    NotOffered(String),
    /// Names without addresses.
    #[error("no address is known in DNS for {0}; give --config-url")]
    NoAddress(String),
}

/// Asks DNS where the configuration server of an overlay is.
#[derive(Clone, Debug)]
pub struct Discovery {
    resolver: TokioResolver,
}

impl Discovery {
    /// With the name servers of this machine.
    ///
    /// # Errors
    /// [`DiscoveryError::System`].
    pub fn system() -> Result<Self, DiscoveryError> {
        let system = |error: DnsError| DiscoveryError::System(error.to_string());
        let mut builder = TokioResolver::builder_tokio().map_err(system)?;
        builder.options_mut().timeout = QUERY_TIME;
        Ok(Self { resolver: builder.build().map_err(system)? })
    }

    /// With one name server, at any port.
    ///
    /// # Errors
    /// [`DiscoveryError::System`].
    pub fn with_server(server: SocketAddr) -> Result<Self, DiscoveryError> {
        let mut udp = ConnectionConfig::udp();
        let mut tcp = ConnectionConfig::tcp(); // for answers that UDP cuts off
        (udp.port, tcp.port) = (server.port(), server.port());
        let server = NameServerConfig::new(server.ip(), true, vec![udp, tcp]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        let mut builder = TokioResolver::builder_with_config(config, provider);
        builder.options_mut().timeout = QUERY_TIME;
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let system = |error: DnsError| DiscoveryError::System(error.to_string());
        Ok(Self { resolver: builder.build().map_err(system)? })
    }

    /// The addresses of the configuration servers, in the order to try them: those of the SRV records,
    /// or port 443 of the overlay name if there is no such record.
    ///
    /// # Errors
    /// [`DiscoveryError`]; silence of the name servers is not taken for "no record".
    pub async fn servers(&self, overlay: &str) -> Result<Vec<SocketAddr>, DiscoveryError> {
        let host = absolute(overlay)?;
        let service = absolute(&format!("{SERVICE}.{overlay}"))?;
        let records = self.records(&service).await?;
        if records.is_empty() {
            return self.addresses(&host, HTTPS_PORT).await;
        }
        let offered: Vec<SRV> =
            records.into_iter().filter(|record| !record.target.is_root()).collect();
        if offered.is_empty() {
            return Err(DiscoveryError::NotOffered(overlay.to_owned()));
        }
        let mut addresses = Vec::new();
        let mut error = None;
        for record in in_order(offered, &mut StdRng::from_os_rng()).iter().take(MAX_SERVERS) {
            match self.addresses(&record.target, record.port).await {
                Ok(found) => addresses.extend(found),
                Err(found) => error = Some(found),
            }
        }
        match error {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }

    async fn records(&self, name: &Name) -> Result<Vec<SRV>, DiscoveryError> {
        match self.resolver.srv_lookup(name.clone()).await {
            Ok(lookup) => {
                let records = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::SRV(record) => Some(record.clone()),
                    _ => None,
                });
                Ok(records.collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(no_answer(name, &error)),
        }
    }

    async fn addresses(&self, name: &Name, port: u16) -> Result<Vec<SocketAddr>, DiscoveryError> {
        let none = || DiscoveryError::NoAddress(plain(name));
        match self.resolver.lookup_ip(name.clone()).await {
            Ok(lookup) => {
                let addresses: Vec<IpAddr> = lookup.iter().collect();
                if addresses.is_empty() {
                    return Err(none());
                }
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
            }
            Err(error) if error.is_no_records_found() => Err(none()),
            Err(error) => Err(no_answer(name, &error)),
        }
    }
}

/// The name as it is, never with a search domain of this machine behind it.
fn absolute(name: &str) -> Result<Name, DiscoveryError> {
    let mut parsed =
        Name::from_ascii(name).map_err(|_| DiscoveryError::BadName(name.to_owned()))?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

fn no_answer(name: &Name, error: &DnsError) -> DiscoveryError {
    DiscoveryError::NoAnswer { name: plain(name), reason: error.to_string() }
}

fn plain(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_owned()
}

/// Lowest priority first; among equals by chance, in proportion to the weight (RFC 2782).
fn in_order(mut records: Vec<SRV>, random: &mut impl Rng) -> Vec<SRV> {
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::new();
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|record| record.priority == priority);
        let weights: Vec<u32> = equals.map(|record| u32::from(record.weight)).collect();
        let mut rest = random.random_range(0..=weights.iter().sum());
        let chosen = weights.iter().position(|&weight| {
            let found = rest <= weight;
            rest = rest.saturating_sub(weight);
            found
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, port: u16) -> SRV {
        SRV::new(priority, weight, port, Name::root())
    }

    #[test]
    fn a_lower_priority_comes_first_and_a_heavier_weight_more_often() {
        let records = || vec![record(20, 0, 3), record(10, 90, 1), record(10, 10, 2)];
        let mut random = StdRng::seed_from_u64(1);
        let mut heavy_first = 0;
        for _ in 0..1000 {
            let ordered = in_order(records(), &mut random);
            assert_eq!(ordered[2].port, 3);
            heavy_first += u32::from(ordered[0].port == 1);
        }
        assert!((850..950).contains(&heavy_first), "{heavy_first}");
    }

    #[test]
    fn a_name_that_dns_cannot_know_is_refused() {
        let error = absolute(&"a".repeat(64)).unwrap_err();
        assert!(matches!(error, DiscoveryError::BadName(_)));
        assert!(absolute("o.example").unwrap().is_fqdn());
    }
}
