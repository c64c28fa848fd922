//! The operations listener: is it alive, is it ready, what does it count, and a console to look at. Loopback by default;
//! never for visitors.

pub mod console;
mod openapi;
pub mod revoke;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::config::env::Env;
use crate::http::headers::{JSON, private};
use crate::http::page::Asset;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::net::origin;

crate::settings! {
    pub vars {
        ADMIN_HOSTS("", "countersign-admin.internal"; at_start()),
            "Names under which the admin listener may be asked, comma-separated. An address or localhost always may; /live and /ready answer to any name.";
    }
}

/// Largest sample identity that the console reads.
const SAMPLE_MAX: usize = 64 * 1024;

/// Largest body of a revocation: a subject's id.
const REVOCATION_MAX: usize = 4 * 1024;

/// The operations side of the service.
#[derive(Debug, Clone)]
pub struct Admin {
    inner: Arc<Inner>,
    router: Router,
}

#[derive(Debug)]
struct Inner {
    state: Arc<AppState>,
    /// What visitors are kept away for, by name; nothing when they may come.
    waits: Mutex<Vec<String>>,
    names: AdminNames,
}

impl Inner {
    fn waits(&self) -> Vec<String> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_ready(&self) -> bool {
        self.waits().is_empty()
    }
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Admin {
    /// Routes over this service, asked under these names.
    #[must_use]
    pub fn new(state: Arc<AppState>, names: AdminNames) -> Self {
        let inner = Arc::new(Inner { state, waits: Mutex::new(vec!["start".to_owned()]), names });
        let router = Router::new()
            .route("/live", get(async || private(StatusCode::OK, TEXT, "live\n")))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/openapi.json", get(openapi_json))
            .route("/inspections", post(inspect))
            .route("/inspections/{name}", get(inspected))
            .route("/revocations", post(revoked).layer(DefaultBodyLimit::max(REVOCATION_MAX)))
            .route("/revocations/lift", post(lifted).layer(DefaultBodyLimit::max(REVOCATION_MAX)))
            .route("/", get(show))
            .route("/preview", post(preview).layer(DefaultBodyLimit::max(SAMPLE_MAX)))
            .route("/assets/{file}", get(async |Path(file): Path<String>| Asset::find(console::ASSETS, &file)))
            .with_state(inner.clone());
        Self { inner, router }
    }

    /// Says whether visitors may be sent here.
    pub fn set_ready(&self, ready: bool) {
        self.wait_for(if ready { Vec::new() } else { vec!["stopping".to_owned()] });
    }

    /// Says what visitors are kept away for; nothing when they may come.
    pub fn wait_for(&self, waits: Vec<String>) {
        *self.inner.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
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

/// Configuration valid, keys tested, listener bound: decided at start. No upstream is asked, and no probe is remembered. What
/// is wrong beside that stands in the text: another replica would fare no better.
async fn ready(State(inner): State<Arc<Inner>>) -> Response {
    let waits = inner.waits();
    let (status, mut text) = if waits.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (Problem::NotReady.status(), format!("not ready: waiting for {}\n", waits.join(", ")))
    };
    if let Some(trouble) = inner.state.audit.trouble() {
        text.extend(["warning: ", trouble, "\n"]);
    }
    private(status, TEXT, text)
}

async fn openapi_json(State(inner): State<Arc<Inner>>) -> Response {
    private(StatusCode::OK, JSON, openapi::describe(&inner.state.snapshot()).to_string())
}

async fn metrics(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let wanted = |media: &HeaderValue| media.to_str().is_ok_and(|media| media.contains("application/openmetrics-text"));
    let (text, media) = if headers.get_all(ACCEPT).iter().any(wanted) {
        (inner.state.metrics.render(), "application/openmetrics-text; version=1.0.0; charset=utf-8")
    } else {
        (inner.state.metrics.render_plain(), "text/plain; version=0.0.4; charset=utf-8")
    };
    let mut response = private(StatusCode::OK, TEXT, text);
    let media = HeaderValue::from_static(media);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Opens an inspection for `countersign doctor`. A browser says whose page asks; no page of anybody's may.
async fn inspect(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    if headers.contains_key(ORIGIN) {
        return Problem::Misdirected.response();
    }
    private(StatusCode::OK, TEXT, inner.state.inspections.begin(&inner.state.clock))
}

async fn revoked(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    revoke::answer(&inner.state, revoke::Deed::Revoke, &headers, &body).await
}

async fn lifted(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    revoke::answer(&inner.state, revoke::Deed::Lift, &headers, &body).await
}

async fn inspected(State(inner): State<Arc<Inner>>, Path(name): Path<String>) -> Response {
    match inner.state.inspections.seen(&name, &inner.state.clock) {
        Some(seen) => private(StatusCode::OK, JSON, serde_json::json!(seen).to_string()),
        None => Problem::NotFound.response(),
    }
}

#[derive(Debug, Deserialize)]
struct About {
    request: Option<String>,
}

async fn show(State(inner): State<Arc<Inner>>, Query(about): Query<About>) -> Response {
    console::show(&inner.state, inner.is_ready(), about.request.as_deref())
}

#[derive(Debug, Deserialize)]
struct Typed {
    identity: String,
}

async fn preview(State(inner): State<Arc<Inner>>, headers: HeaderMap, Form(typed): Form<Typed>) -> Response {
    console::preview(&inner.state, inner.is_ready(), &headers, &typed.identity)
}
