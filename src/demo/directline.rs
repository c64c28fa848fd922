//! A double of Direct Line 3.0 with an agent behind it, faithful where clients and issuers can tell.
//!
//! It checks the secret, binds tokens to `user.id`, overwrites `from.id`, lets tokens expire and renews them before they
//! do, replays history over a web socket, and answers the calls by which Copilot Studio hands out tokens. Its faults are
//! those seen in the field, switched on and off while it runs. It listens on loopback addresses only.

mod agent;
pub mod fault;
mod state;
mod stream;

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, body};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use self::agent::Agent;
use self::fault::Fault;
use self::state::{Caller, Denied};
pub use self::state::{Counts, Double, Heard};
use super::events::{Events, Outcome};
use crate::base::clock::{Clock, random_id};
use crate::http::page::html;

const EXPLAINED: &str = include_str!("../browser/demo/directline.html");

/// What a double is made of.
#[derive(Debug)]
pub struct Settings {
    /// Channel secrets that are accepted.
    pub secrets: Vec<String>,
    /// The secret with which the agent checks the visitor's proof.
    pub app_secret: SecretString,
    /// How long tokens live.
    pub token_life: Duration,
    /// Who is told what happens.
    pub events: Events,
    /// What time it is.
    pub clock: Clock,
}

impl Double {
    /// Serves `listener` until `stop` completes.
    ///
    /// # Errors
    /// When the listener is not on a loopback address, and whatever accepting connections gives.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        if !listener.local_addr()?.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the double listens on loopback addresses only"));
        }
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    fn router(&self) -> Router {
        let direct_line = Router::new()
            .route("/tokens/generate", post(generate))
            .route("/tokens/refresh", post(refresh))
            .route("/conversations", post(start))
            .route("/conversations/{id}", get(resume))
            .route("/conversations/{id}/activities", get(read).post(say))
            .route("/conversations/{id}/stream", get(stream::open));
        Router::new()
            .nest("/v3/directline", direct_line)
            .route("/powervirtualagents/botsbyschema/{schema}/directline/token", get(anonymous))
            .route("/powervirtualagents/regionalchannelsettings", get(regional_settings))
            .route("/elsewhere", get(elsewhere).post(elsewhere))
            .route("/", get(explained))
            .layer(from_fn(cross_origin))
            .with_state(self.clone())
    }
}

async fn generate(State(double): State<Double>, headers: HeaderMap, body: body::Bytes) -> Response {
    let call = double.enter(|counts| &mut counts.generate);
    double.hear(&headers, &body);
    match double.caller(&headers) {
        Ok(Caller::Host) => {}
        Ok(Caller::Page { .. }) => return denied(Denied::Unknown),
        Err(reason) => return denied(reason),
    }
    let Some(wish) = Wish::read(&body) else { return error(StatusCode::BAD_REQUEST, "BadArgument") };
    let conversation = double.create(wish.user, wish.origins);
    let granted = double.grant(&conversation);
    double.tell(Outcome::Granted, "Gave countersign a token for one new conversation", &conversation);
    call.answer(granted).await
}

async fn refresh(State(double): State<Double>, headers: HeaderMap) -> Response {
    let call = double.enter(|counts| &mut counts.refresh);
    match double.caller(&headers) {
        Ok(Caller::Page { conversation }) => {
            let granted = double.grant(&conversation);
            double.tell(Outcome::Granted, "Gave a new token for the same conversation", &conversation);
            call.answer(granted).await
        }
        Ok(Caller::Host) => error(StatusCode::FORBIDDEN, "BadArgument"),
        Err(reason) => denied(reason),
    }
}

/// Copilot Studio without secured access: anybody gets a token that is bound to nobody.
async fn anonymous(State(double): State<Double>) -> Response {
    let call = double.enter(|counts| &mut counts.token_endpoint);
    let conversation = double.create(None, Vec::new());
    let granted = double.grant(&conversation);
    call.answer(granted).await
}

async fn regional_settings(State(double): State<Double>, headers: HeaderMap) -> Response {
    let call = double.enter(|counts| &mut counts.regional_settings);
    let urls = json!({ "directline": format!("http://{}/", host(&headers)) });
    call.answer(json!({ "channelUrlsById": urls, "geo": "unitedstates" })).await
}

/// For people who open the address that a token names.
async fn explained() -> Response {
    let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    html(StatusCode::OK, policy, EXPLAINED, &json!({}))
}

