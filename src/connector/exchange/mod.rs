//! Tokens that a vendor's server hands out for a visitor, by a format that is data.
//!
//! The secret goes to one origin only, which is fixed at start. What is sent there was filled from the visitor's session by
//! whoever calls; what comes back is read by [`ExchangeFormat::answer`]. Deadline, breaker and bulkhead are those of every
//! other call to a vendor, and no word of the vendor's is shown or logged.

pub mod answer;
pub mod format;
pub mod kept;
pub mod secrets;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::Url;

use self::answer::Exchanged;
use self::format::{CallFormat, ExchangeFormat, SECRET};
use self::kept::{Kept, Key, key};
use self::secrets::Secrets;
use super::wire::Wire;
use super::{ConnectorFault, Rejection};
use crate::base::clock::Clock;
use crate::config::env::Env;
use crate::net::outbound::{Call, Limits, Outbound};

crate::settings! {
    pub vars {
        WIDGET_API_KEY(secret),
            "The API key or access token of the chat vendor's server, where a token is fetched from there. It never reaches the page.";
        WIDGET_API_KEY_NEXT(secret; after("WIDGET_API_KEY")),
            "The other API key of the same account while keys are rotated: used as soon as the first is refused.";
        WIDGET_API_URL("", "https://api.eu.example.com"),
            "Address of the chat vendor's server (scheme and host), when it is another than the preset's: a region, or an installation of your own. The API key is sent there.";
    }
}

/// One filled call.
#[derive(Clone)]
pub struct Request {
    /// Where it goes.
    pub url: Url,
    /// What is sent; empty is nothing.
    pub body: Bytes,
}

/// Redacted: both parts hold personal data.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request(..)")
    }
}

/// The filled calls of one visitor.
#[derive(Debug, Clone)]
pub struct Requests {
    /// What must have been called before.
    pub first: Option<Request>,
    /// The call for the token.
    pub call: Request,
}

/// One widget's vendor.
#[derive(Debug)]
pub struct Exchange {
    wire: Wire,
    format: ExchangeFormat,
    secrets: Secrets,
    kept: Kept,
    clock: Clock,
    host: String,
}

impl Exchange {
    /// An exchange with the server at `origin`.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called or there is no secret.
    pub fn new(
        format: ExchangeFormat,
        origin: &Url,
        secrets: Vec<SecretString>,
        outbound: &Outbound,
        limits: Limits,
        clock: &Clock,
    ) -> Result<Self, String> {
        let wire = Wire::new(outbound, origin, limits, clock)?;
        let secrets = Secrets::new(secrets, clock).ok_or("there is no API key")?;
        let host = origin.host_str().unwrap_or_default().to_owned();
        Ok(Self { wire, format, secrets, kept: Kept::default(), clock: clock.clone(), host })
    }

    /// What is sent and how the answer is read.
    #[must_use]
    pub fn format(&self) -> &ExchangeFormat {
        &self.format
    }

