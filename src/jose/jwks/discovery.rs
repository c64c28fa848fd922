//! `OpenID` Connect Discovery 1.0: from an issuer's name to its endpoints and keys.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use url::Url;

use crate::base::clock::Clock;
use crate::base::json;
use crate::jose::jwks::key::KeySet;
use crate::jose::jwks::remote::{Remote, Unavailable, callable};
use crate::net::outbound::{Outbound, is_loopback};

/// What an issuer publishes about itself.
#[derive(Clone)]
pub struct Metadata {
    issuer: String,
    members: Value,
    local: bool,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Metadata {
    /// Reads a discovery document, which must name the issuer it was asked for, to the letter (section 4.3): the document
    /// decides which keys speak for that name.
    ///
    /// # Errors
    /// A word for the log.
    pub fn read(text: &[u8], issuer: &str, local: bool) -> Result<Self, &'static str> {
        let members = json::unique_object(text).map_err(|_| "discovery_not_json")?;
        let named = members.get("issuer").and_then(Value::as_str);
        if named != Some(issuer) {
            tell_issuers_apart(issuer, named);
            return Err("discovery_of_another_issuer");
        }
        Ok(Self { issuer: issuer.to_owned(), members, local })
    }

    /// The issuer, as configured and as the document says.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// An endpoint by its member's name (`token_endpoint`, `jwks_uri`, ...); `None` when it is missing or must not be
    /// called. An issuer elsewhere cannot send us to this machine.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<Url> {
        let url = Url::parse(self.members.get(name)?.as_str()?).ok()?;
        (callable(&url).is_ok() && (self.local || !is_loopback(&url))).then_some(url)
    }

    /// A list of texts by its member's name; empty when it is missing.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        let items = self.members.get(name).and_then(Value::as_array);
        items.map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
    }

    /// A flag by its member's name; false when it is missing.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.members.get(name) == Some(&Value::Bool(true))
    }
}

/// An issuer that publishes a discovery document. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    outbound: Outbound,
    clock: Clock,
    metadata: Remote<Metadata>,
    keys: Mutex<Option<Remote<KeySet>>>,
}

impl Provider {
    /// The issuer of this name. Nothing is fetched yet.
    ///
    /// # Errors
    /// A sentence for the operator when the name is no address that may be called.
    pub fn new(issuer: &str, outbound: &Outbound, clock: Clock) -> Result<Self, String> {
        let url = document_of(issuer)?;
        let (name, local) = (issuer.to_owned(), is_loopback(&url));
        let read = move |text: &[u8]| Metadata::read(text, &name, local);
        let metadata = Remote::new(url, outbound, clock.clone(), read)?;
        Ok(Self(Arc::new(Inner { outbound: outbound.clone(), clock, metadata, keys: Mutex::default() })))
    }

    /// Where the discovery document is.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.0.metadata.url()
    }

    /// What the issuer publishes about itself.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be had.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, Unavailable> {
        self.0.metadata.get().await
    }

    /// The issuer's keys, wherever it says they are at present.
    ///
    /// # Errors
    /// [`Unavailable`] when the discovery document cannot be had or names no key set that may be fetched.
    pub async fn keys(&self) -> Result<Remote<KeySet>, Unavailable> {
        let metadata = self.metadata().await?;
        let url = metadata.endpoint("jwks_uri");
        let url = url.ok_or(Unavailable::because("discovery_without_keys"))?;
        let mut keys = self.0.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.as_ref().filter(|known| *known.url() == url) {
            return Ok(known.clone());
        }
        let fresh = Remote::new(url, &self.0.outbound, self.0.clock.clone(), read_set);
        let fresh = fresh.map_err(|_| Unavailable::because("discovery_without_keys"))?;
        *keys = Some(fresh.clone());
        Ok(fresh)
    }
}

/// Reads a JWK set for a [`Remote`].
pub(super) fn read_set(text: &[u8]) -> Result<KeySet, &'static str> {
    KeySet::from_json(text).ok_or("no_usable_key")
}

/// An issuer's name is compared to the letter; a slash at the end is what most often differs, and nobody sees it. Any other name
/// is somebody else's text, which does not belong into a log.
pub fn tell_issuers_apart(configured: &str, named: Option<&str>) {
    let bare = |text: &str| text.trim_end_matches('/').len();
    let alike = named.filter(|named| named[..bare(named)] == configured[..bare(configured)] && named.len() < 256);
    let named = alike.unwrap_or("(another)");
    tracing::warn!(configured, named, "another issuer than the configured one, which is compared to the letter");
}

/// Where an issuer's discovery document is (section 4.1).
///
/// # Errors
/// A sentence for the operator when the issuer's name is no address that may be called.
pub fn document_of(issuer: &str) -> Result<Url, String> {
    let url = Url::parse(issuer).map_err(|problem| format!("is not an address ({problem})"))?;
    callable(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an issuer has neither query nor fragment".to_owned());
    }
    let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    Url::parse(&document).map_err(|problem| format!("is not an address ({problem})"))
}
