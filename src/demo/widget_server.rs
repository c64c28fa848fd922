//! A stand-in for the chat vendor's server. It shares with countersign what a vendor shares with its customer, a secret or
//! the address of the public keys, and nothing else: its own copies, its own verification.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::desk::reply;
use super::events::{Actor, Events, Outcome};
use super::proof::{Check, Mismatch, Visitor};
use super::vendor_desk::{Reply, VendorDesk};
use super::vendors::Vendor;
use crate::base::clock::{Clock, UnixTime, random_id};
use crate::http::headers::{JSON, private};
use crate::net::origin;

/// Largest body that is read.
const BODY_MAX: usize = 64 * 1024;
/// Most conversations that are remembered.
const CONVERSATIONS_MAX: usize = 1000;

/// The server.
#[derive(Debug, Clone)]
pub struct WidgetServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    authority: String,
    customer: String,
    checks: Vec<Check>,
    vendors: VendorDesk,
    memory: Mutex<Memory>,
    events: Events,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Memory {
    conversations: HashMap<String, Option<Visitor>>,
    spent: HashMap<String, UnixTime>,
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
    pub fn new(
        authority: String,
        customer: String,
        checks: Vec<Check>,
        vendors: VendorDesk,
        events: Events,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Inner { authority, customer, checks, vendors, memory: Mutex::default(), events, clock }))
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
            (&Method::POST, path) => match to_bytes(body, BODY_MAX).await {
                Ok(body) => self.answer(path, &head.headers, &body).await,
                Err(_) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large"),
            },
            _ => not_found(),
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

    async fn answer(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        match path.strip_prefix("/vendors/") {
            Some(vendor) => self.meet(vendor, body).await,
            None if path == "/api" => self.answer_chat(body).await,
            None => self.exchange(path, headers, body),
        }
    }

    /// What a page's call handed to a vendor of the gallery.
    async fn meet(&self, vendor: &str, body: &Bytes) -> Response {
        let Ok(sent) = serde_json::from_slice(body) else {
            return refuse(StatusCode::BAD_REQUEST, "bad_request", "what the call was given, as a JSON object");
        };
        let title = Vendor::named(vendor).map_or("No vendor", |(_, vendor)| vendor.title());
        match self.0.vendors.identify(vendor, &sent).await {
            Ok(known) => {
                let who = known.name.as_deref().map_or_else(String::new, |name| format!("{name}, "));
                let text = format!("{title} believes that this is {who}{}", known.id);
                self.0.events.tell(Actor::WidgetServer, Outcome::Granted, text, json!({ "widget": vendor }));
                let answer = json!({ "visitor": { "id": known.id, "name": known.name } });
                private(StatusCode::OK, JSON, answer.to_string())
            }
            Err(doubt) => {
                let detail = json!({ "widget": vendor, "code": doubt.code() });
                self.0.events.tell(Actor::WidgetServer, Outcome::Refused, format!("{title} refused: {doubt}"), detail);
                refuse(StatusCode::UNAUTHORIZED, doubt.code(), &doubt.to_string())
            }
        }
    }

    /// A vendor's server is asked by countersign.
    fn exchange(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Response {
        match self.0.vendors.answer(path, headers, body) {
            Some(Reply::Given(answer, told)) => {
                if let Some((title, id)) = told {
                    let text = format!("{title} gave countersign a token for {id}");
                    self.0.events.tell(Actor::WidgetServer, Outcome::Granted, text, Value::Null);
                }
                private(StatusCode::OK, JSON, answer.to_string())
            }
            Some(Reply::Unauthorized) => refuse(StatusCode::UNAUTHORIZED, "api_key", "the API key is another one"),
            Some(Reply::Incomplete) => refuse(StatusCode::BAD_REQUEST, "bad_request", "it names no visitor"),
            None => not_found(),
        }
    }

    async fn answer_chat(&self, body: &Bytes) -> Response {
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
        let checked = match self.0.checks.iter().find(|check| check.widget == widget) {
            Some(check) => check.verify(token, late, &self.0.clock).await,
            None => Err(Mismatch::Widget),
        };
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

    /// Puts a visitor into a conversation. A token with an id of its own opens this door once; only the conversation it
    /// was used in may show it again.
    fn admit(&self, visitor: Visitor, conversation: Option<String>) -> Result<(String, Visitor), Mismatch> {
        let now = self.0.clock.now();
        let mut memory = self.lock();
        let conversation = conversation.filter(|id| memory.conversations.contains_key(id)).unwrap_or_else(random_id);
        if let Some(id) = &visitor.token_id {
            memory.spent.retain(|_, until| *until > now);
            let here = memory.conversations.get(&conversation).and_then(|known| known.as_ref()?.token_id.as_ref());
            if memory.spent.contains_key(id) && here != Some(id) {
                return Err(Mismatch::Spent);
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
        // An ended proof is remembered as one, so that every message is told why, and not the first alone.
        memory.keep(&conversation, known);
        drop(memory);
        if lapsed {
            let text = "The proof has expired: this visitor is anonymous until the page brings a new one";
            self.0.events.tell(Actor::WidgetServer, Outcome::Refused, text, Value::Null);
        }
        let reply = reply(text, visitor.as_ref(), lapsed);
        let name = visitor.map(|v| v.name);
        let answer = json!({ "conversation": conversation, "reply": reply, "verified_as": name, "lapsed": lapsed });
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

fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "not_found", "the stand-in chat server answers POST /api, and what its vendors do")
}

fn refuse(status: StatusCode, code: &str, reason: &str) -> Response {
    private(status, JSON, json!({ "code": code, "reason": reason }).to_string())
}
