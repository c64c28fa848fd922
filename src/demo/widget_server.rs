//! A stand-in for the chat vendor's server. It shares with countersign what a vendor shares with its customer, a secret or
//! the address of the public keys, and nothing else: its own copies, its own verification.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::events::{Actor, Events, Outcome};
use crate::clock::{Clock, UnixTime, random_id};
use crate::origin;
use crate::outbound::{Call, Limits, Outbound, Target};
use crate::web::headers::{JSON, private};

/// Largest body that is read.
const BODY_MAX: usize = 64 * 1024;
/// Most conversations that are remembered.
const CONVERSATIONS_MAX: usize = 1000;

/// How this server checks the tokens of one widget.
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
}

/// With what a signature is checked.
#[derive(Debug)]
pub enum Key {
    /// The secret that the vendor's console showed, in base64url.
    Shared(String),
    /// Where the customer publishes its keys.
    Published(Url),
}

/// Somebody this server believes in, until the proof ends.
#[derive(Debug, Clone)]
struct Visitor {
    id: String,
    name: String,
    token_id: Option<String>,
    expires_at: UnixTime,
    claims: Map<String, Value>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
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
    /// The keys could not be fetched.
    #[error("the public keys could not be fetched")]
    NoKeys,
}

impl Doubt {
    fn code(&self) -> &'static str {
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
            Self::NoKeys => "no_keys",
        }
    }
}

