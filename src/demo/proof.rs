//! How the chat vendor's server checks a token: with its own copy of what was agreed on, by another library than the one
//! that signs.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, Method};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value, json};
use url::Url;

use super::events::{Actor, Events, Outcome};
use crate::base::clock::{Clock, UnixTime};
use crate::net::outbound::{Call, Limits, Outbound, Target};

/// How the tokens of one widget are checked.
#[derive(Debug)]
pub struct Check {
    /// The widget's name.
    pub widget: &'static str,
    /// The one algorithm that is accepted.
    pub algorithm: Algorithm,
    /// With what the signature is checked.
    pub key: Key,
    /// `iss` that is required.
    pub issuer: Option<String>,
    /// `aud` that is required.
    pub audience: Option<String>,
    /// The claim that names the visitor.
    pub id_claim: &'static str,
    /// Whether the format has a `name`, which is then required.
    pub named: bool,
}

/// With what a signature is checked.
#[derive(Debug)]
pub enum Key {
    /// The secret that the vendor's console showed, in base64url.
    Shared(String),
    /// The secret that the vendor's console showed, as text.
    Text(String),
    /// Keys that the customer publishes.
    Published(Published),
}

/// Somebody who is believed in until the proof ends.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The customer's id of the visitor.
    pub id: String,
    /// Display name.
    pub name: String,
    /// `jti`, where the format has it.
    pub token_id: Option<String>,
    /// When the proof ends.
    pub expires_at: UnixTime,
    /// Everything the token said.
    pub claims: Map<String, Value>,
}

impl Check {
    /// Whom a token is about; `late` checks it as of a moment after its end, so that nobody has to wait.
    ///
    /// # Errors
    /// [`Mismatch`], the first thing that does not hold.
    pub async fn verify(&self, token: &str, late: bool, clock: &Clock) -> Result<Visitor, Mismatch> {
        let header = part(token, 0)?;
        let asked = header.get("alg").and_then(Value::as_str).unwrap_or("nothing");
        let accepted = name_of(self.algorithm);
        if asked != accepted {
            return Err(Mismatch::Algorithm(asked.chars().take(20).collect(), accepted));
        }
        let key = match &self.key {
            Key::Shared(secret) => {
                let bytes = BASE64URL_NOPAD.decode(secret.as_ref()).map_err(|_| Mismatch::NoKeys)?;
                DecodingKey::from_secret(&bytes)
            }
            Key::Text(secret) => DecodingKey::from_secret(secret.as_bytes()),
            Key::Published(keys) => {
                let kid = header.get("kid").and_then(Value::as_str).ok_or(Mismatch::UnknownKey)?;
                keys.named(kid, clock).await?
            }
        };
        let visitor = self.visitor(self.verified(token, &key)?)?;
        let now = if late { UnixTime(visitor.expires_at.0 + 1) } else { clock.now() };
        if now < visitor.expires_at {
            return Ok(visitor);
        }
        let ago = now.since(visitor.expires_at).as_secs().max(1);
        Err(Mismatch::Expired(if ago == 1 { "a second".to_owned() } else { format!("{ago} seconds") }))
    }

    /// The claims of a token whose signature and addressee hold. Its time is looked at by our own clock afterwards.
    fn verified(&self, token: &str, key: &DecodingKey) -> Result<Map<String, Value>, Mismatch> {
        use jsonwebtoken::errors::ErrorKind as Kind;
        let mut rules = Validation::new(self.algorithm);
        rules.validate_exp = false;
        let mut required = vec!["exp"];
        if let Some(issuer) = &self.issuer {
            rules.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &self.audience {
            rules.set_audience(&[audience]);
            required.push("aud");
        }
        rules.set_required_spec_claims(&required);
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &rules);
        decoded.map(|data| data.claims).map_err(|error| match error.kind() {
            Kind::InvalidSignature => Mismatch::Signature,
            Kind::InvalidIssuer | Kind::InvalidAudience => Mismatch::Addressee,
            Kind::MissingRequiredClaim(_) => Mismatch::Incomplete,
            _ => Mismatch::Malformed,
        })
    }

