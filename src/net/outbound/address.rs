//! Which addresses are this machine, and which are never called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Every spelling of this machine, as lists of hosts that are called without a proxy write them.
pub(super) const LOOPBACK: &str = "localhost,localhost.,127.0.0.0/8,::1,::ffff:127.0.0.0/104";

/// Whether plain HTTP to this address stays on this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Under schemes that browsers do not know (redis, postgres) an address is parsed as if it were a name.
        Some(Host::Domain(name)) => is_local_name(name) || name.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback()),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => is_loopback_address(address.into()),
        None => false,
    }
}

/// `localhost` and every name under it (RFC 6761 section 6.3).
fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_loopback_address(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Says why an address that is written out is never called.
///
/// # Errors
/// A sentence for the operator.
pub(super) fn check_literal(url: &Url) -> Result<(), String> {
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    match literal.filter(|address| is_off_limits(*address)) {
        Some(address) => Err(format!("{address} is a link-local or special address and is never called")),
        None => Ok(()),
    }
}

/// Addresses that answer for the machine or the cloud it runs in, not for a server somebody meant: link-local (cloud
/// metadata), unspecified, multicast, broadcast (C-2).
#[must_use]
pub fn is_off_limits(address: IpAddr) -> bool {
    const EC2_METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match address.to_canonical() {
        IpAddr::V4(a) => a.is_link_local() || a.is_unspecified() || a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unicast_link_local() || a.is_unspecified() || a.is_multicast() || a == EC2_METADATA,
    }
}

/// The system's resolver, minus addresses that are off limits: a name that is re-pointed at the cloud's metadata service
/// resolves to nothing. A name under `localhost` is this machine, whatever a name server says.
pub(super) struct CarefulResolver;

impl Resolve for CarefulResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            if is_local_name(name.as_str()) {
                return Ok(Box::new(this_machine(name.as_str()).await.into_iter()) as Addrs);
            }
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|a| !is_off_limits(a.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address that may be called".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

async fn this_machine(name: &str) -> Vec<SocketAddr> {
    let found = tokio::net::lookup_host((name, 0)).await.ok();
    let local: Vec<SocketAddr> = found.into_iter().flatten().filter(|a| is_loopback_address(a.ip())).collect();
    if local.is_empty() { vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()] } else { local }
}
