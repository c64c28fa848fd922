//! `GET, POST /token` and `/token/{widget}`: the one answer that carries a token's text.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::headers::{JSON, private, share_with};
use super::origin::{OriginError, has_fetch_metadata, listed_origin};
use super::problem::Problem;
use super::{AppState, RequestId, Snapshot, input};
use crate::config::env::{Env, Var};
use crate::connector::ticket::Ticket;
use crate::issuance::Issued;
use crate::net::field::media_type;
use crate::net::peer::Peer;
use crate::observe::audit::Record;
use crate::session::Session;
use crate::widget::Widget;

/// Accepted methods.
pub const TOKEN_METHODS: Var = Var::new(
    "TOKEN_METHODS",
    "GET,POST",
    "POST",
    "Methods that get a token. Vendors' page snippets use GET; POST alone is stricter.",
);
/// Required header.
pub const TOKEN_REQUIRE_HEADER: Var = Var::new(
    "TOKEN_REQUIRE_HEADER",
    "",
    "X-Requested-By: countersign",
    "A header (`Name`, or `Name: value`) that a page must send, which no form or image can. The browser module sends X-Requested-By: countersign.",
);

/// Other paths for a widget.
pub const TOKEN_ALIASES: Var = Var::new(
    "TOKEN_ALIASES",
    "",
    "/chatBot=clinic",
    "Further paths that answer with a widget's bare token, as /path=widget: for vendor pages that ask there and read the body as the token.",
);

/// The media type of a bare token (RFC 7519 section 10.3.1).
const JWT: HeaderValue = HeaderValue::from_static("application/jwt");

/// Largest body that is accepted, and ignored (DoS-1, T-6).
const BODY_MAX: usize = 4 * 1024;

/// How a page must ask.
#[derive(Debug, Clone)]
pub struct TokenRules {
    get: bool,
    aliases: Vec<Alias>,
    header: Option<(HeaderName, Option<HeaderValue>)>,
}

/// A further path that answers with a widget's bare token.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alias {
    path: String,
    widget: String,
}

impl std::str::FromStr for Alias {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, widget) = text.split_once('=').ok_or_else(|| format!("`{text}` is not /path=widget"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
        let ours = ["/token", "/refresh", "/session", "/login", "/logout", "/introspect"];
        let taken = ours.iter().any(|own| path == *own || path.starts_with(&format!("{own}/")));
        let sound = path.len() > 1 && path.starts_with('/') && !path.ends_with('/') && !path.contains("//");
        if sound && !taken && path.chars().all(plain) {
            Ok(Self { path: path.to_owned(), widget: widget.to_owned() })
        } else {
            Err(format!("`{path}` is not a free path such as /chatBot"))
        }
    }
}

impl TokenRules {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[&TOKEN_METHODS, &TOKEN_REQUIRE_HEADER, &TOKEN_ALIASES];

    /// Reads the methods and the header.
    pub fn read(env: &mut Env) -> Self {
        let methods: Vec<String> = env.list(&TOKEN_METHODS);
        let known = methods.iter().all(|m| m == "GET" || m == "POST");
        if !known || !methods.iter().any(|m| m == "POST") {
            env.mistake_in(&TOKEN_METHODS, "takes POST, or GET,POST");
        }
        let header = env.text(&TOKEN_REQUIRE_HEADER).and_then(|text| read_header(env, &text));
        Self { get: methods.iter().any(|m| m == "GET"), aliases: env.list(&TOKEN_ALIASES), header }
    }

    /// Names aliases of widgets that do not exist.
    pub fn check_aliases(&self, env: &mut Env, widgets: &[Widget]) {
        let missing = self.aliases.iter().find(|alias| !widgets.iter().any(|widget| widget.name == alias.widget));
        if let Some(alias) = missing {
            env.mistake_in(&TOKEN_ALIASES, &format!("there is no widget `{}`", alias.widget));
        }
    }

    /// The header that every page must send.
    pub fn required_header(&self) -> Option<&HeaderName> {
        self.header.as_ref().map(|(name, _)| name)
    }

    /// The further paths.
    pub fn alias_paths(&self) -> impl Iterator<Item = &str> {
        self.aliases.iter().map(|alias| alias.path.as_str())
    }

    fn alias(&self, path: &str) -> Option<&str> {
        let found = self.aliases.iter().find(|alias| path.ends_with(&alias.path));
        found.map(|alias| alias.widget.as_str())
    }

