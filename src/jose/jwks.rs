//! The client side of key sets: whose keys verify a producer's tokens, where they are, and how they stay current.
//!
//! Where keys come from is configured, never learned from a token: `jku`, `x5u`, `jwk` and `x5c` are not read anywhere
//!

pub mod discovery;
pub mod key;
pub mod per_kid;
pub mod remote;

use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use crate::base::clock::Clock;
use crate::jose::algorithm::Algorithm;
use crate::jose::jwks::discovery::{Provider, read_set};
use crate::jose::jwks::key::{Key, KeySet, NoMatch};
use crate::jose::jwks::per_kid::PerKid;
use crate::jose::jwks::remote::{Remote, Unavailable};
use crate::net::outbound::Outbound;

/// Why there is no key to verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The producer has no one key that answers to this name with this algorithm.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// It could not be found out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// One producer's keys. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Keys(Place);

#[derive(Debug, Clone)]
enum Place {
    Pinned(Arc<KeySet>),
    Set(Remote<KeySet>),
    Discovered(Provider),
    PerKid(PerKid),
}

impl Keys {
    /// These keys and no others.
    #[must_use]
    pub fn pinned(keys: KeySet) -> Self {
        Self(Place::Pinned(Arc::new(keys)))
    }

    /// The JWK set at `url`.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called.
    pub fn at(url: Url, outbound: &Outbound, clock: Clock) -> Result<Self, String> {
        Remote::new(url, outbound, clock, read_set).map(|remote| Self(Place::Set(remote)))
    }

    /// The keys that an issuer's discovery document names.
    #[must_use]
    pub fn of(provider: Provider) -> Self {
        Self(Place::Discovered(provider))
    }

    /// Keys that are published one by one at `base` followed by their id.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called.
    pub fn one_by_one(base: &Url, outbound: &Outbound, clock: Clock) -> Result<Self, String> {
        PerKid::new(base, outbound, clock).map(|keys| Self(Place::PerKid(keys)))
    }

    /// Where they come from, for the start-up message and the console.
    #[must_use]
    pub fn origin(&self) -> &str {
        match &self.0 {
            Place::Pinned(_) => "configuration",
            Place::Set(remote) => remote.url().as_str(),
            Place::Discovered(provider) => provider.url().as_str(),
            Place::PerKid(keys) => keys.url().as_str(),
        }
    }

    /// The key of this name that `algorithm` accepts. A set that lacks it is fetched again, at most once per window.
    ///
    /// # Errors
    /// [`NoKey`].
    pub async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Arc<Key>, NoKey> {
        self.find_for(id, algorithm, None).await
    }

    /// The same for somebody at this address, whose wrong guesses are their own.
    ///
    /// # Errors
    /// [`NoKey`].
    pub async fn find_for(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        asker: Option<IpAddr>,
    ) -> Result<Arc<Key>, NoKey> {
        let remote = match &self.0 {
            Place::Pinned(keys) => return Ok(keys.find(id, algorithm)?),
            Place::PerKid(keys) => return find_one(keys, id, algorithm, asker).await,
            Place::Set(remote) => remote.clone(),
            Place::Discovered(provider) => provider.keys().await?,
        };
        let since = remote.moment();
        match remote.get().await?.find(id, algorithm) {
            Err(NoMatch::Unknown) => Ok(remote.again(id.unwrap_or_default(), since).await?.find(id, algorithm)?),
            found => Ok(found?),
        }
    }

    /// Fetches what can be fetched before the first token comes, so that readiness can wait for it.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be had at present.
    pub async fn warm(&self) -> Result<(), Unavailable> {
        match &self.0 {
            Place::Pinned(_) | Place::PerKid(_) => Ok(()),
            Place::Set(remote) => remote.get().await.map(drop),
            Place::Discovered(provider) => provider.keys().await?.get().await.map(drop),
        }
    }
}

async fn find_one(
    keys: &PerKid,
    id: Option<&str>,
    algorithm: Algorithm,
    asker: Option<IpAddr>,
) -> Result<Arc<Key>, NoKey> {
    let id = id.ok_or(NoMatch::Unknown)?;
    let found = keys.get(id, asker).await?.ok_or(NoMatch::Unknown)?;
    Ok(found.find(Some(id), algorithm)?)
}
