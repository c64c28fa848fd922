//! Logging out: by the visitor, or because a session ended at the identity provider.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::visitor::Visitor;
use crate::http::form::{fields, is_form, only};
use crate::http::headers::{JSON, empty, private, retry_after, see_other, share_with, with_cookies};
use crate::http::origin::{SEC_FETCH_MODE, listed_origin};
use crate::http::problem::{LoginFault, Problem};
use crate::login::Method;
use crate::login::oidc::logout::NotEnded;
use crate::login::sessions::record::LoginSession;
use crate::session::identity::Subject;

/// Largest form. A logout token with a certificate chain in it fits.
const FORM_MAX: usize = 20 * 1024;

/// Asks, or says that it is done. Changes nothing: any page can make a browser ask for this address.
pub(super) async fn ask(visitor: &Visitor<'_>) -> Response {
    match visitor.service().sessions.find(visitor.headers).await {
        Ok(Err(_)) => visitor.frame().logged_out(),
        // Who cannot be told whether they are logged in can still ask to be logged out.
        Ok(Ok(_)) | Err(_) => visitor.frame().ask_logout(),
    }
}

/// Ends the session here, and for somebody who clicked, the provider's, too. A listed page may read what came of it.
pub(super) async fn logout(visitor: &Visitor<'_>) -> Response {
    let at = visitor.at;
    let mut response = end(visitor).await;
    if let Some(origin) = listed_origin(at.listed, visitor.headers) {
        share_with(response.headers_mut(), &origin, at.origins.cross_site);
    }
    response
}

async fn end(visitor: &Visitor<'_>) -> Response {
    let at = visitor.at;
    if at.origins.sender(at.listed, visitor.headers).is_err() {
        visitor.report("logout", "refused", "foreign_page", None);
        return visitor.message(LoginFault::ForeignPage);
    }
    match at.service.sessions.end(visitor.headers).await {
        Ok(session) => logged_out(visitor, session.as_ref()).await,
        // The cookie stays: without it nobody could ask again for the session to be ended.
        Err(down) => {
            visitor.report("logout", "unavailable", down.reason(), None);
            visitor.message(LoginFault::StillLoggedIn)
        }
    }
}

async fn logged_out(visitor: &Visitor<'_>, session: Option<&LoginSession>) -> Response {
    let subject = session.map(|session| &session.identity.subject);
    visitor.report("logout", "granted", "", subject);
    if subject.is_some() {
        (visitor.at.logged_out)("logout", subject);
    }
    let response = if is_navigation(visitor.headers) {
        see_other(&onward(visitor, session).await)
    } else {
        private(StatusCode::OK, JSON, json!({ "logged_out": true }).to_string())
    };
    with_cookies(response, [visitor.service().sessions.cookie().remove()])
}

/// To the provider, which ends its own session and sends the visitor back; or there at once.
async fn onward(visitor: &Visitor<'_>, session: Option<&LoginSession>) -> String {
    let site = &visitor.service().site;
    let back = site.after_logout.as_ref();
    let absolute = back.map_or_else(|| format!("{}/logout", site.base()), |path| site.absolute(path));
    let provider = match (&visitor.service().method, session.and_then(|session| session.provider.as_ref())) {
        (Method::Oidc(oidc), Some(provider)) => oidc.end_session(provider, &absolute).await,
        _ => None,
    };
    let here = || back.map_or_else(|| format!("{}/logout", visitor.at.mount), |path| path.as_str().to_owned());
    provider.map_or_else(here, String::from)
}

/// The provider says that a session of its own has ended.
pub(super) async fn back_channel(visitor: &Visitor<'_>, body: Body) -> Response {
    match told(visitor, body).await {
        Ok(subject) => {
            visitor.report("back_channel_logout", "granted", "", None);
            (visitor.at.logged_out)("back_channel_logout", subject.as_ref());
            empty(StatusCode::OK)
        }
        Err(fault) => {
            visitor.report("back_channel_logout", fault.outcome(), fault.reason(), None);
            not_ended(fault)
        }
    }
}

/// Whose sessions ended, where the provider's word for them is ours.
async fn told(visitor: &Visitor<'_>, body: Body) -> Result<Option<Subject>, LoginFault> {
    let service = visitor.service();
    let Method::Oidc(oidc) = &service.method else { return Err(LoginFault::NotEnded("no_provider")) };
    let fields = fields(visitor.headers, body, FORM_MAX).await;
    let token = fields.and_then(|fields| only(&fields, "logout_token")).ok_or(LoginFault::NotEnded("no_token"))?;
    match oidc.back_channel(&token, &service.sessions).await {
        Ok(ended) => Ok(ended.subject),
        Err(NotEnded::Rejected(reason)) => Err(LoginFault::NotEnded(reason)),
        Err(NotEnded::Outage(reason)) => Err(LoginFault::EndsLater(reason)),
    }
}

/// Section 2.8 of OpenID Connect Back-Channel Logout.
fn not_ended(fault: LoginFault) -> Response {
    let problem = Problem::Login(fault);
    let mut response = private(problem.status(), JSON, json!({ "error": problem.code() }).to_string());
    if let Some(wait) = problem.retry_after() {
        retry_after(response.headers_mut(), wait);
    }
    response
}

/// Whether somebody clicked, and will see what we answer; otherwise a script asked.
fn is_navigation(headers: &HeaderMap) -> bool {
    match headers.get(&SEC_FETCH_MODE).map(HeaderValue::as_bytes) {
        Some(mode) => mode == b"navigate",
        None => is_form(headers),
    }
}
