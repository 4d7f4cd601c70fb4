//! The kinds of NAT (RFC 3489 section 5 names them, RFC 4787 section 4 and 5 tells mapping and
//! filtering apart), made of rules for the kernel's own NAT.

use std::fmt;
use std::net::Ipv4Addr;

use super::lab::BRIDGE;

/// What a router does to UDP. Each keeps the port of the home where it can, but the symmetric one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Nat {
    /// One mapping for all; everybody may answer.
    FullCone,
    /// One mapping for all; an address that was sent to may answer, from any port.
    AddressRestricted,
    /// One mapping for all; an address and port that was sent to may answer.
    PortRestricted,
    /// A mapping for each address and port; only they may answer.
    Symmetric,
}

impl Nat {
    /// All kinds, the most open first.
    pub const ALL: [Self; 4] =
        [Self::FullCone, Self::AddressRestricted, Self::PortRestricted, Self::Symmetric];

    pub(super) fn rules(self, home: Ipv4Addr) -> String {
        let strangers = match self {
            Self::FullCone => format!("iifname eth0 meta l4proto udp dnat to {home}"),
            Self::AddressRestricted => {
                format!("iifname eth0 ip saddr . udp dport @met dnat to {home}")
            }
            Self::PortRestricted | Self::Symmetric => String::new(),
        };
        let mapping =
            if self == Self::Symmetric { "masquerade fully-random" } else { "masquerade" };
        format!(
            "flush ruleset
             table ip nat {{
               set met {{ type ipv4_addr . inet_service; flags dynamic,timeout; timeout {MEMORY}; }}
               chain before {{ type nat hook prerouting priority -100; {strangers}; }}
               chain after {{ type nat hook postrouting priority 100; oifname eth0 {mapping}; }}
               chain meet {{
                 type filter hook forward priority 0;
                 iifname {BRIDGE} oifname eth0 update @met {{ ip daddr . udp sport }};
               }}
               # Strangers are dropped before they have a mapping: else it would take the port that the
               # home is about to use, as no bought router lets them.
               chain own {{
                 type filter hook input priority 0;
                 iifname eth0 ct state new drop;
               }}
             }}
            "
        )
        .replace("-100; ;", "-100;")
    }
}

/// How long an address is known after the last packet to it: RFC 4787 asks for two minutes (REQ-5).
const MEMORY: &str = "120s";

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FullCone => "full cone",
            Self::AddressRestricted => "address-restricted",
            Self::PortRestricted => "port-restricted",
            Self::Symmetric => "symmetric",
        })
    }
}