    /// The host that is called.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether no calls are made at present because they kept failing.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.wire.is_resting() || self.secrets.is_resting()
    }

    /// A token for the visitor of this name, who is told apart from every other by it.
    ///
    /// # Errors
    /// [`ConnectorFault`] when there is none.
    pub async fn token(&self, visitor: &str, requests: &Requests) -> Result<Exchanged, ConnectorFault> {
        let own = key_of(visitor, &requests.call);
        if self.format.cache
            && let Some(token) = self.kept.token(&own, self.clock.now())
        {
            return Ok(token);
        }
        let by = self.wire.deadline();
        if let (Some(format), Some(request)) = (&self.format.first, &requests.first) {
            self.meet(key_of(visitor, request), format, request, by).await?;
        }
        let body = self.secrets.guard(self.ask("exchange", &self.format.call, &requests.call, by)).await;
        if let (Err(ConnectorFault::Rejected(Rejection::Request)), Some(request)) = (&body, &requests.first) {
            // The vendor may have forgotten the visitor: the next attempt introduces them again.
            self.kept.unmet(&key_of(visitor, request));
        }
        let now = self.clock.now();
        let exchanged = Exchanged::read(&self.format.answer, &body?, now).ok_or_else(|| {
            tracing::warn!("the vendor answered with success, but without a usable token");
            ConnectorFault::Malformed
        })?;
        if self.format.cache {
            self.kept.keep(own, &exchanged, now);
        }
        Ok(exchanged)
    }

    /// Ends a visitor's tokens at the vendor, where it can.
    ///
    /// # Errors
    /// [`ConnectorFault`] when the vendor could not be told.
    pub async fn revoke(&self, request: &Request) -> Result<(), ConnectorFault> {
        let Some(format) = &self.format.revoke else { return Ok(()) };
        self.secrets.guard(self.ask("revoke", format, request, self.wire.deadline())).await.map(drop)
    }

    async fn meet(&self, own: Key, format: &CallFormat, request: &Request, by: Instant) -> Result<(), ConnectorFault> {
        if !self.kept.knows(&own) {
            self.secrets.guard(self.ask("first", format, request, by)).await?;
            self.kept.met(own);
        }
        Ok(())
    }

    /// Asks with the secret that was accepted last, and with the other one when that is refused.
    async fn ask(
        &self,
        what: &'static str,
        format: &CallFormat,
        request: &Request,
        by: Instant,
    ) -> Result<Bytes, ConnectorFault> {
        let mut refused = ConnectorFault::Rejected(Rejection::BadSecret);
        for (index, secret) in self.secrets.in_order() {
            let call = prepared(&self.format.headers, format, request, secret).ok_or(refused)?;
            match self.wire.send(what, call, by, &good(format), advice).await {
                Err(fault @ ConnectorFault::Rejected(Rejection::BadSecret)) => refused = fault,
                Err(fault) => return Err(fault),
                Ok(body) => {
                    self.secrets.accept(index);
                    return Ok(body);
                }
            }
        }
        Err(refused)
    }
}

fn key_of(visitor: &str, request: &Request) -> Key {
    key([visitor.as_bytes(), request.url.as_str().as_bytes(), &request.body])
}

fn good(format: &CallFormat) -> Vec<u16> {
    [200, 201, 202, 204].into_iter().chain(format.accept.iter().copied()).collect()
}

/// The call with its headers; `None` when the secret does not fit one.
fn prepared(
    headers: &BTreeMap<String, String>,
    format: &CallFormat,
    request: &Request,
    secret: &SecretString,
) -> Option<Call> {
    let mut sent = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    if !request.body.is_empty() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let json = HeaderValue::from_static("application/json");
        sent.insert(CONTENT_TYPE, if format.form.is_some() { form } else { json });
    }
    for (name, value) in headers {
        let mut line = HeaderValue::try_from(value.replace(SECRET, secret.expose_secret())).ok()?;
        line.set_sensitive(value.contains(SECRET));
        sent.insert(HeaderName::try_from(name).ok()?, line);
    }
    let method = format.method().unwrap_or(Method::POST);
    Some(Call { method, url: request.url.clone(), headers: sent, body: request.body.clone() })
}

/// What to do about it, for the operator's log.
fn advice(fault: ConnectorFault) -> &'static str {
    match fault {
        ConnectorFault::Rejected(Rejection::Request) => {
            "is the account right (WIDGET_CONSTANTS), and does the vendor know this visitor?"
        }
        ConnectorFault::Rejected(_) => {
            "WIDGET_API_KEY is wrong, was revoked, or may not do this: a scope or the plan of the account"
        }
        ConnectorFault::Throttled { .. } => "the vendor limits how often it is asked",
        _ => "nothing to do here if it passes",
    }
}

/// Reads the API keys of the widget being read.
pub fn read_secrets(env: &mut Env) -> Vec<SecretString> {
    if !env.is_set(&WIDGET_API_KEY) {
        env.mistake_in(&WIDGET_API_KEY, "is required: the key that the vendor's server gives tokens for");
    }
    let mut secrets = Vec::new();
    for var in [&WIDGET_API_KEY, &WIDGET_API_KEY_NEXT] {
        let Some(secret) = env.secret(var) else { continue };
        let text = secret.expose_secret();
        if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            env.mistake_in(var, "cannot be an API key: it is too short, or holds blanks or other than ASCII");
        } else {
            secrets.push(secret);
        }
    }
    secrets
}
