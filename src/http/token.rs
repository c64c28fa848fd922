//! `GET, POST /token` and `/token/{widget}`: the one answer that carries a token's text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::header::ACCEPT;
use http::request::Parts as Head;
use http::{HeaderMap, HeaderValue, StatusCode};

use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;

use super::call::Call;
use super::headers::{JSON, private};
use super::input;
use super::origin::has_fetch_metadata;
use super::problem::Problem;
use super::state::AppState;
use crate::connector::ticket::Ticket;
use crate::issuance::{Issued, Shape};
use crate::net::field::media_type;
use crate::observe::audit::Record;
use crate::session::Session;
use crate::widget::Widget;

/// The media type of a bare token (RFC 7519 section 10.3.1).
const JWT: HeaderValue = HeaderValue::from_static("application/jwt");

/// Largest body that is accepted, and ignored (DoS-1, T-6).
const BODY_MAX: usize = 4 * 1024;

/// Answers one request for a token, and writes down what came of it.
pub async fn answer(call: &Call<'_>, widget: &Widget, bare: bool, request: Request) -> Response {
    let (head, _body) = request.into_parts();
    let (session, result) = decide(call, widget, &head).await;
    let took = call.took();
    call.state.metrics.took(took);
    let record = Record {
        source: session.as_ref().map_or("", |s| s.source),
        subject: session.as_ref().map(|s| &s.identity.subject),
        took,
        ..call.record(&widget.name, "issued", "")
    };
    match result {
        Ok(issued) => granted(call.state, widget, &issued, shape(bare, &head.headers), record).await,
        Err(problem) => denied(call.state, widget, &problem, record),
    }
}

/// Who asked, when somebody was found, and what came of it.
type Decision = (Option<Session>, Result<Issued, Problem>);

async fn decide(call: &Call<'_>, widget: &Widget, head: &Head) -> Decision {
    if let Err(problem) = may_ask(call, widget, head, BODY_MAX) {
        return (None, Err(problem));
    }
    let (state, issuer) = (call.state, &call.snapshot.issuer);
    let session = match issuer.session(head).await {
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
    let result = issuer.issue_to(widget, &session, &page).await.map_err(Problem::Refused);
    (Some(session), result)
}

/// What every request must meet before its session is looked at: the body, the header, and the page.
pub(super) fn may_ask(call: &Call<'_>, widget: &Widget, head: &Head, body_max: usize) -> Result<(), Problem> {
    call.snapshot.token.check(head, body_max)?;
    if !has_fetch_metadata(&head.headers) {
        call.state.metrics.fetch_metadata_absent.inc();
    }
    call.snapshot.origins.admit(&widget.origins, &head.headers).map(|_| ()).map_err(Problem::Origin)
}

async fn granted(
    state: &AppState,
    widget: &Widget,
    issued: &Issued,
    bare: Option<HeaderValue>,
    record: Record<'_>,
) -> Response {
    let token_id = issued.id.as_deref().unwrap_or_default();
    let granted = Record { token_id, expires_at: issued.expires_at.0, ..record };
    if state.audit.recorded(&granted).await.is_err() {
        return denied(state, widget, &Problem::Unrecorded, record);
    }
    state.metrics.issued(&widget.name, record.source);
    match bare {
        Some(media) => private(StatusCode::OK, media, issued.proof.reveal().to_owned()),
        None => private(StatusCode::OK, JSON, body(widget, issued)),
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

fn body(widget: &Widget, issued: &Issued) -> String {
    match &issued.shape {
        Shape::Full => json(widget, issued),
        Shape::Exact => exact(widget, issued),
        Shape::Whole(answer) => answer.expose_secret().to_owned(),
    }
}

/// The token and what stands beside it, and nothing else: a vendor's library passes this on as it is.
fn exact(widget: &Widget, issued: &Issued) -> String {
    let mut members = issued.beside.clone();
    members.insert(widget.token_field.clone(), Value::from(issued.proof.reveal()));
    Value::Object(members).to_string()
}

/// A text inside a JSON string. A signed token needs no escapes; what a vendor's server or an operator's constant holds may.
fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let quoted = Value::from(text).to_string();
    Cow::Owned(quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')).unwrap_or_default().to_owned())
}

/// The JSON answer. Written by hand because it is the hot path: the names were checked at start, so only the token of
/// another's making and the claims beside need escaping.
fn json(widget: &Widget, issued: &Issued) -> String {
    let token = escaped(issued.proof.reveal());
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

/// The media type of a bare-token answer, when that is what the path or the page asked for.
fn shape(bare: bool, headers: &HeaderMap) -> Option<HeaderValue> {
    if bare { Some(JWT) } else { bare_type(headers) }
}

fn bare_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let (mut jwt, mut plain) = (false, false);
    let items = headers.get_all(ACCEPT).into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    for media in items.map(media_type) {
        if media.eq_ignore_ascii_case(b"application/json") {
            return None;
        }
        jwt |= media.eq_ignore_ascii_case(b"application/jwt");
        plain |= media.eq_ignore_ascii_case(b"text/plain");
    }
    let plain = plain.then(|| HeaderValue::from_static("text/plain; charset=utf-8"));
    if jwt { Some(JWT) } else { plain }
}
