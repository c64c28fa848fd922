//! `POST /revocations` ends everything of one subject, and `POST /revocations/lift` lets their logins count again, for who shows the
//! secret of these endpoints.

use axum::response::Response;
use bytes::Bytes;
use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::env::Env;
use crate::http::bearer::BearerSecrets;
use crate::http::form;
use crate::http::headers::{JSON, private};
use crate::http::problem::Problem;
use crate::http::state::{AppState, Snapshot};
use crate::http::vendor_revocation;
use crate::issuance::revocation::{Revocations, Revoked};
use crate::observe::audit::Event;
use crate::session::identity::Subject;
use crate::store::Down;
use crate::widget::Settings;

crate::settings! {
    pub vars VARS {
        REVOCATION_SECRET(secret),
            "Turns POST /revocations of the admin listener on, which ends a subject's tokens and sessions (subject=ID), and /revocations/lift, which lets them back in; and is the secret that it must be shown as a bearer token. At least 32 characters.";
        REVOCATION_SECRET_NEXT(secret; after("REVOCATION_SECRET")),
            "A second accepted secret, for the time in which callers are switched over.";
    }
}

/// Reads who may revoke; `None` when the endpoint is off, or after naming what is wrong.
pub fn read(env: &mut Env) -> Option<BearerSecrets> {
    BearerSecrets::read(env, &REVOCATION_SECRET, &REVOCATION_SECRET_NEXT)
}

#[derive(Deserialize)]
struct Ask {
    subject: String,
}

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// End everything of the subject.
    Revoke,
    /// Let logins elsewhere that were made before count again.
    Lift,
}

/// Answers one request, and writes it down.
pub async fn answer(state: &AppState, deed: Deed, headers: &HeaderMap, body: &Bytes) -> Response {
    let snapshot = state.snapshot();
    let asked = asked(&snapshot, headers, body);
    let subject = asked.as_ref().ok().map(|(_, subject)| subject.clone());
    let result = match asked {
        Ok((revocations, subject)) => done(state, deed, (&snapshot, revocations), &subject).await,
        Err(problem) => Err(problem),
    };
    let outcome = match &result {
        Ok(_) => "granted",
        Err(problem) if problem.status().is_server_error() => "unavailable",
        Err(_) => "refused",
    };
    let reason = result.as_ref().err().map_or("", Problem::reason);
    if !matches!(result, Err(Problem::NotFound)) {
        let what = if deed == Deed::Revoke { "revocation" } else { "lifted_revocation" };
        let (request_id, method, subject) = ("", "admin", subject.as_ref());
        state.report(&Event { request_id, what, outcome, reason, method, subject, widget: "", client: None });
    }
    match result {
        Ok(answer) => private(StatusCode::OK, JSON, answer.to_string()),
        Err(problem) => {
            tracing::warn!(reason, "nothing was revoked, and nothing lifted");
            problem.response()
        }
    }
}

async fn done(
    state: &AppState,
    deed: Deed,
    (snapshot, revocations): (&Snapshot, &Revocations),
    subject: &Subject,
) -> Result<Value, Problem> {
    let down = |down: Down| Problem::StoreDown(down.reason());
    if deed == Deed::Lift {
        let since = revocations.lift(subject).await.map_err(down)?;
        return Ok(json!({ "lifted": since.is_some(), "revoked_at": since.map(|at| at.0) }));
    }
    let sources: Vec<&'static str> = snapshot.issuer.chain().names().collect();
    let widgets: Vec<&Settings> = snapshot.widgets.iter().map(|widget| &**widget).collect();
    let Revoked { at, until, sessions } = revocations.revoke(subject, &sources, &widgets).await.map_err(down)?;
    let told = vendor_revocation::all(state, snapshot, subject).await;
    let vendors: Map<String, Value> = told.into_iter().map(|(widget, came)| (widget, came.into())).collect();
    Ok(json!({ "revoked_at": at.0, "until": until.0, "sessions_ended": sessions, "vendors": vendors }))
}

/// Who is meant, where whoever asks may ask. No page of anybody's may: a browser says whose page it is.
fn asked<'s>(snapshot: &'s Snapshot, headers: &HeaderMap, body: &Bytes) -> Result<(&'s Revocations, Subject), Problem> {
    let (Some(callers), Some(revocations)) = (&snapshot.revokers, &snapshot.revocations) else {
        return Err(Problem::NotFound);
    };
    if headers.contains_key(ORIGIN) {
        return Err(Problem::Misdirected);
    }
    callers.check(headers).map_err(Problem::Unauthorized)?;
    named(headers, body).map(|subject| (&**revocations, subject)).ok_or(Problem::Unreadable)
}

/// The subject in a form or in JSON.
fn named(headers: &HeaderMap, body: &Bytes) -> Option<Subject> {
    let text = if form::is_form(headers) {
        form::only(body, "subject")
    } else {
        serde_json::from_slice::<Ask>(body).ok().map(|ask| ask.subject)
    };
    Subject::new(&text?).ok()
}
