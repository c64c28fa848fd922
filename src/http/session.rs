//! `GET /session`: is the visitor logged in, until when, and as whom; and if not, where they can. Never a token, and
//! nothing that proves anything.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts as Head;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::headers::{JSON, private, share_with};
use super::origin::listed_origin;
use super::problem::Problem;
use super::{AppState, Snapshot};
use crate::base::clock::UnixTime;
use crate::issuance::Refusal;
use crate::session::Session;

const METHODS: &str = "GET, OPTIONS";

/// Answers one page. A page that may fetch a token of any widget may ask; the same rules about origins hold.
pub async fn answer(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let snapshot = state.snapshot();
    let (head, _body) = request.into_parts();
    let others = snapshot.widgets.origins();
    if head.method == Method::OPTIONS {
        return snapshot.origins.preflight(others, METHODS, &head.headers);
    }
    let mut response = match find(&snapshot, &head).await {
        Ok(session) => private(StatusCode::OK, JSON, told(&state, session.as_ref()).to_string()),
        Err(problem) => problem.response(),
    };
    if let Some(origin) = listed_origin(others, &head.headers) {
        share_with(response.headers_mut(), &origin, snapshot.origins.cross_site);
    }
    response
}

/// Nobody is an answer here, not a refusal: a page asks in order to know. An outage stays one.
async fn find(snapshot: &Snapshot, head: &Head) -> Result<Option<Session>, Problem> {
    if head.method != Method::GET {
        return Err(Problem::Method(METHODS));
    }
    snapshot.origins.admit(snapshot.widgets.origins(), &head.headers).map_err(Problem::Origin)?;
    match snapshot.issuer.session(head).await {
        Ok(session) => Ok(Some(session)),
        Err(Refusal::LoginRequired) => Ok(None),
        Err(refusal) => Err(Problem::Refused(refusal)),
    }
}

/// With where our own login is, if there is one; what the host's own is, the page knows.
fn told(state: &AppState, session: Option<&Session>) -> Value {
    let nobody = || json!({ "logged_in": false });
    let mut answer = session.map_or_else(nobody, |session| describe(session, state.clock.now()));
    if let Some(service) = state.login.get() {
        answer["login_url"] = service.address().into();
    }
    answer
}

fn describe(session: &Session, now: UnixTime) -> Value {
    let mut answer = json!({ "logged_in": true });
    if let Some(end) = session.expires_at {
        answer["expires_at"] = end.0.into();
        answer["expires_in"] = end.since(now).as_secs().into();
    }
    if let Some(name) = &session.identity.name {
        answer["name"] = name.as_str().into();
    }
    answer
}