    fn visitor(&self, claims: Map<String, Value>) -> Result<Visitor, Mismatch> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text(self.id_claim).ok_or(Mismatch::Incomplete)?;
        let name = text("name").or_else(|| (!self.named).then(|| id.clone())).ok_or(Mismatch::Incomplete)?;
        let expires_at = claims.get("exp").and_then(Value::as_u64).map(UnixTime).ok_or(Mismatch::Incomplete)?;
        Ok(Visitor { id, name, token_id: text("jti"), expires_at, claims })
    }
}

/// The customer's public keys, fetched from where it publishes them.
#[derive(Debug)]
pub struct Published {
    url: Url,
    known: Mutex<Option<JwkSet>>,
    events: Events,
}

impl Published {
    /// Keys at this address; fetching them is told.
    #[must_use]
    pub fn new(url: Url, events: Events) -> Self {
        Self { url, known: Mutex::default(), events }
    }

    /// The key of this id; the keys are fetched when it is not known yet.
    async fn named(&self, kid: &str, clock: &Clock) -> Result<DecodingKey, Mismatch> {
        let known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|set| set.find(kid).cloned());
        let jwk = match known {
            Some(jwk) => jwk,
            None => self.fetch(clock).await?.find(kid).cloned().ok_or(Mismatch::UnknownKey)?,
        };
        DecodingKey::from_jwk(&jwk).map_err(|_| Mismatch::UnknownKey)
    }

    async fn fetch(&self, clock: &Clock) -> Result<JwkSet, Mismatch> {
        let target = Target::new(&Outbound::default(), &self.url, Limits::DEFAULT, clock.clone());
        let call = Call { method: Method::GET, url: self.url.clone(), headers: HeaderMap::new(), body: Bytes::new() };
        let reply = target.map_err(|_| Mismatch::NoKeys)?.call(call).await.map_err(|_| Mismatch::NoKeys)?;
        let set: JwkSet = serde_json::from_slice(&reply.body).map_err(|_| Mismatch::NoKeys)?;
        let detail = json!({ "address": self.url.as_str(), "keys": set.keys.len() });
        self.events.tell(Actor::WidgetServer, Outcome::Noted, "Fetched the clinic\u{2019}s public keys", detail);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(set)
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// There is no such widget.
    #[error("there is no such widget")]
    Widget,
    /// Not three parts of base64url with JSON in them.
    #[error("it is not a signed token")]
    Malformed,
    /// The header asks for another algorithm.
    #[error("its header asks for {0}, and only {1} is accepted")]
    Algorithm(String, &'static str),
    /// The signature is not by the key.
    #[error("its signature does not match: somebody else made it, or changed it")]
    Signature,
    /// The key is not among the published ones.
    #[error("no published key has made it")]
    UnknownKey,
    /// A claim is missing.
    #[error("a claim is missing")]
    Incomplete,
    /// It is for another server, or from another issuer.
    #[error("it is meant for somebody else")]
    Addressee,
    /// It has ended.
    #[error("it expired {0} ago")]
    Expired(String),
    /// It has been used.
    #[error("it has been used before, and each may be used once")]
    Spent,
    /// The digest is not by the key, or not of this.
    #[error("its digest does not match: it is somebody else's, or somebody made it up")]
    Digest,
    /// The proof is about somebody else than the call says.
    #[error("the proof is another visitor's than the call names")]
    Another,
    /// This server has given out no such token.
    #[error("this server has given nobody such a token")]
    NeverGiven,
    /// The keys could not be fetched.
    #[error("the public keys could not be fetched")]
    NoKeys,
}

impl Mismatch {
    /// A short stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Widget => "unknown_widget",
            Self::Malformed => "malformed",
            Self::Algorithm(..) => "algorithm",
            Self::Signature => "signature",
            Self::UnknownKey => "unknown_key",
            Self::Incomplete => "incomplete",
            Self::Addressee => "addressee",
            Self::Expired(_) => "expired",
            Self::Spent => "spent",
            Self::Digest => "digest",
            Self::Another => "another",
            Self::NeverGiven => "never_given",
            Self::NoKeys => "no_keys",
        }
    }
}

/// One of the first two parts of a token, read before anything about it is believed.
fn part(token: &str, index: usize) -> Result<Map<String, Value>, Mismatch> {
    let part = token.split('.').nth(index).ok_or(Mismatch::Malformed)?;
    let bytes = BASE64URL_NOPAD.decode(part.as_ref()).map_err(|_| Mismatch::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Mismatch::Malformed)
}

fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::ES256 => "ES256",
        _ => "another",
    }
}
