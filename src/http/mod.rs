//! The public listener: what every request must pass, and the few routes there are.

pub mod admin;
pub mod guard;
pub mod headers;
pub mod input;
pub mod keys;
pub mod listen;
pub mod origin;
pub mod page;
pub mod problem;
pub mod refresh;
pub mod script;
pub mod session;
pub mod token;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, options, post};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower::ServiceExt as _;

use crate::base::clock::{Clock, random_id};
use crate::config::env::Reading;
use crate::issuance::{Issuer, Widgets};
use crate::login::{self, LoginService};
use crate::net::peer::TrustedProxies;
use crate::observe::audit::Audit;
use crate::observe::metrics::Metrics;
use crate::store::limits::Limiter;
use guard::Guard;
use headers::{JSON, private, share_with};
use origin::{OriginRules, listed_origin};
use problem::Problem;
use token::TokenRules;

/// Everything that a change of files can change. Replaced as a whole, never in part.
#[derive(Debug)]
pub struct Snapshot {
    /// Who decides.
    pub issuer: Issuer,
    /// For which widgets.
    pub widgets: Widgets,
    /// What no request may carry.
    pub guard: Guard,
    /// Which pages may ask.
    pub origins: OriginRules,
    /// How they must ask.
    pub token: TokenRules,
    /// Whose word about addresses counts.
    pub proxies: TrustedProxies,
    /// The key set, ready to send.
    pub key_set: String,
    /// The path under which the organisation's site routes to us; empty at the root.
    pub mount: String,
    /// What took effect, and what to know about it, for the console.
    pub reading: Reading,
}

/// The public side of the service.
#[derive(Debug)]
pub struct AppState {
    snapshot: ArcSwap<Snapshot>,
    /// One record per decision.
    pub audit: Audit,
    /// What is counted.
    pub metrics: Metrics,
    /// How often one visitor may ask. Not part of what reloads, so that touching a file gives nobody a new allowance.
    pub limiter: Limiter,
    /// Time.
    pub clock: Clock,
    /// The service of our own login, when there is one. Not part of what reloads, because it counts attempts.
    pub login: OnceLock<Arc<LoginService>>,
    ids: RequestIds,
}

impl AppState {
    /// Puts it together.
    #[must_use]
    pub fn new(snapshot: Snapshot, audit: Audit, limiter: Limiter, clock: Clock) -> Self {
        let snapshot = ArcSwap::from_pointee(snapshot);
        let metrics = Metrics::new(audit.counts());
        Self { snapshot, audit, metrics, limiter, clock, login: OnceLock::new(), ids: RequestIds::default() }
    }

    /// The snapshot in force. A request keeps those it began with.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another snapshot in force for requests that begin from now on.
    pub fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }
}

/// The public service: one for all connections.
#[derive(Debug, Clone)]
pub struct HttpService {
    state: Arc<AppState>,
    tokens: Arc<TokenPaths>,
    router: Router,
}

impl HttpService {
    /// Routes at the root, and under `mount` too when the organisation's site hands us a path of its own.
    #[must_use]
    pub fn new(state: Arc<AppState>, mount: &str) -> Self {
        let mut router = Router::new();
        let mounts = if mount.is_empty() { vec![""] } else { vec!["", mount] };
        for prefix in &mounts {
            router = router
                .route(&format!("{prefix}/refresh"), any(refresh::answer))
                .route(&format!("{prefix}/refresh/{{widget}}"), any(refresh::answer))
                .route(&format!("{prefix}/session"), any(session::answer))
                .route(&format!("{prefix}/.well-known/jwks.json"), any(keys::answer));
            router = script::route(router, prefix);
        }
        let router = router.fallback(|| async { Problem::NotFound.response() }).with_state(state.clone());
        let router = match state.login.get() {
            Some(service) => router.merge(login_routes(&state, service, &mounts)),
            None => router.merge(no_login_routes(&state, &mounts)),
        };
        let tokens = Arc::new(TokenPaths::new(&mounts, &state.snapshot().token));
        Self { state, tokens, router }
    }

    /// Answers one request. Never fails: a handler that panics is a 500 of its own and nobody else's.
    pub async fn handle(&self, request: Request) -> Response {
        self.state.metrics.in_flight.inc();
        let id = self.state.ids.of(request.headers());
        let inspected = inspect(&self.state.snapshot.load(), &request);
        let response = if let Err(problem) = inspected {
            self.state.metrics.refused("", problem.code(), problem.reason());
            tracing::info!(request = id.as_str(), code = problem.code(), reason = problem.reason(), "request refused");
            problem.response()
        } else {
            let answered = AssertUnwindSafe(self.route(request, &id)).catch_unwind().await;
            answered.unwrap_or_else(|_| {
                tracing::error!(request = id.as_str(), "a handler panicked");
                Problem::Misconfigured("panic").response()
            })
        };
        self.state.metrics.in_flight.dec();
        response
    }