/// The server.
#[derive(Debug, Clone)]
pub struct WidgetServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authority: String,
    customer: String,
    checks: Vec<Check>,
    memory: Mutex<Memory>,
    events: Events,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Memory {
    conversations: HashMap<String, Option<Visitor>>,
    spent: HashMap<String, UnixTime>,
    keys: Option<JwkSet>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
enum Ask {
    /// Here is a token: who am I?
    Identify {
        widget: String,
        token: String,
        conversation: Option<String>,
        /// Check as if the token's time were over, so that nobody has to wait for it.
        #[serde(default)]
        after_expiry: bool,
    },
    /// The visitor has gone.
    Forget { conversation: String },
    /// The visitor writes.
    Say { conversation: Option<String>, text: String },
}

impl WidgetServer {
    /// A server at `authority` for widgets on the pages of `customer`.
    #[must_use]
    pub fn new(authority: String, customer: String, checks: Vec<Check>, events: Events, clock: Clock) -> Self {
        Self(Arc::new(Inner { authority, customer, checks, memory: Mutex::default(), events, clock }))
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        if origin::host(&head.headers) != Some(&self.0.authority) {
            return refuse(StatusCode::MISDIRECTED_REQUEST, "host", "this server has another name");
        }
        if let Err(stranger) = self.customers_page(&head.headers) {
            let text = format!("Turned a page of {stranger} away: this widget belongs on {}", self.0.customer);
            self.0.events.tell(Actor::WidgetServer, Outcome::Refused, text, json!({ "origin": stranger }));
            return refuse(StatusCode::FORBIDDEN, "origin", "this widget does not belong on that page");
        }
        let mut response = match (&head.method, head.uri.path()) {
            (&Method::OPTIONS, _) => private(StatusCode::NO_CONTENT, JSON, ""),
            (&Method::POST, "/api") => match to_bytes(body, BODY_MAX).await {
                Ok(body) => self.answer(&body).await,
                Err(_) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large"),
            },
            _ => refuse(StatusCode::NOT_FOUND, "not_found", "the stand-in chat server answers POST /api"),
        };
        self.share(response.headers_mut());
        response
    }

    /// Lets the pages of the one customer read the answer. No credentials: this server knows no cookies.
    fn share(&self, headers: &mut HeaderMap) {
        if let Ok(customer) = HeaderValue::from_str(&self.0.customer) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, customer);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
    }

    fn customers_page(&self, headers: &HeaderMap) -> Result<(), String> {
        match headers.get(ORIGIN).map(HeaderValue::as_bytes) {
            Some(sent) if sent != self.0.customer.as_bytes() => {
                Err(String::from_utf8_lossy(sent).chars().take(100).collect())
            }
            _ => Ok(()),
        }
    }

    async fn answer(&self, body: &Bytes) -> Response {
        match serde_json::from_slice(body) {
            Ok(Ask::Identify { widget, token, conversation, after_expiry }) => {
                self.identify(&widget, &token, conversation, after_expiry).await
            }
            Ok(Ask::Forget { conversation }) => self.forget(&conversation),
            Ok(Ask::Say { conversation, text }) => self.say(conversation, &text),
            Err(_) => refuse(StatusCode::BAD_REQUEST, "bad_request", "identify, forget or say"),
        }
    }

    async fn identify(&self, widget: &str, token: &str, conversation: Option<String>, late: bool) -> Response {
        let checked = self.check(widget, token, late).await;
        let checked = checked.and_then(|visitor| self.admit(visitor, conversation));
        match checked {
            Ok((conversation, visitor)) => {
                let text = format!("Believes that this is {} ({})", visitor.name, visitor.id);
                let detail = json!({ "widget": widget, "claims": &visitor.claims });
                self.0.events.tell(Actor::WidgetServer, Outcome::Granted, text, detail);
                let known = json!({ "id": visitor.id, "name": visitor.name });
                let answer = json!({
                    "conversation": conversation, "visitor": known, "expires_at": visitor.expires_at,
                    "once": visitor.token_id.is_some(),
                });
                private(StatusCode::OK, JSON, answer.to_string())
            }
            Err(doubt) => {
                let as_of = if late { " (checked as of a moment after its end)" } else { "" };
                let detail = json!({ "widget": widget, "code": doubt.code() });
                let text = format!("Refused a token: {doubt}{as_of}");
                self.0.events.tell(Actor::WidgetServer, Outcome::Refused, text, detail);
                refuse(StatusCode::UNAUTHORIZED, doubt.code(), &doubt.to_string())
            }
        }
    }

    async fn check(&self, widget: &str, token: &str, late: bool) -> Result<Visitor, Doubt> {
        let check = self.0.checks.iter().find(|check| check.widget == widget).ok_or(Doubt::Widget)?;
        let header = part(token, 0)?;
        let asked = header.get("alg").and_then(Value::as_str).unwrap_or("nothing");
        let accepted = name_of(check.algorithm);
        if asked != accepted {
            return Err(Doubt::Algorithm(asked.chars().take(20).collect(), accepted));
        }
        let key = match &check.key {
            Key::Shared(secret) => {
                let bytes = URL_SAFE_NO_PAD.decode(secret).map_err(|_| Doubt::NoKeys)?;
                DecodingKey::from_secret(&bytes)
            }
            Key::Published(url) => {
                let kid = header.get("kid").and_then(Value::as_str).ok_or(Doubt::UnknownKey)?;
                self.published(url, kid).await?
            }
        };
        let claims = verified(token, &key, check)?;
        let visitor = visitor(check, claims)?;
        let now = if late { UnixTime(visitor.expires_at.0 + 1) } else { self.0.clock.now() };
        if now >= visitor.expires_at {
            let ago = now.since(visitor.expires_at).as_secs().max(1);
            return Err(Doubt::Expired(if ago == 1 { "a second".to_owned() } else { format!("{ago} seconds") }));
        }
        Ok(visitor)
    }

    /// The customer's key of this id, fetched when it is not known yet.
    async fn published(&self, url: &Url, kid: &str) -> Result<DecodingKey, Doubt> {
        let known = self.lock().keys.as_ref().and_then(|set| set.find(kid).cloned());
        let jwk = match known {
            Some(jwk) => jwk,
            None => self.fetch_keys(url).await?.find(kid).cloned().ok_or(Doubt::UnknownKey)?,
        };
        DecodingKey::from_jwk(&jwk).map_err(|_| Doubt::UnknownKey)
    }

    async fn fetch_keys(&self, url: &Url) -> Result<JwkSet, Doubt> {
        let target = Target::new(&Outbound::default(), url, Limits::DEFAULT, self.0.clock.clone());
        let call = Call { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Bytes::new() };
        let reply = target.map_err(|_| Doubt::NoKeys)?.call(call).await.map_err(|_| Doubt::NoKeys)?;
        let set: JwkSet = serde_json::from_slice(&reply.body).map_err(|_| Doubt::NoKeys)?;
        let detail = json!({ "address": url.as_str(), "keys": set.keys.len() });
        self.0.events.tell(Actor::WidgetServer, Outcome::Noted, "Fetched the clinic's public keys", detail);
        self.lock().keys = Some(set.clone());
        Ok(set)
    }

    /// Puts a visitor into a conversation. A token with an id of its own opens this door once; only the conversation it
    /// was used in may show it again.
    fn admit(&self, visitor: Visitor, conversation: Option<String>) -> Result<(String, Visitor), Doubt> {
        let now = self.0.clock.now();
        let mut memory = self.lock();
        let conversation = conversation.filter(|id| memory.conversations.contains_key(id)).unwrap_or_else(random_id);
        if let Some(id) = &visitor.token_id {
            memory.spent.retain(|_, until| *until > now);
            let here = memory.conversations.get(&conversation).and_then(|known| known.as_ref()?.token_id.as_ref());
            if memory.spent.contains_key(id) && here != Some(id) {
                return Err(Doubt::Spent);
            }
            memory.spent.insert(id.clone(), visitor.expires_at);
        }
        memory.keep(&conversation, Some(visitor.clone()));
        Ok((conversation, visitor))
    }

    fn forget(&self, conversation: &str) -> Response {
        let mut memory = self.lock();
        if memory.conversations.contains_key(conversation) {
            memory.keep(conversation, None);
            drop(memory);
            let text = "Later messages of this chat are anonymous again";
            self.0.events.tell(Actor::WidgetServer, Outcome::Noted, text, Value::Null);
        }
        private(StatusCode::OK, JSON, "{}")
    }

    fn say(&self, conversation: Option<String>, text: &str) -> Response {
        let now = self.0.clock.now();
        let mut memory = self.lock();
        let conversation = conversation.filter(|id| memory.conversations.contains_key(id)).unwrap_or_else(random_id);
        let known = memory.conversations.get(&conversation).cloned().flatten();
        let visitor = known.clone().filter(|visitor| now < visitor.expires_at);
        let lapsed = known.is_some() && visitor.is_none();
        memory.keep(&conversation, visitor.clone());
        drop(memory);
        if lapsed {
            let text = "The proof has expired: this visitor is anonymous until the page brings a new one";
            self.0.events.tell(Actor::WidgetServer, Outcome::Refused, text, Value::Null);
        }
        let reply = reply(text, visitor.as_ref(), lapsed);
        let name = visitor.map(|v| v.name);
        let answer = json!({ "conversation": conversation, "reply": reply, "verified_as": name });
        private(StatusCode::OK, JSON, answer.to_string())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn keep(&mut self, conversation: &str, visitor: Option<Visitor>) {
        if self.conversations.len() >= CONVERSATIONS_MAX && !self.conversations.contains_key(conversation) {
            self.conversations.clear();
        }
        self.conversations.insert(conversation.to_owned(), visitor);
    }
}

fn refuse(status: StatusCode, code: &str, reason: &str) -> Response {
    private(status, JSON, json!({ "code": code, "reason": reason }).to_string())
}

/// One of the first two parts of a token, read before anything about it is believed.
fn part(token: &str, index: usize) -> Result<Map<String, Value>, Doubt> {
    let part = token.split('.').nth(index).ok_or(Doubt::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Doubt::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Doubt::Malformed)
}

fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::ES256 => "ES256",
        _ => "another",
    }
}

