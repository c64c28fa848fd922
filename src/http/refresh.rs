//! `POST /refresh` and `/refresh/{widget}`: the visitor's own conversation token, renewed.
//!
//! The secret never leaves, and neither does the right to renew: it needs the live session, and the proof that came with
//! the conversation's first token.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::request::Parts as Head;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::form;
use super::headers::{JSON, private};
use super::problem::Problem;
use super::token::{TicketFields, asker, ticket_fields};
use crate::connector::ticket::Ticket;
use crate::issuance::refresh_in;
use crate::observe::audit::Record;
use crate::session::Session;
use crate::widget::Widget;

/// Largest body: a token and a proof.
const BODY_MAX: usize = 16 * 1024;

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
pub async fn answer(call: &Call<'_>, widget: &Widget, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (session, result) = decide(call, widget, &head, body).await;
    let outcome = result.as_ref().map_or_else(Problem::code, |_| "renewed");
    let reason = result.as_ref().map_or_else(Problem::reason, |_| "");
    let source = session.as_ref().map_or("", |s| s.source);
    let record = Record {
        source,
        subject: session.as_ref().map(|s| &s.identity.subject),
        ..call.record(&widget.name, outcome, reason)
    };
    let audit = &call.state.audit;
    let result = match result {
        Ok(ticket) => audit.recorded(&record).await.map(|()| ticket).map_err(|_| Problem::Unrecorded),
        Err(problem) => {
            audit.record(&record);
            Err(problem)
        }
    };
    match result {
        Ok(ticket) => renewed(&ticket),
        Err(problem) => {
            call.refused(&widget.name, source, &problem);
            problem.response()
        }
    }
}

type Decision = (Option<Session>, Result<Ticket, Problem>);

async fn decide(call: &Call<'_>, widget: &Widget, head: &Head, body: Body) -> Decision {
    let issuer = &call.snapshot.issuer;
    let session = match asker(call, widget, head, BODY_MAX).await {
        Ok(session) => session,
        Err(problem) => return (None, Err(problem)),
    };
    let ask = match read(body).await {
        Ok(ask) => ask,
        Err(problem) => return (Some(session), Err(problem)),
    };
    if let Err(wait) = call.state.limiter.take(&widget.name, session.identity.subject.as_str()) {
        return (Some(session), Err(Problem::RateLimited(wait)));
    }
    if call.state.audit.room().await.is_err() {
        return (Some(session), Err(Problem::Unrecorded));
    }
    let result = issuer.renew(widget, &session, &ask.renewal, &ask.token).await.map_err(Problem::Refused);
    (Some(session), result)
}

async fn read(body: Body) -> Result<Ask, Problem> {
    let bytes = form::body(body, BODY_MAX).await?;
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
