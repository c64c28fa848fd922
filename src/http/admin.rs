//! The operations listener: is it alive, is it ready, what does it count, and a console to look at. Loopback by default;
//! never for visitors.

pub mod console;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::config::env::{Env, Var};
use crate::http::headers::private;
use crate::http::page::Asset;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::net::origin;

/// Names of this listener.
pub const ADMIN_HOSTS: Var = Var::new(
    "ADMIN_HOSTS",
    "",
    "countersign-admin.internal",
    "Names under which the admin listener may be asked, comma-separated. An address or localhost always may; /live and /ready answer to any name.",
);

/// Largest sample identity that the console reads.
const SAMPLE_MAX: usize = 64 * 1024;

/// The operations side of the service.
#[derive(Debug, Clone)]
pub struct Admin {
    inner: Arc<Inner>,
    router: Router,
}

#[derive(Debug)]
struct Inner {
    state: Arc<AppState>,
    ready: AtomicBool,
    names: AdminNames,
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Admin {
    /// Routes over this service, asked under these names.
    #[must_use]
    pub fn new(state: Arc<AppState>, names: AdminNames) -> Self {
        let inner = Arc::new(Inner { state, ready: AtomicBool::new(false), names });
        let router = Router::new()
            .route("/live", get(async || private(StatusCode::OK, TEXT, "live\n")))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/", get(show))
            .route("/preview", post(preview).layer(DefaultBodyLimit::max(SAMPLE_MAX)))
            .route("/assets/{file}", get(async |Path(file): Path<String>| Asset::find(console::ASSETS, &file)))
            .with_state(inner.clone());
        Self { inner, router }
    }

    /// Says whether visitors may be sent here.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.store(ready, Ordering::SeqCst);
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response {
        let probe = matches!(request.uri().path(), "/live" | "/ready");
        if !probe && !self.inner.names.include(request.headers()) {
            let hint = "This listener does not go by that name. Ask by address or as localhost, or list the name in ADMIN_HOSTS.\n";
            return private(Problem::Misdirected.status(), TEXT, hint);
        }
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// The names this listener goes by. A page of any site can point a name of its own at this machine and have an operator's
/// browser ask us under it; what it cannot do is ask under an address, or under a name that is ours.
#[derive(Debug, Clone, Default)]
pub struct AdminNames(Vec<String>);

impl AdminNames {
    /// Reads the names.
    pub fn read(env: &mut Env) -> Self {
        let names: Vec<String> = env.list(&ADMIN_HOSTS);
        if names.iter().any(|name| name.contains([':', '/', '*'])) {
            env.mistake_in(&ADMIN_HOSTS, "takes plain host names, without scheme, port or wildcard");
        }
        Self(names)
    }

    fn include(&self, headers: &HeaderMap) -> bool {
        origin::host(headers).map(without_port).is_some_and(|name| {
            let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
            literal || name.eq_ignore_ascii_case("localhost") || self.0.iter().any(|n| n.eq_ignore_ascii_case(name))
        })
    }
}

/// `[::1]:9090` without its port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Configuration valid, keys tested, listener bound: decided at start. No upstream is asked, and no probe is remembered.
async fn ready(State(inner): State<Arc<Inner>>) -> Response {
    let (status, text) = if inner.ready.load(Ordering::SeqCst) {
        (StatusCode::OK, "ready\n")
    } else {
        (Problem::NotReady.status(), "not ready\n")
    };
    private(status, TEXT, text)
}

async fn metrics(State(inner): State<Arc<Inner>>) -> Response {
    let mut response = private(StatusCode::OK, TEXT, inner.state.metrics.render());
    let media = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

async fn show(State(inner): State<Arc<Inner>>) -> Response {
    console::show(&inner.state, inner.ready.load(Ordering::SeqCst))
}

#[derive(Debug, Deserialize)]
struct Typed {
    identity: String,
}

async fn preview(State(inner): State<Arc<Inner>>, headers: HeaderMap, Form(typed): Form<Typed>) -> Response {
    console::preview(&inner.state, inner.ready.load(Ordering::SeqCst), &headers, &typed.identity)
}
