//! `POST /refresh` and `/refresh/{widget}`: the visitor's own conversation token, renewed (facts R8).
//!
//! The secret never leaves, and neither does the right to renew: it needs the live session, and the proof that came with
//! the conversation's first token.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts as Head;
use http::{Method, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::headers::{JSON, private, share_with};
use super::origin::listed_origin;
use super::problem::Problem;
use super::token::{TicketFields, client_of, may_ask, ticket_fields, widget_of};
use super::{AppState, RequestId, Snapshot};
use crate::connector::ticket::Ticket;
use crate::issuance::refresh_in;
use crate::observe::audit::Record;
use crate::session::Session;
use crate::widget::Widget;

/// Largest body: a token and a proof.
const BODY_MAX: usize = 16 * 1024;
/// How long it may take to arrive. Whoever sends a byte a minute must not hold a connection for ever.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// What the page presents.
#[derive(Deserialize)]
struct Ask {
    #[serde(rename = "connectorToken")]
    token: SecretString,
    renewal: String,
}

/// What it gets.
#[derive(Serialize)]
struct Renewed<'a> {
    #[serde(flatten)]
    ticket: TicketFields<'a>,
    expires_in: u64,
    refresh_in: u64,
}

/// Answers one request for renewal, and writes down what came of it.
pub async fn answer(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let began = state.clock.monotonic();
    let snapshot = state.snapshot();
    let (head, body) = request.into_parts();
    let Some(widget) = widget_of(&snapshot, head.uri.path(), "refresh").filter(|w| w.connector.is_some()) else {
        return Problem::NotFound.response();
    };
    if head.method == Method::OPTIONS {
        return snapshot.origins.preflight(&widget.origins, "POST, OPTIONS", &head.headers);
    }
    let (session, result) = decide(&state, &snapshot, widget, &head, body).await;
    let record = Record {
        request_id: head.extensions.get::<RequestId>().map_or("", RequestId::as_str),
        outcome: result.as_ref().map_or_else(Problem::code, |_| "renewed"),
        reason: result.as_ref().map_or_else(Problem::reason, |_| ""),
        widget: &widget.name,
        source: session.as_ref().map_or("", |s| s.source),
        subject: session.as_ref().map(|s| &s.identity.subject),
        token_id: "",
        expires_at: 0,
        client: client_of(&state, &snapshot, &head),
        took: state.clock.monotonic().saturating_sub(began),
    };
    let place = state.audit.record(&record);
    let result = match result {
        Ok(ticket) => state.audit.written(place).await.map(|()| ticket).map_err(|_| Problem::Unrecorded),
        refused => refused,
    };
    let mut response = match result {
        Ok(ticket) => renewed(&ticket),
        Err(problem) => {
            state.metrics.refused(&widget.name, problem.code(), problem.reason());
            problem.response()
        }
    };
    if let Some(origin) = listed_origin(&widget.origins, &head.headers) {
        share_with(response.headers_mut(), &origin, snapshot.origins.cross_site);
    }
    response
}

type Decision = (Option<Session>, Result<Ticket, Problem>);

async fn decide(state: &AppState, snapshot: &Snapshot, widget: &Widget, head: &Head, body: Body) -> Decision {
    let ask = match read(state, snapshot, widget, head, body).await {
        Ok(ask) => ask,
        Err(problem) => return (None, Err(problem)),
    };
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
    let result = snapshot.issuer.renew(widget, &session, &ask.renewal, &ask.token).await.map_err(Problem::Refused);
    (Some(session), result)
}

async fn read(state: &AppState, snapshot: &Snapshot, widget: &Widget, head: &Head, body: Body) -> Result<Ask, Problem> {
    if head.method != Method::POST {
        return Err(Problem::Method("POST, OPTIONS"));
    }
    may_ask(state, snapshot, widget, head, BODY_MAX)?;
    let read = tokio::time::timeout(BODY_DEADLINE, to_bytes(body, BODY_MAX)).await;
    let bytes = read.map_err(|_| Problem::Unreadable)?.map_err(|_| Problem::TooLarge)?;
    serde_json::from_slice(&bytes).map_err(|_| Problem::Unreadable)
}

fn renewed(ticket: &Ticket) -> Response {
    let body = Renewed {
        ticket: ticket_fields(ticket),
        expires_in: ticket.expires_in.as_secs(),
        refresh_in: refresh_in(ticket.expires_in).as_secs(),
    };
    match serde_json::to_string(&body) {
        Ok(json) => private(StatusCode::OK, JSON, json),
        Err(_) => Problem::Misconfigured("not_json").response(),
    }
}
