//! Who is on the other end of the connection, and whose word about the client's address is believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::config::env::Env;
use crate::net::field::trim_str;

/// The socket's other end. An address from a header is never one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection from this address.
    Tcp(IpAddr),
    /// A TLS connection from this address, whose other end has shown a certificate that is asked of proxies.
    Certified(IpAddr),
    /// A Unix socket: whoever may open it is decided by the file's permissions.
    Unix,
}

/// What the listener itself proves about whoever connects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// Nothing.
    #[default]
    Open,
    /// Its file's permissions say who may.
    UnixSocket,
    /// Only who shows a certificate may.
    Certificate,
}

crate::settings! {
    pub vars {
        TRUSTED_PROXIES("", "10.0.3.7/32"),
            "Addresses or networks (CIDR) of the proxies in front. When set, identity headers count only from these, and only these are believed about the client's address. Never proof enough by itself.";
    }
}

/// The configured networks. Empty means that no TCP peer is trusted, never that all are (H-1, H-6).
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Net>);

#[derive(Debug, Clone)]
struct Net(IpNet);

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse().or_else(|_| single()).map(Self).map_err(|_| format!("{text} is neither an address nor a network"))
    }
}

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`.
    pub fn read(env: &mut Env) -> Self {
        let nets: Vec<Net> = env.list(&TRUSTED_PROXIES);
        if nets.iter().any(|net| net.0.prefix_len() == 0) {
            env.mistake_in(&TRUSTED_PROXIES, "a network of length 0 is everybody; name the proxies");
        }
        Self(nets)
    }

    /// Whether no network is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this peer is one of our proxies. A Unix socket always is; who shows a certificate is, from where proxies are.
    #[must_use]
    pub fn trust(&self, peer: Peer) -> bool {
        match peer {
            Peer::Unix => true,
            Peer::Tcp(address) => self.contains(address),
            Peer::Certified(address) => self.is_empty() || self.contains(address),
        }
    }

    /// Whether this peer's connections are many visitors'. Where no proxy is named, whoever asks from this machine or from a
    /// private network is one all the same: counted as one visitor, it would keep all others out.
    #[must_use]
    pub fn speaks_for_many(&self, peer: Peer) -> bool {
        let unnamed = |address: IpAddr| self.is_empty() && (address.is_loopback() || is_private(address));
        self.trust(peer) || matches!(peer, Peer::Tcp(address) if unnamed(address.to_canonical()))
    }

    fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.0.contains(&address))
    }

    /// The address of whoever sent this request, as far as it tells them from others.
    #[must_use]
    pub fn visitor(&self, request: &Parts) -> Option<IpAddr> {
        let address = self.client(*request.extensions.get::<Peer>()?, &request.headers).address;
        address.filter(|address| !(self.is_empty() && is_shared(*address, &request.headers)))
    }

    /// The client's address: the peer's own, unless the peer is a trusted proxy; then the right-most hop that is not one
    /// of ours (H-6). `None` behind a Unix socket whose proxy says nothing usable.
    #[must_use]
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Client {
        let own = match peer {
            Peer::Tcp(address) | Peer::Certified(address) => Some(address.to_canonical()),
            Peer::Unix => None,
        };
        if !self.trust(peer) {
            return Client { address: own, contradiction: false };
        }
        match (hops(headers, &X_FORWARDED_FOR, xff_hop), hops(headers, &FORWARDED, forwarded_hop)) {
            (Some(a), Some(b)) if a != b => Client { address: own, contradiction: true },
            (Some(chain), _) | (None, Some(chain)) => {
                let hop = chain.iter().rev().find(|hop| hop.is_none_or(|a| !self.contains(a)));
                Client { address: hop.copied().flatten().or(own), contradiction: false }
            }
            (None, None) => Client { address: own, contradiction: false },
        }
    }
}

/// What is known of the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address, when there is one to know.
    pub address: Option<IpAddr>,
    /// `Forwarded` and `X-Forwarded-For` told different stories, so both were passed over.
    pub contradiction: bool,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("-"),
        }
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// All hops of all instances of one header, left to right; a hop that is no address is `None` and ends the search for
/// the client, because whatever stands left of it cannot be vouched for.
fn hops(headers: &HeaderMap, name: &HeaderName, read: fn(&str) -> Option<IpAddr>) -> Option<Vec<Option<IpAddr>>> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|v| v.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.iter().flat_map(|line| line.split(',')).map(read).collect())
}

fn xff_hop(text: &str) -> Option<IpAddr> {
    address(trim_str(text))
}

/// The `for=` parameter of one `Forwarded` element (RFC 7239 section 4).
fn forwarded_hop(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| trim_str(name).eq_ignore_ascii_case("for"))?;
    address(trim_str(node).trim_matches('"'))
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(bracketed).map(|a: IpAddr| a.to_canonical())
}

/// What one client can be counted by: whoever has one IPv6 address has the whole network of 64 bits.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether an address is everybody's where no proxy is named. When this very machine asks, it is a proxy all the same: counted,
/// it would let one visitor keep all others out. So is a private address that speaks for somebody else.
#[must_use]
pub fn is_shared(address: IpAddr, headers: &HeaderMap) -> bool {
    let speaks_for = [X_FORWARDED_FOR, FORWARDED].iter().any(|name| headers.contains_key(name));
    address.is_loopback() || speaks_for && is_private(address)
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