/// The claims of a token whose signature and addressee hold. Its time is looked at by our own clock afterwards.
fn verified(token: &str, key: &DecodingKey, check: &Check) -> Result<Map<String, Value>, Doubt> {
    use jsonwebtoken::errors::ErrorKind as Kind;
    let mut validation = Validation::new(check.algorithm);
    validation.validate_exp = false;
    let mut required = vec!["exp"];
    if let Some(issuer) = &check.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = &check.audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation);
    decoded.map(|data| data.claims).map_err(|error| match error.kind() {
        Kind::InvalidSignature => Doubt::Signature,
        Kind::InvalidIssuer | Kind::InvalidAudience => Doubt::Addressee,
        Kind::MissingRequiredClaim(_) => Doubt::Incomplete,
        _ => Doubt::Malformed,
    })
}

fn visitor(check: &Check, claims: Map<String, Value>) -> Result<Visitor, Doubt> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text(check.id_claim).ok_or(Doubt::Incomplete)?;
    let name = text("name").ok_or(Doubt::Incomplete)?;
    let expires_at = claims.get("exp").and_then(Value::as_u64).map(UnixTime).ok_or(Doubt::Incomplete)?;
    Ok(Visitor { id, name, token_id: text("jti"), expires_at, claims })
}

/// What this bot knows that only the right person may hear.
const APPOINTMENTS: [(&str, &str); 2] = [
    ("P20417", "Tuesday at 10:40 with Dr. Amira Salt, Cardiology, Pier Wing, room 12"),
    ("P31188", "Thursday at 14:15 with Tomás Reyes, Physiotherapy, Lighthouse Wing, room 3"),
];

fn reply(text: &str, visitor: Option<&Visitor>, lapsed: bool) -> String {
    let text = text.trim();
    let asks = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(word));
    match visitor {
        _ if asks(&["hour", "open", "close"]) => {
            "We are open Monday to Friday from 8:00 to 18:00, and on Saturday from 9:00 to 12:00.".to_owned()
        }
        Some(visitor) if asks(&["appointment", "when"]) => {
            let known = APPOINTMENTS.iter().find(|(id, _)| *id == visitor.id);
            known.map_or_else(
                || format!("I see no appointment for you, {}.", first_name(visitor)),
                |(_, what)| format!("Your next appointment, {}, is {what}.", first_name(visitor)),
            )
        }
        Some(visitor) if asks(&["who am i", "my name"]) => {
            format!("You are {}, patient {}. The clinic has vouched for it.", visitor.name, visitor.id)
        }
        Some(visitor) => format!("Hello {}. You wrote: \u{201c}{text}\u{201d}", first_name(visitor)),
        None if lapsed => {
            "Your proof of identity has expired, so I cannot tell who is writing. May the page bring a new one?"
                .to_owned()
        }
        None if asks(&["appointment", "when", "who am i", "my name"]) => {
            "I can talk about appointments only with somebody I know. Please sign in on the clinic's page.".to_owned()
        }
        None => format!("Hello, whoever you are. You wrote: \u{201c}{text}\u{201d}"),
    }
}

fn first_name(visitor: &Visitor) -> &str {
    visitor.name.split_whitespace().next().unwrap_or(&visitor.name)
}