    fn allowed(&self) -> &'static str {
        if self.get { "GET, POST, OPTIONS" } else { "POST, OPTIONS" }
    }

    fn check(&self, head: &Head, body_max: usize) -> Result<(), Problem> {
        let accepted = head.method == Method::POST || self.get && head.method == Method::GET;
        if !accepted {
            return Err(Problem::Method(self.allowed()));
        }
        check_body(&head.headers, body_max)?;
        let Some((name, value)) = &self.header else { return Ok(()) };
        let sent = head.headers.get(name);
        let right = sent.is_some_and(|sent| value.as_ref().is_none_or(|value| value == sent));
        if right { Ok(()) } else { Err(Problem::Origin(OriginError::NoHeader)) }
    }
}

fn read_header(env: &mut Env, text: &str) -> Option<(HeaderName, Option<HeaderValue>)> {
    let (name, value) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v.trim())));
    let parsed = HeaderName::try_from(name.trim()).ok().zip(value.map(HeaderValue::from_str).transpose().ok());
    if parsed.is_none() {
        env.mistake_in(&TOKEN_REQUIRE_HEADER, "is neither `Name` nor `Name: value`");
    }
    parsed
}

/// No body, or JSON: a form or a plain text is what another site's page can send without asking (B-1). What it says is
/// never read.
fn check_body(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let media = content_type.map(media_type);
    if media.is_some_and(|m| !m.is_empty() && !m.eq_ignore_ascii_case(b"application/json")) {
        return Err(Problem::MediaType);
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) { Err(Problem::TooLarge) } else { Ok(()) }
}

/// Answers one request for a token, and writes down what came of it.
pub async fn answer(state: &AppState, request: Request, id: &RequestId) -> Response {
    let began = state.clock.monotonic();
    let snapshot = state.snapshot();
    let (head, _body) = request.into_parts();
    let Some((widget, shape)) = addressed(&snapshot, head.uri.path()) else { return Problem::NotFound.response() };
    if head.method == Method::OPTIONS {
        return snapshot.origins.preflight(&widget.origins, snapshot.token.allowed(), &head.headers);
    }
    let (session, result) = decide(state, &snapshot, widget, &head).await;
    let took = state.clock.monotonic().saturating_sub(began);
    state.metrics.took(took);
    let record = Record {
        request_id: id.as_str(),
        outcome: "issued",
        reason: "",
        widget: &widget.name,
        source: session.as_ref().map_or("", |s| s.source),
        subject: session.as_ref().map(|s| &s.identity.subject),
        token_id: "",
        expires_at: 0,
        client: client_of(state, &snapshot, &head),
        took,
    };
    let mut response = match result {
        Ok(issued) => granted(state, widget, &issued, shape.or_else(|| bare_type(&head.headers)), record).await,
        Err(problem) => denied(state, widget, &problem, record),
    };
    if let Some(origin) = listed_origin(&widget.origins, &head.headers) {
        share_with(response.headers_mut(), &origin, snapshot.origins.cross_site);
    }
    response
}

/// Who asked, when somebody was found, and what came of it.
type Decision = (Option<Session>, Result<Issued, Problem>);

async fn decide(state: &AppState, snapshot: &Snapshot, widget: &Widget, head: &Head) -> Decision {
    if let Err(problem) = may_ask(state, snapshot, widget, head, BODY_MAX) {
        return (None, Err(problem));
    }
    let session = match snapshot.issuer.session(head).await {
        Ok(session) => session,
        Err(refusal) => return (None, Err(Problem::Refused(refusal))),
    };
    if let Err(wait) = state.limiter.take(&widget.name, session.identity.subject.as_str()) {
        return (Some(session), Err(Problem::RateLimited(wait)));
    }
    if state.audit.room().await.is_err() {
        return (Some(session), Err(Problem::Unrecorded));
    }
    let page = input::read(widget, head.uri.query());
    let result = snapshot.issuer.issue_to(widget, &session, &page).await.map_err(Problem::Refused);
    (Some(session), result)
}

/// What every request must meet before its session is looked at: the method, the body, the header, and the page.
pub(super) fn may_ask(
    state: &AppState,
    snapshot: &Snapshot,
    widget: &Widget,
    head: &Head,
    body_max: usize,
) -> Result<(), Problem> {
    snapshot.token.check(head, body_max)?;
    if !has_fetch_metadata(&head.headers) {
        state.metrics.fetch_metadata_absent.inc();
    }
    snapshot.origins.admit(&widget.origins, &head.headers).map(|_| ()).map_err(Problem::Origin)
}

/// The widget that a path names, and the media type when the path itself asks for the bare token.
fn addressed<'a>(snapshot: &'a Snapshot, path: &str) -> Option<(&'a Widget, Option<HeaderValue>)> {
    if let Some(widget) = snapshot.token.alias(path) {
        return snapshot.widgets.get(Some(widget)).map(|widget| (widget, Some(JWT)));
    }
    widget_of(snapshot, path, "token").map(|widget| (widget, None))
}