    async fn route(&self, mut request: Request, id: &RequestId) -> Response {
        if self.tokens.include(request.uri().path()) {
            return token::answer(&self.state, request, id).await;
        }
        request.extensions_mut().insert(id.clone());
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }
}

/// Where tokens are given. They are told from the other routes before the router is asked, because nearly every request is
/// for one of them, and finding its route would take a tenth of the time that the whole answer takes.
#[derive(Debug)]
struct TokenPaths {
    /// `/token` under every mount; a widget's name may follow.
    named: Vec<String>,
    /// Further paths, as they are.
    aliases: Vec<String>,
}

impl TokenPaths {
    fn new(mounts: &[&str], rules: &TokenRules) -> Self {
        let under = |path: &str| mounts.iter().map(|mount| format!("{mount}{path}")).collect::<Vec<_>>();
        Self { named: under("/token"), aliases: rules.alias_paths().flat_map(under).collect() }
    }

    fn include(&self, path: &str) -> bool {
        let rest = self.named.iter().find_map(|named| path.strip_prefix(named.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || is_one_segment(rest))
            || self.aliases.iter().any(|alias| alias == path)
    }
}

/// `/` and a name.
fn is_one_segment(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// Our own login. A listed page's browser asks before it logs anybody out, because the browser module sends headers of its
/// own; that is a question about origins, and has the answer it has everywhere.
fn login_routes(state: &Arc<AppState>, service: &Arc<LoginService>, mounts: &[&str]) -> Router {
    let mut asked = Router::new();
    for prefix in mounts {
        asked = asked.route(&format!("{prefix}/logout"), options(before_logout));
    }
    asked.with_state(state.clone()).merge(login::front::routes(service.clone(), mounts))
}

/// Without a login of our own there is nothing to end, and a page that says goodbye all the same has done nothing wrong.
fn no_login_routes(state: &Arc<AppState>, mounts: &[&str]) -> Router {
    let mut router = Router::new();
    for prefix in mounts {
        let goodbye = post(nothing_to_end).options(before_logout);
        router = router.route(&format!("{prefix}/logout"), goodbye.fallback(|| async { Problem::NotFound.response() }));
    }
    router.with_state(state.clone())
}

async fn nothing_to_end(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    let snapshot = state.snapshot();
    let mut response = private(StatusCode::NO_CONTENT, JSON, Body::empty());
    if let Some(origin) = listed_origin(snapshot.widgets.origins(), &headers) {
        share_with(response.headers_mut(), &origin, snapshot.origins.cross_site);
    }
    response
}

async fn before_logout(State(state): State<Arc<AppState>>, headers: HeaderMap) -> Response {
    let snapshot = state.snapshot();
    snapshot.origins.preflight(snapshot.widgets.origins(), "GET, POST, OPTIONS", &headers)
}

/// The same rules on every route and every method (H-8).
fn inspect(snapshot: &Snapshot, request: &Request<Body>) -> Result<(), Problem> {
    if !is_plain_path(request.uri().path()) {
        return Err(Problem::NotFound);
    }
    snapshot.guard.inspect(request.headers()).map_err(Problem::BadRequest)
}

/// A path that means the same to every proxy on the way: no encoding, no dot segments, no empty segments (RT-1).
fn is_plain_path(path: &str) -> bool {
    let odd = path.bytes().any(|b| matches!(b, b'%' | b';' | b'\\' | b'#'));
    !odd && !path.contains("//")
        && !path.contains("/./")
        && !path.contains("/../")
        && !path.ends_with("/.")
        && !path.ends_with("/..")
}

/// Our name for one request in logs, and the visitor's if it is a harmless one (LOG-2).
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

#[derive(Debug)]
struct RequestIds {
    process: String,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        Self { process: random_id()[..8].replace(['-', '_'], "0"), next: AtomicU64::new(1) }
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestIds {
    fn of(&self, headers: &HeaderMap) -> RequestId {
        let given = headers.get(&X_REQUEST_ID).filter(|id| id.to_str().is_ok_and(is_harmless_id));
        let own = || format!("{}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed));
        RequestId(given.cloned().or_else(|| own().try_into().ok()).unwrap_or(HeaderValue::from_static("-")))
    }
}

/// `[A-Za-z0-9._-]{1,64}`: what can stand in a log line without meaning anything there.
fn is_harmless_id(id: &str) -> bool {
    let fits = (1..=64).contains(&id.len());
    fits && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
