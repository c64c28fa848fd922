//! One Direct Line server: what is said to it, and how its answers are read.
//!
//! An answer counts only when it is unmistakably a grant: 200 or 201, JSON, a non-empty token. Everything else becomes one
//! of a few faults. What an operator needs to know is logged here, in words from a fixed list; an answer's own text, a
//! token or a person never is (R5, R16).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use super::{ConnectorFault, Rejection};
use crate::base::availability::VENDOR;
use crate::base::clock::Clock;
use crate::config::env::Env;
use crate::net::outbound::{Call, Fault, Limits, Outbound, Target, retry_after};

crate::settings! {
    pub vars {
        WIDGET_CONNECTOR_DEADLINE("5s", "3s"),
            "Longest time to wait for the vendor's token: queueing, DNS, connect, TLS and body together, between 50ms and 30s.";
        WIDGET_CONNECTOR_CONCURRENCY("64", "16"),
            "Calls to the vendor that may be open at once, 1 to 1000; further ones wait within the deadline.";
    }
}

/// After being told to slow down, no call is made for as long as the vendor said, but at most this long: a mistaken header
/// must not silence us for an hour.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// How long a token is taken to live when the answer does not say: the shorter of the two lifetimes seen (R7).
const UNSAID_LIFE: Duration = Duration::from_mins(30);
/// Longest token that is taken. Tokens travel in headers, and servers refuse larger ones.
const TOKEN_MAX: usize = 8 * 1024;
/// Longest conversation id that is taken.
const CONVERSATION_MAX: usize = 256;

/// One server, with what is remembered of it.
#[derive(Debug)]
pub struct Wire {
    target: Target,
    clock: Clock,
    quiet_until: Mutex<Option<Duration>>,
}

/// Reads how much of itself a server may take; `None` after naming what is wrong.
pub fn read_limits(env: &mut Env) -> Option<Limits> {
    let deadline = env.duration_within(&WIDGET_CONNECTOR_DEADLINE, Duration::from_millis(50), Duration::from_secs(30));
    let concurrency: Option<usize> = env.parse(&WIDGET_CONNECTOR_CONCURRENCY);
    if concurrency.is_some_and(|n| !(1..=1000).contains(&n)) {
        env.mistake_in(&WIDGET_CONNECTOR_CONCURRENCY, "must be between 1 and 1000");
    }
    let retry_on = &[502, 503, 504];
    Some(Limits { deadline: deadline?, concurrency: concurrency?.clamp(1, 1000), retry_on, ..Limits::DEFAULT })
}

impl Wire {
    /// A wire to addresses like `url`.
    ///
    /// # Errors
    /// A sentence for the operator when the address may not be called.
    pub fn new(outbound: &Outbound, url: &Url, limits: Limits, clock: &Clock) -> Result<Self, String> {
        let target = Target::new(outbound, url, limits, clock.clone())?.watched(VENDOR);
        Ok(Self { target, clock: clock.clone(), quiet_until: Mutex::default() })
    }

