//! What the double remembers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use super::super::desk;
use super::super::events::{Actor, Events, Outcome};
use super::agent::{Memory, Said};
use super::{Agent, Fault, Settings};
use crate::base::clock::{Clock, UnixTime, random_bytes, random_id};

/// How often the double was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `tokens/generate`.
    pub generate: usize,
    /// `tokens/refresh`.
    pub refresh: usize,
    /// Copilot Studio's token endpoint.
    pub token_endpoint: usize,
    /// Copilot Studio's regional settings.
    pub regional_settings: usize,
    /// Conversations started or started again.
    pub start: usize,
    /// Activities posted.
    pub activities: usize,
    /// Where redirects point.
    pub elsewhere: usize,
    /// Most calls for tokens that were being answered at once.
    pub most_at_once: usize,
}

/// The last call for a token, as it was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its headers but for the credential, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// The double. Clones share everything; whoever holds one can switch faults on and off.
#[derive(Clone)]
pub struct Double(Arc<Shared>);

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Double").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

struct Shared {
    clock: Clock,
    token_life: Duration,
    agent: Agent,
    events: Events,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    secrets: Vec<String>,
    fault: Option<(Fault, usize)>,
    counts: Counts,
    at_once: usize,
    heard: Heard,
    tokens: HashMap<String, Issued>,
    conversations: HashMap<String, Conversation>,
}

struct Issued {
    conversation: String,
    expires_at: UnixTime,
}

struct Conversation {
    user: Option<String>,
    trusted_origins: Vec<String>,
    begun: bool,
    activities: Vec<Value>,
    memory: Memory,
    news: watch::Sender<()>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// With a channel secret.
    Host,
    /// With a token.
    Page {
        /// The one conversation it is for.
        conversation: String,
    },
}

/// Why a caller is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Missing,
    Unknown,
    Expired,
    NotFound,
}

