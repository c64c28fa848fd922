//! `POST /introspect`: a widget's server asks whether a token of ours counts (RFC 7662).
//!
//! It shows a secret of its own. It is told that a token counts and what it says, or that it does not and nothing else: which step a
//! token failed is for our log and our records. What cannot be found out is a 503, never "not active".

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::bearer::BearerSecrets;
use super::call::Call;
use super::form;
use super::headers::{JSON, private};
use super::problem::Problem;
use crate::config::env::Env;
use crate::issuance::introspection::{ActiveToken, InactiveToken};
use crate::jose::jws::compact::TOKEN_MAX;
use crate::observe::audit::Record;
use crate::widget::Widget;

crate::settings! {
    pub vars VARS {
        INTROSPECTION_SECRET(secret),
            "Turns POST /introspect on (RFC 7662), where a widget's server asks whether a token counts, and is the secret that it must show as a bearer token. At least 32 characters.";
        INTROSPECTION_SECRET_NEXT(secret; after("INTROSPECTION_SECRET")),
            "A second accepted secret, for the time in which widgets' servers are switched over.";
        INTROSPECTION_ONE_TIME("false", "true"),
            "A token counts once: for who introspects it first, on whichever replica. Uses are remembered in SESSION_STORE until the token has ended.";
    }
}

/// Largest body: a token, percent-encoded, and what names its kind.
const BODY_MAX: usize = TOKEN_MAX + 1024;

/// How the endpoint is configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may ask.
    pub callers: BearerSecrets,
    /// Whether tokens count once.
    pub one_time: bool,
}

impl Settings {
    /// Reads them; `None` when the endpoint is off, or after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let callers = BearerSecrets::read(env, &INTROSPECTION_SECRET, &INTROSPECTION_SECRET_NEXT);
        let one_time = env.flag(&INTROSPECTION_ONE_TIME);
        if one_time && !env.is_set(&INTROSPECTION_SECRET) {
            env.mistake_in(&INTROSPECTION_ONE_TIME, "needs INTROSPECTION_SECRET: only who introspects a token uses it");
        }
        Some(Self { callers: callers?, one_time })
    }
}

/// Answers one question, about the token of this widget or of any, and writes down what came of it.
pub async fn answer(call: &Call<'_>, widget: Option<&Widget>, request: Request) -> Response {
    let name = widget.map_or("", |widget| widget.name.as_str());
    match decide(call, widget, request).await {
        Ok(response) => response,
        Err(problem) => {
            call.refused(name, "", &problem);
            call.state.audit.record(&call.record(name, problem.code(), problem.reason()));
            tracing::warn!(
                request = call.id.as_str(),
                widget = name,
                reason = problem.reason(),
                "introspection refused"
            );
            problem.response()
        }
    }
}

async fn decide(call: &Call<'_>, widget: Option<&Widget>, request: Request) -> Result<Response, Problem> {
    let snapshot = call.snapshot;
    let (callers, introspection) = snapshot.introspection.as_ref().ok_or(Problem::NotFound)?;
    let (head, body) = request.into_parts();
    callers.check(&head.headers).map_err(Problem::Unauthorized)?;
    if !form::is_form(&head.headers) {
        return Err(Problem::Unreadable);
    }
    let fields = form::body(body, BODY_MAX).await?;
    let token = form::only(&fields, "token").filter(|token| !token.is_empty()).ok_or(Problem::Unreadable)?;
    call.state.audit.room().await.map_err(|_| Problem::Unrecorded)?;
    let asked = introspection.ask(&snapshot.widgets, widget, &token).await;
    match asked.map_err(|down| Problem::StoreDown(down.reason()))? {
        Ok(active) => granted(call, &active).await,
        Err(inactive) => Ok(refused(call, inactive)),
    }
}

async fn granted(call: &Call<'_>, active: &ActiveToken<'_>) -> Result<Response, Problem> {
    let (widget, claims) = (active.widget, &active.claims);
    let token_id = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
    let expires_at = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
    let record = Record { token_id, expires_at, ..call.record(&widget.name, "active", "") };
    call.state.audit.recorded(&record).await.map_err(|_| Problem::Unrecorded)?;
    Ok(private(StatusCode::OK, JSON, Value::Object(said(active)).to_string()))
}

/// What the token says, with the subject under the name that RFC 7662 section 2.2 has for it, wherever the format keeps it.
fn said(active: &ActiveToken<'_>) -> Map<String, Value> {
    let mut answer = active.claims.clone();
    let rule = active.widget.template.registered().subject.as_ref();
    let subject = rule.and_then(|rule| active.claims.get(rule.claim.as_ref()));
    if let Some(subject) = subject.filter(|_| !active.claims.contains_key("sub")) {
        answer.insert("sub".to_owned(), subject.clone());
    }
    answer.insert("active".to_owned(), true.into());
    answer.insert("widget".to_owned(), active.widget.name.as_str().into());
    answer
}

fn refused(call: &Call<'_>, inactive: InactiveToken<'_>) -> Response {
    let name = inactive.widget.map_or("", |widget| widget.name.as_str());
    let reason = inactive.why.reason();
    call.state.metrics.refused(name, "inactive", reason);
    call.state.audit.record(&call.record(name, "inactive", reason));
    tracing::info!(request = call.id.as_str(), widget = name, reason, why = %inactive.why, "a token that was asked about is not active");
    private(StatusCode::OK, JSON, r#"{"active":false}"#)
}
