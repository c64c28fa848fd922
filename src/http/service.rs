//! The public side of the service: what every request must pass, and where it goes.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::SET_COOKIE;
use http::{HeaderValue, Method, StatusCode};

use super::call::{Call, Flight};
use super::cors::preflight;
use super::head::{HeadFault, HeadLimits};
use super::headers::{empty, share_with};
use super::inspection::Ours;
use super::listen::ReceivedRequest;
use super::origin::listed_origin;
use super::problem::Problem;
use super::request_id::RequestId;
use super::routes::Route;
use super::state::{AppState, Snapshot};
use super::{introspect, keys, login, refresh, script, session, token};
use crate::base::request::{self, X_REQUEST_ID};
use crate::net::cookies;
use crate::session::renewed::Renewed;
use crate::widget::Listed;

/// The public service: one for all connections.
#[derive(Debug, Clone)]
pub struct HttpService {
    state: Arc<AppState>,
}

impl HttpService {
    /// Over this state.
    #[must_use]
    pub fn new(state: Arc<AppState>) -> Self {
        Self { state }
    }

    /// Answers what has come in.
    pub async fn answer(&self, received: ReceivedRequest) -> Response {
        match received {
            Ok(request) => self.handle(request).await,
            Err(refused) => self.refuse(&refused.request, &Problem::Head(refused.fault)),
        }
    }

    fn refuse(&self, request: &Request, problem: &Problem) -> Response {
        let snapshot = self.state.snapshot();
        let id = self.state.ids.of(request.headers());
        let found = snapshot.routes.find(request.uri().path());
        let call = Call::new(&self.state, &snapshot, &id, request);
        let response = request::within_sync(id.value(), || refuse(&call, found, request, problem));
        self.sent(&id, found, response)
    }

    /// Counts an answer, and says which request it is to.
    fn sent(&self, id: &RequestId, found: Option<Route>, mut response: Response) -> Response {
        self.state.metrics.answered(found.map_or("none", Route::kind), response.status());
        response.headers_mut().insert(X_REQUEST_ID, id.value());
        response
    }

    /// Answers one request, with one snapshot from beginning to end. Never fails: a handler that panics is a 500 of its own
    /// and nobody else's.
    pub async fn handle(&self, request: Request) -> Response {
        let id = self.state.ids.of(request.headers());
        let snapshot = self.state.snapshot();
        let found = snapshot.routes.find(request.uri().path());
        let response = request::within(id.value(), self.decide(&snapshot, &id, found, request)).await;
        self.sent(&id, found, response)
    }

    async fn decide(
        &self,
        snapshot: &Snapshot,
        id: &RequestId,
        found: Option<Route>,
        mut request: Request,
    ) -> Response {
        let state = &self.state;
        let Snapshot { guard, proxies, reading, .. } = snapshot;
        state.inspections.look(&Ours { guard, proxies, reading }, &request, &state.clock);
        let call = Call::new(state, snapshot, id, &request);
        let route = match admit(snapshot, found, &request) {
            Ok(route) => route,
            Err(problem) => return refuse(&call, found, &request, &problem),
        };
        let flight = Flight::begin(call, route);
        let shared = pages(snapshot, route).and_then(|others| listed_origin(others, request.headers()));
        let renewed = Renewed::default();
        request.extensions_mut().insert(renewed.clone());
        let answered = AssertUnwindSafe(answer(&call, route, request)).catch_unwind().await;
        flight.land();
        let mut response = answered.unwrap_or_else(|_| {
            tracing::error!(request = id.as_str(), "a handler panicked");
            Problem::Misconfigured("panic").response()
        });
        response.headers_mut().extend(renewed.take().into_iter().map(|line| (SET_COOKIE, line)));
        shared_with(response, shared, snapshot)
    }
}

/// The same rules on every route and every method (H-8).
fn admit(snapshot: &Snapshot, found: Option<Route>, request: &Request) -> Result<Route, Problem> {
    check_cookies(&snapshot.heads, request).map_err(Problem::Head)?;
    snapshot.guard.inspect(request.headers()).map_err(Problem::BadRequest)?;
    let route = found.ok_or(Problem::NotFound)?;
    let methods = route.methods(&snapshot.token);
    let taken = methods.split(", ").any(|method| method == request.method().as_str());
    if taken { Ok(route) } else { Err(Problem::Method(methods)) }
}