/// The widget named after `route`, or the first widget when the path ends there.
pub(super) fn widget_of<'a>(snapshot: &'a Snapshot, path: &str, route: &str) -> Option<&'a Widget> {
    let mut segments = path.rsplit('/');
    let last = segments.next().unwrap_or_default();
    let named = segments.next() == Some(route);
    snapshot.widgets.get(named.then_some(last))
}

pub(super) fn client_of(state: &AppState, snapshot: &Snapshot, head: &Head) -> Option<IpAddr> {
    let peer = head.extensions.get::<Peer>()?;
    let client = snapshot.proxies.client(*peer, &head.headers);
    if client.contradiction {
        state.metrics.forwarded_contradictions.inc();
    }
    client.address
}

async fn granted(
    state: &AppState,
    widget: &Widget,
    issued: &Issued,
    bare: Option<HeaderValue>,
    record: Record<'_>,
) -> Response {
    let token_id = issued.id.as_deref().unwrap_or_default();
    let place = state.audit.record(&Record { token_id, expires_at: issued.expires_at.0, ..record });
    if state.audit.written(place).await.is_err() {
        return denied(state, widget, &Problem::Unrecorded, record);
    }
    state.metrics.issued(&widget.name, record.source);
    match bare {
        Some(media) => private(StatusCode::OK, media, issued.proof.reveal().to_owned()),
        None => private(StatusCode::OK, JSON, json(widget, issued)),
    }
}

fn denied(state: &AppState, widget: &Widget, problem: &Problem, record: Record<'_>) -> Response {
    let (code, reason) = (problem.code(), problem.reason());
    state.metrics.refused(&widget.name, code, reason);
    state.audit.record(&Record { outcome: code, reason, ..record });
    if code == "misconfigured" {
        tracing::error!(request = record.request_id, widget = %widget.name, reason, "a token could not be made");
    }
    problem.response()
}

/// The JSON answer. Written by hand because it is the hot path: the token is base64url and the names were checked at start,
/// so only the claims beside need escaping.
fn json(widget: &Widget, issued: &Issued) -> String {
    let token = issued.proof.reveal();
    let seconds = |span: Duration| span.as_secs();
    let mut out = String::with_capacity(token.len() + 160);
    let written = write!(
        out,
        r#"{{"{}":"{token}","expires_at":{},"expires_in":{},"refresh_in":{},"widget":"{}""#,
        widget.token_field,
        issued.expires_at.0,
        seconds(issued.expires_in),
        seconds(issued.refresh_in),
        widget.name,
    );
    debug_assert!(written.is_ok(), "writing to a String does not fail");
    if let Some(ticket) = &issued.ticket {
        out.push(',');
        out.push_str(members(&serde_json::to_string(&ticket_fields(ticket)).unwrap_or_default()));
        let renewing = write!(out, r#","connector_expires_in":{}"#, seconds(ticket.expires_in));
        debug_assert!(renewing.is_ok(), "writing to a String does not fail");
    }
    if !issued.beside.is_empty() {
        out.push(',');
        out.push_str(members(&serde_json::to_string(&issued.beside).unwrap_or_default()));
    }
    out.push('}');
    out
}

/// The inside of a JSON object.
fn members(object: &str) -> &str {
    object.strip_prefix('{').and_then(|o| o.strip_suffix('}')).unwrap_or_default()
}

/// What the vendor gave us, as the page's client needs it. The domain is always there: a token is good in its own region
/// only (facts R10).
#[derive(Serialize)]
pub(super) struct TicketFields<'a> {
    #[serde(rename = "connectorToken")]
    token: &'a str,
    #[serde(rename = "conversationId", skip_serializing_if = "Option::is_none")]
    conversation_id: Option<&'a str>,
    domain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewal: Option<&'a str>,
}

/// The members that a ticket adds to an answer.
pub(super) fn ticket_fields(ticket: &Ticket) -> TicketFields<'_> {
    TicketFields {
        token: ticket.token.expose_secret(),
        conversation_id: ticket.conversation_id.as_deref(),
        domain: &ticket.domain,
        renewal: ticket.renewal.as_deref(),
    }
}

/// The media type of a bare-token answer, when that is what the page asked for.
fn bare_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let accepts = |media: &[u8]| {
        let items = headers.get_all(ACCEPT).into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
        items.map(media_type).any(|found| found.eq_ignore_ascii_case(media))
    };
    if !headers.contains_key(ACCEPT) || accepts(b"application/json") {
        return None;
    }
    let jwt = accepts(b"application/jwt").then_some(JWT);
    jwt.or_else(|| accepts(b"text/plain").then(|| HeaderValue::from_static("text/plain; charset=utf-8")))
}
