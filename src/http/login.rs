//! The pages and routes of our own login: pages and redirects for people, where the token route's vocabulary is for scripts.

pub mod pages;
pub mod route;
pub mod visitor;

mod enter;
mod leave;

use axum::extract::Request;
use axum::response::Response;
use http::Method;

use super::call::Call;
use super::cors::preflight;
use super::problem::Problem;
use super::vendor_revocation;
use route::LoginRoute;
use visitor::{Context, Visitor};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Answers one request at the whole service.
pub async fn page(call: &Call<'_>, route: LoginRoute, request: Request) -> Response {
    let Call { state, snapshot, client, .. } = *call;
    let Some(service) = &snapshot.login else { return Problem::NotFound.response() };
    let at = Context {
        service,
        origins: &snapshot.origins,
        listed: snapshot.widgets.origins(),
        client,
        unnamed_proxy: snapshot.proxies.is_empty(),
        mount: &snapshot.mount,
        request_id: call.id.as_str(),
        report: &|event| state.report(event),
        logged_out: &|by, subject| vendor_revocation::begin(state, snapshot, by, subject),
    };
    answer(at, route, request).await
}

/// Answers one request on a route of the login, whose methods it has been held to.
pub async fn answer(at: Context<'_>, route: LoginRoute, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let visitor = Visitor::new(at, &head);
    match route {
        LoginRoute::Start => enter::start(&visitor).await,
        LoginRoute::Callback => enter::callback(visitor, &head).await,
        LoginRoute::Password => enter::password(&visitor, body).await,
        LoginRoute::Done => enter::done(&visitor, head.uri.query().unwrap_or_default()),
        LoginRoute::DoneScript => pages::file(JAVASCRIPT, pages::DONE_SCRIPT),
        LoginRoute::FormScript => pages::file(JAVASCRIPT, pages::FORM_SCRIPT),
        LoginRoute::OutScript => pages::file(JAVASCRIPT, pages::OUT_SCRIPT),
        LoginRoute::Style => pages::file("text/css; charset=utf-8", at.service.style.clone()),
        // A listed page's browser asks before it logs anybody out, because the browser module sends headers of its own.
        LoginRoute::Logout if head.method == Method::OPTIONS => {
            preflight(at.origins, at.listed, route.methods(), &head.headers)
        }
        LoginRoute::Logout if head.method == Method::POST => leave::logout(&visitor).await,
        LoginRoute::Logout => leave::ask(&visitor).await,
        LoginRoute::BackChannel => leave::back_channel(&visitor, body).await,
    }
}
