//! `GET /session`: is the visitor logged in, until when, and as whom; and if not, where they can. Never a token, and
//! nothing that proves anything.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::call::Call;
use super::headers::{JSON, private};
use super::problem::Problem;
use super::token::session_of;
use crate::base::clock::UnixTime;
use crate::issuance::Refusal;
use crate::session::Session;

/// Answers one page. A page that may fetch a token of any widget may ask; the same rules about origins hold. Nobody is an
/// answer here, not a refusal: a page asks in order to know. An outage stays one.
pub async fn answer(call: &Call<'_>, request: Request) -> Response {
    let (head, _body) = request.into_parts();
    let say = |session: Option<&Session>| private(StatusCode::OK, JSON, told(call, session).to_string());
    match session_of(call, call.snapshot.widgets.origins(), &head).await {
        Ok(session) => say(Some(&session)),
        Err(Problem::Refused(Refusal::LoginRequired(_))) => say(None),
        Err(problem) => {
            call.refused("", "", &problem);
            problem.response()
        }
    }
}

/// With where our own login is, if there is one; what the host's own is, the page knows.
fn told(call: &Call<'_>, session: Option<&Session>) -> Value {
    let nobody = || json!({ "logged_in": false });
    let mut answer = session.map_or_else(nobody, |session| describe(session, call.state.clock.now()));
    if let Some(service) = &call.snapshot.login {
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
