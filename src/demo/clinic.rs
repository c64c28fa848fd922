//! Harbour Clinic: a small site with a login of its own, as any organisation has one. All that countersign needs of it is
//! `GET /api/session`, and a path of its own on this origin.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Path, Query, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Session, SessionManagerLayer};

use super::assets::CLINIC;
use super::attacks;
use super::events::{Actor, Outcome};
use super::gallery;
use super::patients::{PATIENTS, Patient, SESSION, SignedIn};
use super::settings::{AGENT, MOUNT, WIDGETS};
use super::site::Site;
use crate::http::headers::{JSON, private};
use crate::http::origin::sent_by_page_of;
use crate::http::page::{Asset, html};
use crate::http::problem::Problem;
use crate::net::origin;

const PAGE: &str = include_str!("../browser/demo/page.html");
const SAMPLE: &str = include_str!("../browser/demo/sample.html");

/// Farthest that the clocks are put forward at once.
const FURTHEST: Duration = Duration::from_mins(10);

/// The site.
#[derive(Debug, Clone)]
pub struct Clinic {
    site: Arc<Site>,
    router: Router,
}

impl Clinic {
    /// The site over its parts.
    #[must_use]
    pub fn new(site: Site) -> Self {
        let site = Arc::new(site);
        // Plain HTTP on this machine: a cookie marked Secure would not come back from every browser.
        let sessions = SessionManagerLayer::new(site.store.clone())
            .with_name(site.cookie.clone())
            .with_same_site(SameSite::Lax)
            .with_secure(false);
        let router = Router::new()
            .route("/", get(page))
            .route("/login", post(login))
            .route("/logout", post(logout))
            .route("/api/session", get(session))
            .route("/demo/events", get(events))
            .route("/demo/forward", post(put_forward))
            .route("/demo/plain-http", post(attacks::plain_http))
            .route("/demo/thief/{widget}", post(attacks::thief))
            .route("/demo/snippet/{widget}", get(snippet))
            .route("/demo/webchat.js", get(web_chat))
            .route("/sample", get(sample))
            .route("/vendors", get(gallery::page))
            .route("/demo/{file}", get(async |Path(file): Path<String>| Asset::find(CLINIC, &file)))
            .fallback(async || Problem::NotFound.response())
            .layer(sessions)
            .with_state(site.clone());
        Self { site, router }
    }

    /// Answers one request: countersign's at its path, the site's own everywhere else.
    pub async fn handle(&self, request: Request) -> Response {
        if origin::host(request.headers()) != Some(self.site.at.clinic.trim_start_matches("http://")) {
            return Problem::NotFound.response();
        }
        if request.uri().path().strip_prefix(MOUNT).is_some_and(|rest| rest.starts_with('/')) {
            return self.site.service.handle(request).await;
        }
        self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }
}

/// Who is asked for on the page: the widget, and whether countersign's module or the vendor's own snippet feeds it.
#[derive(Debug, Default, Deserialize)]
struct Choice {
    widget: Option<String>,
    with: Option<String>,
    /// `vendors` where the gallery is where the visitor was.
    at: Option<String>,
}

impl Choice {
    fn widget<'a>(&'a self, site: &'a Site) -> &'a str {
        self.widget.as_deref().filter(|name| WIDGETS.contains(name)).unwrap_or(&site.widget)
    }

    fn with(&self) -> &'static str {
        if self.with.as_deref() == Some("snippet") { "snippet" } else { "module" }
    }

    fn address(&self, site: &Site) -> String {
        if self.at.as_deref() == Some("vendors") {
            return "/vendors".to_owned();
        }
        format!("/?widget={}&with={}", self.widget(site), self.with())
    }
}

async fn page(State(site): State<Arc<Site>>, session: Session, Query(choice): Query<Choice>) -> Response {
    let visitor = SignedIn::of(&session, &site.clock).await;
    show(&site, visitor.map(|(_, patient)| patient), &choice, None)
}

/// The page; with the name somebody tried to sign in with when that went wrong.
fn show(site: &Site, patient: Option<&Patient>, choice: &Choice, tried: Option<&str>) -> Response {
    let parts = site.public.snapshot();
    let widgets = WIDGETS.iter().filter_map(|name| parts.widgets.get(Some(name))).map(|widget| {
        json!({ "name": widget.name, "title": widget.profile.title, "algorithm": widget.mechanism.algorithm() })
    });
    let shown: Vec<Value> = widgets.collect();
    let values = json!({
        "patient": patient, "patients": PATIENTS, "tried": tried, "widgets": shown,
        "widget": choice.widget(site), "with": choice.with(), "mount": MOUNT,
        "widget_server": site.at.widget_server, "stranger": site.at.stranger, "console": site.at.console,
        "agent": AGENT, "real_web_chat": site.web_chat.is_some(), "ahead": millis(site.forward.ahead()),
    });
    let policy = site.policy(&site.at.widget_server, &format!("frame-src {}; form-action 'self'", site.at.stranger));
    let status = if tried.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    html(status, &policy, PAGE, &values)
}