impl Double {
    /// A double that nobody has called yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { secrets, app_secret, token_life, events, clock } = settings;
        let agent = Agent::new(&app_secret, events.clone(), clock.clone());
        let inner = Mutex::new(Inner { secrets, ..Inner::default() });
        Self(Arc::new(Shared { clock, token_life, agent, events, inner }))
    }

    /// Every call for a token fails like this from now on; `None` lets them succeed again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.lock().fault = fault.map(|fault| (fault, usize::MAX));
    }

    /// The next `times` calls for a token fail like this.
    pub fn fail_next(&self, times: usize, fault: Fault) {
        self.lock().fault = Some((fault, times));
    }

    /// Accepts these channel secrets from now on.
    pub fn set_secrets(&self, secrets: &[&str]) {
        self.lock().secrets = secrets.iter().map(|&secret| secret.to_owned()).collect();
    }

    /// How often it was called.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// The last call for a token.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.lock().heard.clone()
    }

    /// Everything said in a conversation.
    #[must_use]
    pub fn said(&self, conversation: &str) -> Vec<Value> {
        self.lock().conversations.get(conversation).map(|c| c.activities.clone()).unwrap_or_default()
    }

    /// Origins that a conversation's token was asked for.
    #[must_use]
    pub fn trusted_origins(&self, conversation: &str) -> Vec<String> {
        self.lock().conversations.get(conversation).map(|c| c.trusted_origins.clone()).unwrap_or_default()
    }

    pub(super) fn count(&self, one: impl FnOnce(&mut Counts)) {
        one(&mut self.lock().counts);
    }

    pub(super) fn hear(&self, headers: &HeaderMap, body: &[u8]) {
        let spoken = headers.iter().filter(|(name, _)| **name != header::AUTHORIZATION);
        let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = spoken.map(|(name, value)| (name.to_string(), text(value))).collect();
        self.lock().heard = Heard { headers, body: body.to_vec() };
    }

    /// Counts a call for a token in, and out again when what it returns is dropped.
    pub(super) fn enter(&self, which: impl FnOnce(&mut Counts) -> &mut usize) -> InFlight {
        let mut inner = self.lock();
        *which(&mut inner.counts) += 1;
        inner.at_once += 1;
        inner.counts.most_at_once = inner.counts.most_at_once.max(inner.at_once);
        let fault = match &mut inner.fault {
            Some((fault, times)) if *times > 0 => {
                *times = times.saturating_sub(usize::from(*times != usize::MAX));
                Some(*fault)
            }
            _ => None,
        };
        InFlight { double: self.clone(), fault }
    }

    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        let credential = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = credential.and_then(|text| text.strip_prefix("Bearer ")).ok_or(Denied::Missing)?;
        if self.lock().secrets.iter().any(|secret| secret == credential) {
            return Ok(Caller::Host);
        }
        self.token(credential).map(|conversation| Caller::Page { conversation })
    }

    /// The conversation a token is for.
    pub(super) fn token(&self, token: &str) -> Result<String, Denied> {
        let inner = self.lock();
        let issued = inner.tokens.get(token).ok_or(Denied::Unknown)?;
        let live = self.0.clock.now() < issued.expires_at;
        if live { Ok(issued.conversation.clone()) } else { Err(Denied::Expired) }
    }

    /// Whether the caller may read and write this conversation.
    pub(super) fn admits(&self, headers: &HeaderMap, id: &str) -> Result<(), Denied> {
        match self.caller(headers)? {
            Caller::Page { conversation } if conversation != id => Err(Denied::Unknown),
            _ if !self.lock().conversations.contains_key(id) => Err(Denied::NotFound),
            _ => Ok(()),
        }
    }

    pub(super) fn create(&self, user: Option<String>, trusted_origins: Vec<String>) -> String {
        let id = format!("{}-us", random_id());
        let conversation = Conversation {
            user,
            trusted_origins,
            begun: false,
            activities: Vec::new(),
            memory: Memory::default(),
            news: watch::Sender::new(()),
        };
        self.lock().conversations.insert(id.clone(), conversation);
        id
    }

    /// Whether the conversation begins with this call.
    pub(super) fn begin(&self, id: &str) -> bool {
        let mut inner = self.lock();
        inner.conversations.get_mut(id).is_some_and(|conversation| !std::mem::replace(&mut conversation.begun, true))
    }

    /// A new token for a conversation, in the answer's form. Earlier tokens stay good until they end.
    pub(super) fn grant(&self, id: &str) -> Value {
        let now = self.0.clock.now();
        let expires_at = now.plus(self.0.token_life);
        let mut inner = self.lock();
        let user = inner.conversations.get(id).and_then(|conversation| conversation.user.clone());
        let token = token(id, user.as_deref(), now, expires_at);
        inner.tokens.insert(token.clone(), Issued { conversation: id.to_owned(), expires_at });
        json!({ "conversationId": id, "token": token, "expires_in": self.0.token_life.as_secs() })
    }

    /// Takes what the page said, lets the agent answer, and returns the id of what was said.
    pub(super) fn say(&self, id: &str, mut activity: Map<String, Value>) -> String {
        let now = self.timestamp();
        let mut inner = self.lock();
        let Some(conversation) = inner.conversations.get_mut(id) else { return String::new() };
        if let Some(user) = &conversation.user {
            // The bound id replaces whatever the page calls itself.
            let from = activity.entry("from").or_insert_with(|| json!({}));
            if let Some(from) = from.as_object_mut() {
                from.insert("id".to_owned(), Value::from(user.as_str()));
            }
        }
        let heard = Said { conversation: id, bound: conversation.user.as_deref(), activity: &activity };
        let greets = activity.get("type").is_some_and(|kind| kind != "message");
        let reply = self.0.agent.hear(&mut conversation.memory, &heard);
        let said = conversation.append(id, activity, &now);
        if let Some(text) = reply {
            let from = json!({ "id": "agent", "name": "Agent", "role": "bot" });
            let mut answer = json!({ "type": "message", "text": text, "from": from, "replyToId": said });
            if greets && conversation.memory.knows_somebody() {
                let action = |text: &&str| json!({ "type": "imBack", "title": text, "value": text });
                let actions: Vec<Value> = desk::QUESTIONS.iter().map(action).collect();
                answer["suggestedActions"] = json!({ "actions": actions });
            }
            conversation.append(id, answer.as_object().cloned().unwrap_or_default(), &now);
        }
        conversation.news.send_replace(());
        said
    }

    /// What was said after a place, and the place where that ends.
    pub(super) fn after(&self, id: &str, index: usize) -> Value {
        let inner = self.lock();
        let all = inner.conversations.get(id).map(|c| c.activities.as_slice()).unwrap_or_default();
        let later = all.get(index..).unwrap_or_default();
        json!({ "activities": later, "watermark": all.len().to_string() })
    }

    pub(super) fn news(&self, id: &str) -> Option<watch::Receiver<()>> {
        self.lock().conversations.get(id).map(|conversation| conversation.news.subscribe())
    }

    /// Tells whoever watches what happened in a conversation.
    pub(super) fn tell(&self, outcome: Outcome, text: &str, conversation: &str) {
        let user = self.lock().conversations.get(conversation).and_then(|known| known.user.clone());
        let life = self.0.token_life.as_secs();
        let detail = json!({ "conversation": conversation, "bound_to": user, "expires_in": life });
        self.0.events.tell(Actor::DirectLine, outcome, text, detail);
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn timestamp(&self) -> String {
        let seconds = i64::try_from(self.0.clock.now().0).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    fn append(&mut self, conversation: &str, mut activity: Map<String, Value>, now: &str) -> String {
        let id = format!("{conversation}|{:07}", self.activities.len());
        activity.insert("id".to_owned(), Value::from(id.as_str()));
        activity.insert("timestamp".to_owned(), Value::from(now));
        activity.insert("channelId".to_owned(), Value::from("directline"));
        activity.insert("conversation".to_owned(), json!({ "id": conversation }));
        self.activities.push(Value::Object(activity));
        id
    }
}

/// A call for a token that is being answered.
pub(super) struct InFlight {
    double: Double,
    fault: Option<Fault>,
}

impl InFlight {
    /// Answers honestly, or as the fault has it.
    pub(super) async fn answer(self, honest: Value) -> Response {
        match self.fault {
            None => axum::Json(honest).into_response(),
            Some(fault) => fault.answer(honest, self.double.clock()).await,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.double.lock().at_once -= 1;
    }
}

/// A token of the shape that the service's have: RS256 by its header, readable claims. The signature is noise, because
/// nobody but the service can check it, and this service remembers its tokens instead.
fn token(conversation: &str, user: Option<&str>, now: UnixTime, expires_at: UnixTime) -> String {
    let issuer = "https://directline.botframework.com/";
    let header = json!({ "alg": "RS256", "kid": "double", "x5t": "double", "typ": "JWT" });
    let mut claims = json!({
        "bot": "double",
        "site": "double",
        "conv": conversation,
        "nbf": now.0,
        "exp": expires_at.0,
        "iss": issuer,
        "aud": issuer,
    });
    if let Some(user) = user {
        claims["user"] = Value::from(user);
    }
    let part = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let signature = random_bytes::<256>();
    format!("{}.{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()), part(&signature))
}
