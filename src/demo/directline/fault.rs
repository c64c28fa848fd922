//! What goes wrong at Direct Line and in between.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::stream;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::error;
use crate::base::clock::{Clock, UnixTime};

/// How a call for a token goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 403: the bot is regional.
    RegionNotAllowed,
    /// 401.
    BadSecret,
    /// 429, with `Retry-After` in seconds.
    ThrottledFor(u64),
    /// 429, with `Retry-After` as a date.
    ThrottledUntil(UnixTime),
    /// 429, without `Retry-After`.
    Throttled,
    /// This status, with an error in the service's form.
    Status(u16),
    /// 502 from a gateway in between, in HTML.
    HtmlBadGateway,
    /// No answer, ever.
    Hang,
    /// An honest answer, a byte at a time.
    SlowBody,
    /// An answer that ends in the middle, though it says that it is whole.
    TruncatedJson,
    /// A connection that breaks in the middle of the answer.
    CutOff,
    /// 200 with a page of HTML.
    HtmlPage,
    /// 200 without `token`.
    NoToken,
    /// 200 with an empty `token`.
    EmptyToken,
    /// 200 without `conversationId` and `expires_in`, and with a token that cannot be read.
    OnlyToken,
    /// 200 with a token of another conversation.
    OtherConversation,
    /// 200 with a token bound to somebody else.
    OtherUser,
    /// 307 to somewhere else on this host.
    Redirect,
    /// 200 with ten megabytes.
    HugeBody,
    /// An honest answer, after a while.
    Delay(Duration),
    /// 403, after a while.
    LateRefusal(Duration),
}

impl Fault {
    pub(super) async fn answer(self, mut honest: Value, clock: &Clock) -> Response {
        match self {
            Self::RegionNotAllowed => error(StatusCode::FORBIDDEN, "RegionNotAllowed"),
            Self::BadSecret => error(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::ThrottledFor(seconds) => throttled(Some(seconds.to_string())),
            Self::ThrottledUntil(moment) => throttled(http_date(moment)),
            Self::Throttled => throttled(None),
            Self::Status(status) => {
                error(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "ServiceError")
            }
            Self::HtmlBadGateway => (StatusCode::BAD_GATEWAY, Html("<h1>502 Bad Gateway</h1>")).into_response(),
            Self::Hang => std::future::pending().await,
            Self::SlowBody => dripping(&honest, usize::MAX),
            Self::TruncatedJson => {
                let text = honest.to_string();
                ([(header::CONTENT_TYPE, "application/json")], text[..text.len() / 2].to_owned()).into_response()
            }
            Self::CutOff => dripping(&honest, 20),
            Self::HtmlPage => Html("<h1>Welcome to the hotel's network</h1>").into_response(),
            Self::NoToken => without(honest, &["token"]),
            Self::EmptyToken => with(honest, "token", Value::from("")),
            Self::OnlyToken => {
                honest["token"] = Value::from("ew0KICAiYWxn.dAA.opaque");
                without(honest, &["conversationId", "expires_in"])
            }
            Self::OtherConversation => with(honest, "conversationId", Value::from("someone-elses-us")),
            Self::OtherUser => {
                let claims = json!({ "user": "dl_somebody_else", "exp": clock.now().0 + 60 }).to_string();
                with(honest, "token", Value::from(format!("e30.{}.e30", BASE64URL_NOPAD.encode(claims.as_ref()))))
            }
            Self::Redirect => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response(),
            Self::HugeBody => with(honest, "padding", Value::from("x".repeat(10 * 1024 * 1024))),
            Self::Delay(span) => {
                tokio::time::sleep(span).await;
                Json(honest).into_response()
            }
            Self::LateRefusal(span) => {
                tokio::time::sleep(span).await;
                error(StatusCode::FORBIDDEN, "Forbidden")
            }
        }
    }
}

fn with(mut answer: Value, name: &str, value: Value) -> Response {
    answer[name] = value;
    Json(answer).into_response()
}

fn without(mut answer: Value, names: &[&str]) -> Response {
    if let Some(members) = answer.as_object_mut() {
        members.retain(|name, _| !names.contains(&name.as_str()));
    }
    Json(answer).into_response()
}

fn throttled(retry_after: Option<String>) -> Response {
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, "ServiceError");
    if let Some(value) = retry_after.and_then(|text| text.try_into().ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

fn http_date(moment: UnixTime) -> Option<String> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from_unix_timestamp(i64::try_from(moment.0).ok()?).ok()?.format(&format).ok()
}

/// A body that comes a byte at a time, and breaks off when `breaks_at` of them have come.
fn dripping(answer: &Value, breaks_at: usize) -> Response {
    let bytes = answer.to_string().into_bytes();
    let drops = stream::unfold((bytes, 0), move |(bytes, at)| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let drop = match bytes.get(at) {
            _ if at == breaks_at => Err(std::io::Error::other("the connection breaks here")),
            Some(byte) => Ok(Bytes::copy_from_slice(&[*byte])),
            None => return None,
        };
        Some((drop, (bytes, at + 1)))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(drops)).into_response()
}