/// The healthcare agent embedded as Microsoft's sample page does it.
async fn sample(State(site): State<Arc<Site>>, session: Session) -> Response {
    let visitor = SignedIn::of(&session, &site.clock).await;
    let values = json!({
        "patient": visitor.map(|(_, patient)| patient), "mount": MOUNT, "real_web_chat": site.web_chat.is_some(),
    });
    html(StatusCode::OK, &site.policy("", "form-action 'none'"), SAMPLE, &values)
}

/// Microsoft's client, or ours that stands in for it: pages cannot tell them apart by their calls.
async fn web_chat(State(site): State<Arc<Site>>) -> Response {
    let Some(script) = &site.web_chat else { return Asset::find(CLINIC, "webchat.js") };
    let mut response =
        private(StatusCode::OK, HeaderValue::from_static("text/javascript; charset=utf-8"), script.clone());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[derive(Debug, Deserialize)]
struct Credentials {
    login: String,
    password: String,
}

async fn login(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Response {
    if !sent_by_page_of(&site.at.clinic, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(patient) = Patient::with(&given.login, &given.password) else {
        site.events.tell(Actor::Clinic, Outcome::Refused, "Wrong name or password", Value::Null);
        return show(&site, None, &choice, Some(&given.login));
    };
    // A new id at login: whoever planted the old one holds nothing.
    let stored = match session.cycle_id().await {
        Ok(()) => SignedIn::begin(&session, patient, &site.clock, SESSION).await,
        Err(problem) => Err(problem),
    };
    if stored.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    site.events.tell(Actor::Clinic, Outcome::Granted, format!("{} signed in", patient.name), Value::Null);
    Redirect::to(&choice.address(&site)).into_response()
}

async fn logout(
    State(site): State<Arc<Site>>,
    session: Session,
    Query(choice): Query<Choice>,
    headers: HeaderMap,
) -> Response {
    if !sent_by_page_of(&site.at.clinic, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Some((_, patient)) = SignedIn::of(&session, &site.clock).await {
        site.events.tell(Actor::Clinic, Outcome::Noted, format!("{} signed out", patient.name), Value::Null);
    }
    let ended = if session.id().is_some() { session.flush().await } else { Ok(()) };
    match ended {
        Ok(()) => Redirect::to(&choice.address(&site)).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Who the visitor is. This is what countersign asks, with the visitor's cookie and nothing else of the visitor.
async fn session(State(site): State<Arc<Site>>, session: Session, headers: HeaderMap) -> Response {
    let visitor = SignedIn::of(&session, &site.clock).await;
    let by_countersign = headers.get(USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"countersign/"));
    let (status, answer) = match &visitor {
        Some((visitor, patient)) => (StatusCode::OK, visitor.describe(patient)),
        None => (StatusCode::UNAUTHORIZED, json!({ "error": "nobody is signed in" })),
    };
    if by_countersign {
        let text = match &visitor {
            Some((_, patient)) => format!("Told countersign who holds this session: {}", patient.name),
            None => "Told countersign that nobody is signed in".to_owned(),
        };
        site.events.tell(Actor::Clinic, Outcome::Noted, text, json!({ "GET /api/session": answer }));
    }
    private(status, JSON, answer.to_string())
}

#[derive(Debug, Deserialize)]
struct Wait {
    seconds: u64,
}

/// Puts every clock of the demo forward, so that nobody has to wait for a token to end. The pages hear it as an event, and
/// put theirs forward by as much.
async fn put_forward(State(site): State<Arc<Site>>, headers: HeaderMap, Form(wait): Form<Wait>) -> Response {
    if !sent_by_page_of(&site.at.clinic, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let span = Duration::from_secs(wait.seconds).min(FURTHEST);
    site.forward.by(span);
    let text = format!("All clocks of this demo were put forward by {} seconds", span.as_secs());
    site.events.tell(Actor::Clinic, Outcome::Noted, text, json!({ "ahead_ms": millis(site.forward.ahead()) }));
    StatusCode::NO_CONTENT.into_response()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Default, Deserialize)]
struct Since {
    after: Option<u64>,
}

async fn events(State(site): State<Arc<Site>>, Query(since): Query<Since>, headers: HeaderMap) -> Response {
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let after = resumed.or(since.after).unwrap_or_default();
    let stream = site.events.stream(after, site.stopped.clone());
    let mut response = private(StatusCode::OK, HeaderValue::from_static("text/event-stream"), stream);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The vendor's own page code for a widget, at login (`medchat.js`) and at logout (`medchat.logout.js`), byte for byte as
/// `countersign presets show` prints it.
async fn snippet(State(site): State<Arc<Site>>, Path(file): Path<String>) -> Response {
    let parts = site.public.snapshot();
    let name = file.strip_suffix(".js").unwrap_or_default();
    let (name, leaves) = name.strip_suffix(".logout").map_or((name, false), |name| (name, true));
    let Some(widget) = parts.widgets.get(Some(name)) else { return Problem::NotFound.response() };
    let text = if leaves { widget.profile.page_logout.to_owned() } else { widget.page_call(MOUNT, false) };
    let mut response = private(StatusCode::OK, JSON, text);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    response
}
