//! Host names are looked up nowhere: the overlay finds users, and the route to the outside is an address.
//! The SIP stack asks when it repeats an ACK, and must not wait for DNS then.

use async_trait::async_trait;
use rsipstack::sip::{Host, HostWithPort, Transport};
use rsipstack::transport::SipAddr;
use rsipstack::transport::transport_layer::DomainResolver;

use super::channel::NOWHERE;

/// Answers at once, with an address that leads nowhere: pipes do not look at addresses.
pub(crate) struct NoNames;

#[async_trait]
impl DomainResolver for NoNames {
    async fn resolve(&self, target: &SipAddr) -> rsipstack::Result<SipAddr> {
        match target.r#type {
            None | Some(Transport::Udp) => {
                let addr =
                    HostWithPort { host: Host::IpAddr(NOWHERE.into()), port: target.addr.port };
                Ok(SipAddr { r#type: Some(Transport::Udp), addr })
            }
            Some(_) => Err(rsipstack::Error::DnsResolutionError(target.addr.to_string())),
        }
    }
}
