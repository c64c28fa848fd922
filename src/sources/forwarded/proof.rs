//! Why identity headers can be believed: what proves that the proxy wrote them (H-1).

use http::HeaderName;
use http::request::Parts;
use secrecy::{ExposeSecret, SecretString};

use crate::base::secret;
use crate::config::env::Env;
use crate::config::read::header_secret;
use crate::net::peer::{Peer, Transport, TrustedProxies};
use crate::session::nobody::Nobody;
use crate::sources::forwarded::convention::{Convention, EASY_AUTH};

crate::settings! {
    pub vars {
        FORWARDED_PROOF_SECRET(secret),
            "Secret that the proxy adds to every request, proving that the identity headers came from it. At least 32 characters.";
        FORWARDED_PROOF_SECRET_NEXT(secret; after("FORWARDED_PROOF_SECRET")),
            "A second accepted proof secret, for the time in which the proxy is being switched over.";
        FORWARDED_PROOF_HEADER("X-Countersign-Proof", "X-Proxy-Secret"),
            "Header in which the proxy sends the proof secret.";
        FORWARDED_UNSAFE_CIDR_ONLY("false", "true"),
            "UNSAFE: accept identity headers on the peer's address alone (TRUSTED_PROXIES), without a proof secret. Anyone who can reach us from those addresses can be anyone.";
        WEBSITE_AUTH_ENABLED("", "True"),
            "Set by Azure App Service while its own authentication guards the app: the proof of origin for `easy-auth`.";
    }
}

const ANYWHERE: &str = "is required for the source forwarded: without proof of origin anyone who reaches this listener can be anyone. Let the proxy add a secret header, listen on a Unix socket (LISTEN=unix:/path), or ask the proxy for a certificate (TLS_CLIENT_CA)";
/// What there is on Azure: its front adds no secret header and opens no socket of ours.
const ON_AZURE: &str = "is required for the source forwarded: without proof of origin anyone who reaches this listener can be anyone. On App Service, and behind a linked Static Web App, turn authentication on: the platform then sets WEBSITE_AUTH_ENABLED, which is the proof. Container Apps says nothing of the kind to the app: there use its signed token, SESSION_SOURCES=assertion with ASSERTION_CONVENTION=easy-auth-id-token and the token store on";

/// Why the headers of a request can be believed.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    Secret { header: HeaderName, accepted: Vec<SecretString> },
    UnixSocket,
    Certificate,
    Platform,
    AddressOnly,
}

impl Proof {
    /// Whether the request demonstrably came through the proxy. Everything that is configured must hold.
    ///
    /// # Errors
    /// [`Nobody`], which says what is missing.
    pub(super) fn check(&self, request: &Parts, proxies: &TrustedProxies) -> Result<(), Nobody> {
        let peer = request.extensions.get::<Peer>().copied();
        if !proxies.is_empty() && !peer.is_some_and(|peer| proxies.trust(peer)) {
            return Err(Nobody::ProofPeer);
        }
        match self {
            Self::Secret { header, accepted } => {
                let sent = request.headers.get(header).map_or(&b""[..], |v| v.as_bytes());
                // Every accepted secret is compared, so that the time taken does not tell which one is in use.
                let same = |any, secret: &SecretString| any | secret::same(secret.expose_secret().as_bytes(), sent);
                match accepted.iter().fold(false, same) {
                    true => Ok(()),
                    false if sent.is_empty() => Err(Nobody::ProofMissing(header.to_string())),
                    false => Err(Nobody::ProofWrong(header.to_string())),
                }
            }
            Self::UnixSocket if peer != Some(Peer::Unix) => Err(Nobody::ProofPeer),
            Self::Certificate if !matches!(peer, Some(Peer::Certified(_))) => Err(Nobody::ProofPeer),
            Self::UnixSocket | Self::Certificate | Self::Platform | Self::AddressOnly => Ok(()),
        }
    }
}

/// The strongest proof that is configured. None at all is a mistake: an empty list of addresses never means everybody
/// (H-1).
pub(super) fn read_proof(
    env: &mut Env,
    header: Option<HeaderName>,
    convention: Option<&Convention>,
    proxies: &TrustedProxies,
    transport: Transport,
) -> Option<Proof> {
    let accepted: Vec<SecretString> = [&FORWARDED_PROOF_SECRET, &FORWARDED_PROOF_SECRET_NEXT]
        .into_iter()
        .filter_map(|var| header_secret(env, var))
        .collect();
    let unsafe_only = env.flag(&FORWARDED_UNSAFE_CIDR_ONLY);
    let on_platform = env.text(&WEBSITE_AUTH_ENABLED).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if !accepted.is_empty() {
        return header.map(|header| Proof::Secret { header, accepted });
    }
    if env.is_set(&FORWARDED_PROOF_SECRET) || env.is_set(&FORWARDED_PROOF_SECRET_NEXT) {
        return None;
    }
    match transport {
        Transport::UnixSocket => return Some(Proof::UnixSocket),
        Transport::Certificate => return Some(Proof::Certificate),
        Transport::Open => {}
    }
    if on_platform && convention.is_some_and(|c| c.name == EASY_AUTH) {
        return Some(Proof::Platform);
    }
    if unsafe_only && !proxies.is_empty() {
        env.warn(FORWARDED_UNSAFE_CIDR_ONLY.name, "identity headers are believed on an address alone");
        return Some(Proof::AddressOnly);
    }
    let easy_auth = convention.is_some_and(|c| c.name == EASY_AUTH);
    env.mistake_in(&FORWARDED_PROOF_SECRET, if easy_auth { ON_AZURE } else { ANYWHERE });
    None
}
