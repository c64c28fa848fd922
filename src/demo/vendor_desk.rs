//! The servers of the gallery's vendors, all in one: they give out tokens to whoever shows the API key, and check what the
//! pages' calls hand over, each by its vendor's rule.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value, json};

use super::proof::{Check, Key, Mismatch};
use super::vendors::{Rule, VENDORS, Vendor, filled};
use crate::base::clock::{Clock, UnixTime, random_id};
use crate::base::secret;

/// How long a token that was given out is good.
const TOKEN: Duration = Duration::from_hours(1);
/// Most tokens that are remembered.
const TOKENS_MAX: usize = 1000;

/// Whom a vendor's server takes the visitor for.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// The id or address that the vendor goes by.
    pub id: String,
    /// The name, where the proof says one.
    pub name: Option<String>,
}

/// What countersign is answered.
#[derive(Debug)]
pub enum Reply {
    /// What it asked for, and for whom a token was given.
    Given(Value, Option<(&'static str, String)>),
    /// The API key is another one.
    Unauthorized,
    /// It names nobody.
    Incomplete,
}

/// The servers.
#[derive(Debug)]
pub struct VendorDesk {
    keys: Vec<String>,
    given: Mutex<HashMap<String, Given>>,
    clock: Clock,
}

#[derive(Debug)]
struct Given {
    vendor: &'static str,
    id: String,
    until: UnixTime,
}

impl VendorDesk {
    /// Servers that share these secrets with their customer, in the order of [`VENDORS`].
    #[must_use]
    pub fn new(keys: Vec<String>, clock: Clock) -> Self {
        Self { keys, given: Mutex::default(), clock }
    }

    /// Who the visitor is, by what the page's call handed over.
    ///
    /// # Errors
    /// [`Mismatch`], the first thing that does not hold.
    pub async fn identify(&self, vendor: &str, sent: &Map<String, Value>) -> Result<Known, Mismatch> {
        let (at, vendor) = Vendor::named(vendor).ok_or(Mismatch::Widget)?;
        let key = self.keys.get(at).ok_or(Mismatch::NoKeys)?;
        let (known, beside) = match &vendor.rule {
            Rule::Token { proof, id, issuer, beside } => {
                let check = Check {
                    widget: vendor.name,
                    algorithm: Algorithm::HS256,
                    key: Key::Text(key.clone()),
                    issuer: issuer.map(str::to_owned),
                    audience: None,
                    id_claim: id,
                    named: false,
                };
                let visitor = check.verify(text(sent, proof)?, false, &self.clock).await?;
                let name = Some(visitor.name).filter(|name| *name != visitor.id);
                (Known { id: visitor.id, name }, beside)
            }
            Rule::Digest { proof, prefix, message, id } => {
                let signed = filled(message, |name| text(sent, name).ok().map(Cow::Borrowed));
                let digest = text(sent, proof)?.strip_prefix(prefix).ok_or(Mismatch::Digest)?;
                check_digest(digest, signed.ok_or(Mismatch::Incomplete)?.as_bytes(), key)?;
                (Known { id: within(sent, id)?, name: None }, &None)
            }
            Rule::Session { proof, beside, .. } => (self.recall(vendor.name, text(sent, proof)?)?, beside),
        };
        match beside {
            Some(member) if text(sent, member)? != known.id => Err(Mismatch::Another),
            _ => Ok(known),
        }
    }

    /// What a vendor's server answers to its customer's server; `None` when no vendor has this path.
    pub fn answer(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Reply> {
        VENDORS.iter().zip(&self.keys).find_map(|(vendor, key)| self.answer_as(vendor, key, path, headers, body))
    }

    fn answer_as(&self, vendor: &Vendor, key: &str, called: &str, headers: &HeaderMap, body: &[u8]) -> Option<Reply> {
        let Rule::Session { credential: (header, before), first, path, visitor, echo, .. } = vendor.rule else {
            return None;
        };
        let introduces = first == Some(called);
        let named = if introduces { "" } else { matched(path, called)? };
        let shown = headers.get(header).and_then(|value| value.to_str().ok()?.strip_prefix(before));
        if !shown.is_some_and(|shown| secret::same(shown.as_bytes(), key.as_bytes())) {
            return Some(Reply::Unauthorized);
        }
        let asked: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let id = if named.is_empty() { text(&asked, visitor).unwrap_or_default() } else { named };
        if id.is_empty() {
            return Some(Reply::Incomplete);
        }
        if introduces {
            return Some(Reply::Given(json!({ "user_id": id }), None));
        }
        let mut answer = json!({ "token": self.give(vendor.name, id) });
        if let Some(repeated) = asked.get(echo) {
            answer[echo] = repeated.clone();
        }
        Some(Reply::Given(answer, Some((vendor.title(), id.to_owned()))))
    }

    fn give(&self, vendor: &'static str, id: &str) -> String {
        let (token, now) = (random_id(), self.clock.now());
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, given| now < given.until);
        if given.len() >= TOKENS_MAX {
            given.clear();
        }
        given.insert(token.clone(), Given { vendor, id: id.to_owned(), until: now.plus(TOKEN) });
        token
    }

    fn recall(&self, vendor: &str, token: &str) -> Result<Known, Mismatch> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let found = given.get(token).filter(|given| given.vendor == vendor && self.clock.now() < given.until);
        found.map(|given| Known { id: given.id.clone(), name: None }).ok_or(Mismatch::NeverGiven)
    }
}

fn text<'a>(sent: &'a Map<String, Value>, member: &str) -> Result<&'a str, Mismatch> {
    sent.get(member).and_then(Value::as_str).ok_or(Mismatch::Incomplete)
}

/// The member at `path`, whose part after a slash is a member of the JSON text before it.
fn within(sent: &Map<String, Value>, path: &str) -> Result<String, Mismatch> {
    let Some((outer, inner)) = path.split_once('/') else { return text(sent, path).map(str::to_owned) };
    let parsed: Map<String, Value> = serde_json::from_str(text(sent, outer)?).map_err(|_| Mismatch::Malformed)?;
    text(&parsed, inner).map(str::to_owned)
}

/// Where `{id}` stands in `path`, if `called` is such a path; empty when it stands nowhere.
fn matched<'a>(path: &str, called: &'a str) -> Option<&'a str> {
    let Some((before, after)) = path.split_once("{id}") else { return (path == called).then_some("") };
    let id = called.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// By another library than the one that signs, which takes the digest in base64url.
fn check_digest(digest: &str, message: &[u8], key: &str) -> Result<(), Mismatch> {
    let bytes = HEXLOWER.decode(digest.as_bytes()).map_err(|_| Mismatch::Digest)?;
    let key = DecodingKey::from_secret(key.as_bytes());
    match crypto::verify(&BASE64URL_NOPAD.encode(&bytes), message, &key, Algorithm::HS256) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Mismatch::Digest),
    }
}
