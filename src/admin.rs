//! The operations listener: is it alive, is it ready, what does it count. Loopback by default; never for visitors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use tower::ServiceExt as _;

use crate::env::{Effective, effective_table};
use crate::web::Public;
use crate::web::headers::private;

/// The operations side of the service.
#[derive(Debug, Clone)]
pub struct Admin {
    inner: Arc<Inner>,
    router: Router,
}

#[derive(Debug)]
struct Inner {
    public: Arc<Public>,
    ready: AtomicBool,
    effective: Vec<Effective>,
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Admin {
    /// Routes over this service.
    #[must_use]
    pub fn new(public: Arc<Public>, effective: Vec<Effective>) -> Self {
        let inner = Arc::new(Inner { public, ready: AtomicBool::new(false), effective });
        let router = Router::new()
            .route("/live", get(async || private(StatusCode::OK, TEXT, "live\n")))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/", get(console))
            .with_state(inner.clone());
        Self { inner, router }
    }

    /// Says whether visitors may be sent here.
    pub fn set_ready(&self, ready: bool) {
        self.inner.ready.store(ready, Ordering::SeqCst);
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request) -> Response {
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Configuration valid, keys tested, listener bound: decided at start. No upstream is asked, and no probe is remembered.
async fn ready(State(inner): State<Arc<Inner>>) -> Response {
    let (status, text) = if inner.ready.load(Ordering::SeqCst) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    };
    private(status, TEXT, text)
}

async fn metrics(State(inner): State<Arc<Inner>>) -> Response {
    inner.public.metrics.audit_lost.set(i64::try_from(inner.public.audit.lost()).unwrap_or(i64::MAX));
    let mut response = private(StatusCode::OK, TEXT, inner.public.metrics.render());
    let media = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

async fn console(State(inner): State<Arc<Inner>>) -> Response {
    private(StatusCode::OK, TEXT, effective_table(&inner.effective))
}