/// Cookies are looked through one by one, and none is passed over: who is behind the last one is not for us to guess.
fn check_cookies(limits: &HeadLimits, request: &Request) -> Result<(), HeadFault> {
    let (count, limit) = (cookies::count(request.headers()), limits.cookies);
    if count > limit { Err(HeadFault::TooManyCookies { count, limit }) } else { Ok(()) }
}

/// Pages of other origins that may read what this route answers.
fn pages(snapshot: &Snapshot, route: Route) -> Option<&[Listed]> {
    match (route, route.widget()) {
        // Widgets' servers are no pages.
        (Route::Introspect { .. }, _) => None,
        (_, Some(widget)) => snapshot.widgets.at(widget).map(|widget| widget.origins.as_slice()),
        (Route::Session | Route::Goodbye, _) => Some(snapshot.widgets.origins()),
        _ => None,
    }
}

fn shared_with(mut response: Response, origin: Option<HeaderValue>, snapshot: &Snapshot) -> Response {
    if let Some(origin) = origin {
        share_with(response.headers_mut(), &origin, snapshot.origins.cross_site);
    }
    response
}

async fn answer(call: &Call<'_>, route: Route, request: Request) -> Response {
    let snapshot = call.snapshot;
    if request.method() == Method::OPTIONS
        && let Some(others) = pages(snapshot, route)
    {
        return preflight(&snapshot.origins, others, route.methods(&snapshot.token), request.headers());
    }
    // Boxed once: an unboxed future of these is copied at every level above as it is first polled.
    match (route, route.widget().and_then(|at| snapshot.widgets.at(at))) {
        (Route::Token { bare, .. }, Some(widget)) => Box::pin(token::answer(call, widget, bare, request)).await,
        (Route::Refresh { .. }, Some(widget)) => Box::pin(refresh::answer(call, widget, request)).await,
        (Route::Introspect { .. }, widget) => Box::pin(introspect::answer(call, widget, request)).await,
        (Route::Session, _) => Box::pin(session::answer(call, request)).await,
        (Route::Keys, _) => keys::answer(&snapshot.key_set),
        (Route::PublicKeys { list, .. }, Some(widget)) => keys::answer_pem(widget, list, call.state.clock.now()),
        (Route::Script { file, versioned }, _) => script::answer(file, versioned, request.headers()),
        (Route::Login(route), _) => Box::pin(login::page(call, route, request)).await,
        (Route::Goodbye, _) if request.method() == Method::POST => empty(StatusCode::NO_CONTENT),
        (Route::Token { .. } | Route::Refresh { .. } | Route::PublicKeys { .. } | Route::Goodbye, _) => {
            Problem::NotFound.response()
        }
    }
}

/// Counts a request that comes to no handler, and says why.
fn refuse(call: &Call<'_>, found: Option<Route>, request: &Request, problem: &Problem) -> Response {
    let Call { state, snapshot, id, .. } = *call;
    let (code, reason) = (problem.code(), problem.reason());
    let widget = found.and_then(Route::widget).and_then(|at| snapshot.widgets.at(at));
    call.refused(widget.map_or("", |widget| &widget.name), "", problem);
    if let Some(widget) = widget {
        state.audit.record(&call.record(&widget.name, code, reason));
    }
    match problem {
        Problem::NotFound => hint(state, snapshot, request.uri().path()),
        Problem::Method(_) => tracing::info!(request = id.as_str(), code, reason, "request refused"),
        _ => tracing::warn!(request = id.as_str(), code, reason, why = problem.why(), "request refused"),
    }
    let shared = found.and_then(|route| pages(snapshot, route)).and_then(|o| listed_origin(o, request.headers()));
    shared_with(problem.response(), shared, snapshot)
}

/// Tells once where visitors look for us when it is not where we are: a proxy that hands on another path than `PUBLIC_URL`
/// has is the likely cause.
fn hint(state: &AppState, snapshot: &Snapshot, path: &str) {
    let Some(found) = snapshot.routes.foreign_mount(path).filter(|_| !state.hinted.swap(true, Ordering::Relaxed))
    else {
        return;
    };
    let expected = if snapshot.mount.is_empty() { "/" } else { &snapshot.mount };
    tracing::warn!(
        found,
        expected,
        "a request under an unknown path was answered with 404: either the proxy hands on another path than PUBLIC_URL has, or PUBLIC_URL lacks it (said once)"
    );
}
