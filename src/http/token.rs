//! `GET, POST /token` and `/token/{widget}`: the one answer that carries a token's text.

use std::borrow::Cow;

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
use crate::connector::ticket::Ticket;
use crate::issuance::{Issued, Refusal, Shape};
use crate::net::field::media_type;
use crate::observe::audit::Record;
use crate::session::Session;
use crate::session::nobody::Nobody;
use crate::widget::{Listed, Widget};

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
        Ok(issued) => granted(call, widget, &issued, shape(bare, &head.headers), record).await,
        Err(problem) => denied(call, widget, &problem, record),
    }
}

/// Who asked, when somebody was found, and what came of it.
type Decision = (Option<Session>, Result<Issued, Problem>);

async fn decide(call: &Call<'_>, widget: &Widget, head: &Head) -> Decision {
    let (state, issuer) = (call.state, &call.snapshot.issuer);
    let session = match asker(call, widget, head, BODY_MAX).await {
        Ok(session) => session,
        Err(problem) => return (None, Err(problem)),
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

/// Whose session a request is of, once it meets what every request must: the body, the header, and the page.
pub(super) async fn asker(call: &Call<'_>, widget: &Widget, head: &Head, body_max: usize) -> Result<Session, Problem> {
    call.snapshot.token.check(head, body_max)?;
    if !has_fetch_metadata(&head.headers) {
        call.state.metrics.fetch_metadata_absent.inc();
    }
    session_of(call, &widget.origins, head).await
}

/// The session of a request, for who may ask about it.
pub(super) async fn session_of(call: &Call<'_>, others: &[Listed], head: &Head) -> Result<Session, Problem> {
    let origin = call.snapshot.origins.admit(others, &head.headers).map_err(Problem::Origin)?;
    let began = call.state.clock.monotonic();
    let session = call.snapshot.issuer.session(head).await.map_err(Problem::Refused)?;
    call.state.metrics.source_took(session.source, call.state.clock.monotonic().saturating_sub(began));
    origin.check(&session).map_err(Problem::Origin)?;
    if let Some(revocations) = &call.snapshot.revocations
        && revocations.end(&session).await.map_err(|down| Problem::StoreDown(down.reason()))?
    {
        return Err(Problem::Refused(Refusal::LoginRequired(Nobody::Revoked)));
    }
    Ok(session)
}

async fn granted(
    call: &Call<'_>,
    widget: &Widget,
    issued: &Issued,
    bare: Option<HeaderValue>,
    record: Record<'_>,
) -> Response {
    let state = call.state;
    let token_id = issued.id.as_deref().unwrap_or_default();
    let hash = if token_id.is_empty() { state.audit.token_hash(issued.proof.reveal()) } else { String::new() };
    let expires_at = issued.expires_at.0;
    let key_id = widget.mechanism.key_id(issued.expires_at.minus(issued.expires_in));
    let granted = Record { token_id, token_hash: &hash, key_id, expires_at, ..record };
    if state.audit.recorded(&granted).await.is_err() {
        return denied(call, widget, &Problem::Unrecorded, record);
    }
    state.metrics.issued(&widget.name, record.source);
    match bare {
        Some(media) => private(StatusCode::OK, media, issued.proof.reveal().to_owned()),
        None => private(StatusCode::OK, JSON, body(widget, issued)),
    }
}

fn denied(call: &Call<'_>, widget: &Widget, problem: &Problem, record: Record<'_>) -> Response {
    let (code, reason) = (problem.code(), problem.reason());
    call.refused(&widget.name, record.source, problem);
    call.state.audit.record(&Record { outcome: code, reason, ..record });
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

/// A text inside a JSON string. A signed token needs no escapes (RFC 8259 section 7); what a vendor's server or an operator's
/// constant holds may.
fn escaped(text: &str) -> Cow<'_, str> {
    let special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    if !text.bytes().fold(false, |found, byte| found | special(byte)) {
        return Cow::Borrowed(text);
    }
    let quoted = Value::from(text).to_string();
    Cow::Owned(quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"')).unwrap_or_default().to_owned())
}

/// The JSON answer. Written by hand because it is the hot path: the names were checked at start, so only the token of
/// another's making and the claims beside need escaping.
fn json(widget: &Widget, issued: &Issued) -> String {
    let token = escaped(issued.proof.reveal());
    let mut out = String::with_capacity(token.len() + 160);
    out.extend(["{\"", &widget.token_field, "\":\"", &token, "\""]);
    let times = [
        (",\"expires_at\":", issued.expires_at.0),
        (",\"expires_in\":", issued.expires_in.as_secs()),
        (",\"refresh_in\":", issued.refresh_in.as_secs()),
    ];
    for (name, value) in times {
        out.extend([name, itoa::Buffer::new().format(value)]);
    }
    out.extend([",\"widget\":\"", &widget.name, "\""]);
    if let Some(ticket) = &issued.ticket {
        out.push(',');
        out.push_str(members(&serde_json::to_string(&ticket_fields(ticket)).unwrap_or_default()));
        out.extend([",\"connector_expires_in\":", itoa::Buffer::new().format(ticket.expires_in.as_secs())]);
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
/// only.
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