    /// When an exchange that begins now must be over.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.target.deadline()
    }

    /// Whether no calls are made at present because they kept failing.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.target.is_resting()
    }

    /// Makes a call whose answer is a token.
    ///
    /// # Errors
    /// [`ConnectorFault`], whatever else the answer is.
    pub async fn grant(&self, what: &'static str, call: Call, by: Instant) -> Result<Grant, ConnectorFault> {
        let answer = self.fetch(what, call, by).await?;
        let grant = Grant::read(&answer);
        if grant.is_none() {
            tracing::warn!(call = what, "the vendor answered with success, but without a usable token");
        }
        grant.ok_or(ConnectorFault::Malformed)
    }

    /// Makes a call whose answer is a JSON object.
    ///
    /// # Errors
    /// [`ConnectorFault`], whatever else the answer is.
    pub async fn fetch(
        &self,
        what: &'static str,
        call: Call,
        by: Instant,
    ) -> Result<Map<String, Value>, ConnectorFault> {
        let body = self.send(what, call, by, &[200, 201], advice).await?;
        serde_json::from_slice(&body).map_err(|_| {
            tracing::warn!(call = what, "the vendor answered with something else than JSON");
            ConnectorFault::Malformed
        })
    }

    /// Makes a call whose answer counts when its status is one of `good`; `advice` says in the log what to do about others.
    ///
    /// # Errors
    /// [`ConnectorFault`], whatever else the answer is.
    pub async fn send(
        &self,
        what: &'static str,
        call: Call,
        by: Instant,
        good: &[u16],
        advice: fn(ConnectorFault) -> &'static str,
    ) -> Result<Bytes, ConnectorFault> {
        self.keep_quiet()?;
        let began = self.clock.monotonic();
        let result = self.target.call_by(call, by).await;
        let took = u64::try_from(self.clock.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let reply = result.map_err(|fault| transport(what, fault, took))?;
        let status = reply.status.as_u16();
        let request_id = request_id(&reply.headers);
        if good.contains(&status) {
            tracing::debug!(call = what, status, request_id, took_ms = took, "the vendor answered");
            return Ok(reply.body);
        }
        let code = error_code(&reply.body);
        let fault = self.fault(reply.status, code, &reply.headers);
        if code == "TokenExpired" {
            tracing::debug!(call = what, status, code, request_id, took_ms = took, "the token has expired");
        } else {
            tracing::warn!(call = what, status, code, request_id, took_ms = took, advice = advice(fault), "{fault}");
        }
        Err(fault)
    }

    fn fault(&self, status: StatusCode, code: &'static str, headers: &HeaderMap) -> ConnectorFault {
        match status.as_u16() {
            401 | 403 if code == "RegionNotAllowed" => ConnectorFault::Rejected(Rejection::RegionNotAllowed),
            401 | 403 => ConnectorFault::Rejected(Rejection::BadSecret),
            429 => {
                let retry_after = retry_after(headers, &self.clock);
                *self.quiet() = retry_after.map(|span| self.clock.monotonic() + span.min(QUIET_MAX));
                ConnectorFault::Throttled { retry_after }
            }
            400..=499 => ConnectorFault::Rejected(Rejection::Request),
            500..=599 => ConnectorFault::Unavailable,
            // A redirect is never followed: the secret would go wherever it points.
            _ => ConnectorFault::Malformed,
        }
    }

    fn keep_quiet(&self) -> Result<(), ConnectorFault> {
        let now = self.clock.monotonic();
        let left = self.quiet().map(|until| until.saturating_sub(now)).filter(|left| !left.is_zero());
        left.map_or(Ok(()), |left| Err(ConnectorFault::Throttled { retry_after: Some(left) }))
    }

    fn quiet(&self) -> MutexGuard<'_, Option<Duration>> {
        self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A POST with a bearer credential and, unless it is empty, a JSON body; `None` when the credential does not fit a header.
#[must_use]
pub fn post(url: Url, bearer: &SecretString, body: Bytes) -> Option<Call> {
    let mut headers = accept_json();
    let mut credential = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret())).ok()?;
    credential.set_sensitive(true);
    headers.insert(AUTHORIZATION, credential);
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Some(Call { method: Method::POST, url, headers, body })
}

/// A GET without a credential.
#[must_use]
pub fn get(url: Url) -> Call {
    Call { method: Method::GET, url, headers: accept_json(), body: Bytes::new() }
}

fn accept_json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

fn transport(what: &'static str, fault: Fault, took: u64) -> ConnectorFault {
    let (mapped, quiet) = match fault {
        Fault::Busy => (ConnectorFault::Busy { retry_after: Duration::from_secs(1) }, false),
        Fault::Resting { retry_after } | Fault::Strangers { retry_after } => {
            (ConnectorFault::Busy { retry_after }, true)
        }
        Fault::Connect | Fault::Broken => (ConnectorFault::Unavailable, false),
        Fault::Deadline => (ConnectorFault::Deadline, false),
        Fault::TooLarge => (ConnectorFault::Malformed, false),
    };
    if !quiet {
        tracing::warn!(call = what, took_ms = took, "{fault}");
    }
    mapped
}

