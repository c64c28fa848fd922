//! The one place that checks signed tokens: assertions of front proxies, access tokens, ID tokens, logout tokens.
//!
//! The order is fixed and every step rejects the whole token: size, shape, protected header, algorithm, type, the
//! producer's own marks, key, signature; and only then what the token says: every name once, issuer, audience, times,
//! requirements. Until the signature holds, nothing in a token causes a call to anybody but the configured key server.

pub mod compact;
pub mod rejected;
pub mod rules;
pub mod times;

use crate::base::clock::Clock;
use crate::jose::jwks::Keys;
use crate::jose::jwks::remote::Unavailable;
use crate::jose::jws::compact::split;
use crate::jose::jws::rejected::Failure;
use crate::jose::jws::rules::{Rules, Verified};

/// Checks one producer's tokens.
#[derive(Debug, Clone)]
pub struct Verifier {
    rules: Rules,
    keys: Keys,
    clock: Clock,
}

impl Verifier {
    /// A verifier of tokens that keep `rules` and are signed by one of `keys`.
    #[must_use]
    pub fn new(rules: Rules, keys: Keys, clock: Clock) -> Self {
        Self { rules, keys, clock }
    }

    /// Where the keys come from, for the start-up message and the console.
    #[must_use]
    pub fn keys_origin(&self) -> &str {
        self.keys.origin()
    }

    /// Believes a token, or says why not.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn verify(&self, token: &[u8]) -> Result<Verified, Failure> {
        let parts = split(token, self.rules.padding)?;
        let header = parts.header()?;
        let algorithm = self.rules.admit(&header)?;
        let key = self.keys.find(header.key_id()?, algorithm).await?;
        parts.check(&key, algorithm)?;
        let claims = parts.claims()?;
        Ok(self.rules.judge(claims, &header, self.clock.now())?)
    }

    /// Fetches what is needed before the first token comes.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be had at present.
    pub async fn warm(&self) -> Result<(), Unavailable> {
        self.keys.warm().await
    }
}