/// Where redirects point: nobody should ever come here.
async fn elsewhere(State(double): State<Double>) -> Response {
    double.count(|counts| counts.elsewhere += 1);
    let conversation = double.create(None, Vec::new());
    Json(double.grant(&conversation)).into_response()
}

/// Starting a conversation is 201, coming back to it with a token that has begun it is 200.
async fn start(State(double): State<Double>, headers: HeaderMap) -> Response {
    double.count(|counts| counts.start += 1);
    let conversation = match double.caller(&headers) {
        Ok(Caller::Page { conversation }) => conversation,
        Ok(Caller::Host) => double.create(None, Vec::new()),
        Err(reason) => return denied(reason),
    };
    let fresh = double.begin(&conversation);
    if fresh {
        double.tell(Outcome::Noted, "The page opened the conversation", &conversation);
    }
    let status = if fresh { StatusCode::CREATED } else { StatusCode::OK };
    (status, Json(opened(&double, &headers, &conversation, None))).into_response()
}

async fn resume(
    State(double): State<Double>,
    Path(id): Path<String>,
    Query(at): Query<At>,
    headers: HeaderMap,
) -> Response {
    match double.admits(&headers, &id) {
        Ok(()) => Json(opened(&double, &headers, &id, at.watermark.as_deref())).into_response(),
        Err(reason) => denied(reason),
    }
}

fn opened(double: &Double, headers: &HeaderMap, conversation: &str, watermark: Option<&str>) -> Value {
    let mut answer = double.grant(conversation);
    let token = answer["token"].as_str().unwrap_or_default();
    let stream = format!(
        "ws://{}/v3/directline/conversations/{conversation}/stream?watermark={}&t={token}",
        host(headers),
        watermark.unwrap_or("-"),
    );
    answer["streamUrl"] = Value::from(stream);
    answer["referenceGrammarId"] = Value::from(random_id());
    answer
}

/// The place in a conversation from which a client wants to read on.
#[derive(Debug, Deserialize)]
struct At {
    watermark: Option<String>,
}

impl At {
    /// `-`, nothing and nonsense are the beginning.
    fn index(&self) -> usize {
        self.watermark.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

async fn read(
    State(double): State<Double>,
    Path(id): Path<String>,
    Query(at): Query<At>,
    headers: HeaderMap,
) -> Response {
    match double.admits(&headers, &id) {
        Ok(()) => Json(double.after(&id, at.index())).into_response(),
        Err(reason) => denied(reason),
    }
}

async fn say(
    State(double): State<Double>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(activity): Json<Map<String, Value>>,
) -> Response {
    double.count(|counts| counts.activities += 1);
    match double.admits(&headers, &id) {
        Ok(()) => Json(json!({ "id": double.say(&id, activity) })).into_response(),
        Err(reason) => denied(reason),
    }
}

/// What a token is asked to be: names in any case, as the service reads them.
#[derive(Debug, Default)]
struct Wish {
    user: Option<String>,
    origins: Vec<String>,
}

impl Wish {
    fn read(body: &[u8]) -> Option<Self> {
        if body.is_empty() {
            return Some(Self::default());
        }
        let Value::Object(body) = serde_json::from_slice(body).ok()? else { return None };
        let user = member(&body, "user").and_then(Value::as_object).and_then(|user| member(user, "id"));
        let origins = member(&body, "trustedorigins").and_then(Value::as_array).into_iter().flatten();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self { user: user.and_then(text), origins: origins.filter_map(text).collect() })
    }
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1")
}

fn denied(reason: Denied) -> Response {
    match reason {
        Denied::Missing => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
        Denied::Unknown => error(StatusCode::FORBIDDEN, "Forbidden"),
        Denied::Expired => error(StatusCode::FORBIDDEN, "TokenExpired"),
        Denied::NotFound => error(StatusCode::NOT_FOUND, "NotFound"),
    }
}

fn error(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": "In the double's words, which nobody may rely on." } })))
        .into_response()
}

/// What browsers of any origin are allowed, and the headers that every answer has.
async fn cross_origin(method: Method, uri: Uri, request: axum::extract::Request, next: Next) -> Response {
    let mut response = if method == Method::OPTIONS && uri.path().starts_with("/v3/") {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let fixed = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, x-ms-bot-agent, x-requested-with"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::PRAGMA, "no-cache"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    if let Ok(id) = HeaderValue::try_from(random_id()) {
        headers.insert("x-ms-request-id", id);
    }
    response
}