/// What to do about it, for the operator's log.
fn advice(fault: ConnectorFault) -> &'static str {
    match fault {
        ConnectorFault::Rejected(Rejection::BadSecret) => {
            "WIDGET_WEBCHAT_SECRET is wrong, was regenerated, or belongs to another bot or channel"
        }
        ConnectorFault::Rejected(Rejection::RegionNotAllowed) => {
            "the bot is regional: set WIDGET_DIRECTLINE_ENDPOINT to its region's host"
        }
        ConnectorFault::Rejected(Rejection::Request) => "is WIDGET_DIRECTLINE_ENDPOINT a Direct Line base address?",
        ConnectorFault::Throttled { .. } => "the vendor limits how often it is asked",
        _ => "nothing to do here if it passes",
    }
}

/// Codes that an error answer may hold. Only these are logged: an answer's own text is not.
const CODES: [&str; 10] = [
    "TokenExpired",
    "RegionNotAllowed",
    "MissingProperty",
    "ServiceError",
    "BotRejectedActivity",
    "BadArgument",
    "BadSyntax",
    "Unauthorized",
    "Forbidden",
    "NotFound",
];

fn error_code(body: &[u8]) -> &'static str {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else { return "none" };
    let Some(code) = answer.get("error").and_then(|error| error.get("code")).and_then(Value::as_str) else {
        return "none";
    };
    CODES.iter().find(|known| known.eq_ignore_ascii_case(code)).copied().unwrap_or("other")
}

/// The vendor's id of the request, which its support asks for; `-` unless it is short and plain enough for a log.
fn request_id(headers: &HeaderMap) -> &str {
    let id = headers.get("x-ms-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:|".contains(&b));
    if plain && (1..=64).contains(&id.len()) { id } else { "-" }
}

/// What the vendor granted.
#[derive(Debug)]
pub struct Grant {
    /// The token.
    pub token: SecretString,
    /// The conversation it is for.
    pub conversation: Option<String>,
    /// How long it lives.
    pub expires_in: Duration,
}

impl Grant {
    /// Reads `token`, `conversationId` and `expires_in`, however they are capitalised; `None` when there is no token that
    /// could be used.
    fn read(answer: &Map<String, Value>) -> Option<Self> {
        let token = Some(member(answer, "token")?.as_str()?).filter(|t| is_plain(t, TOKEN_MAX))?;
        let conversation = match member(answer, "conversationid") {
            None => None,
            Some(id) => Some(id.as_str().filter(|id| is_plain(id, CONVERSATION_MAX))?.to_owned()),
        };
        let expires_in = match member(answer, "expiresin") {
            None => UNSAID_LIFE,
            Some(seconds) => Duration::from_secs(seconds.as_u64().filter(|s| *s > 0)?),
        };
        Some(Self { token: token.into(), conversation, expires_in })
    }

    /// The conversation it is for, from the answer or else from the token.
    #[must_use]
    pub fn conversation(&self) -> Option<String> {
        self.conversation.clone().or_else(|| Reading::of(&self.token)?.conversation)
    }
}

/// The member of this name, given in lower case without `_`.
fn member<'a>(answer: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let is = |key: &str| key.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).eq(name.bytes());
    answer.iter().find(|(key, value)| is(key) && !value.is_null()).map(|(_, value)| value)
}

/// Non-empty, not too long, and of visible ASCII characters: fit for a header and for a log's hash.
fn is_plain(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// What a token says about itself, where it is one of those that can be read. Never a reason to trust it; a reason to
/// distrust it when it contradicts what is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whose messages it sends.
    pub user: Option<String>,
    /// The conversation it is for.
    pub conversation: Option<String>,
}

impl Reading {
    /// Reads a token; `None` when it cannot be read, which is no fault: tokens are opaque by contract.
    #[must_use]
    pub fn of(token: &SecretString) -> Option<Self> {
        let mut parts = token.expose_secret().split('.');
        let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
        let claims: Map<String, Value> =
            serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_ref()).ok()?).ok()?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { user: text("user"), conversation: text("conv") })
    }
}
