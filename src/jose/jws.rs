//! The one place that checks signed tokens: assertions of front proxies, access tokens, ID tokens, logout tokens.
//!
//! The order is fixed and every step rejects the whole token: size, shape, protected header, algorithm, type, the
//! producer's own marks, key, signature; and only then what the token says: every name once, issuer, audience, times,
//! requirements. Until the signature holds, nothing in a token causes a call to anybody but the configured key server.

pub mod compact;
pub mod examine;
pub mod rejected;
pub mod rules;
pub mod times;

use std::net::IpAddr;

use serde_json::Value;

use crate::base::clock::Clock;
use crate::jose::jwks::Keys;
use crate::jose::jwks::remote::Unavailable;
use crate::jose::jws::compact::{Header, split};
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
        self.verify_for(token, None).await
    }

    /// The same for somebody at this address, whose made-up key ids are their own affair.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn verify_for(&self, token: &[u8], asker: Option<IpAddr>) -> Result<Verified, Failure> {
        let (claims, header) = self.signed(token, asker).await?;
        Ok(self.rules.judge(claims, &header, self.clock.now())?)
    }

    /// What one of the keys has signed, whatever it says: for answers that are no tokens.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn statement(&self, text: &[u8]) -> Result<Value, Failure> {
        Ok(self.signed(text, None).await?.0)
    }

    async fn signed(&self, token: &[u8], asker: Option<IpAddr>) -> Result<(Value, Header), Failure> {
        let parts = split(token, self.rules.padding)?;
        let header = parts.header()?;
        let algorithm = self.rules.admit(&header)?;
        let key = self.keys.find_for(header.key_id()?, algorithm, asker).await?;
        parts.check(&key, algorithm)?;
        Ok((parts.claims()?, header))
    }

    /// Fetches what is needed before the first token comes.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be had at present.
    pub async fn warm(&self) -> Result<(), Unavailable> {
        self.keys.warm().await
    }
}
