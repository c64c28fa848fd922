//! The headers of every answer that concerns a visitor (HD-1 to HD-3).

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, PRAGMA, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Which sites may embed an answer.
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// What every private answer says, JSON being what nearly all of them are. Made once: looking up where each of them goes costs
/// more than copying them all.
static PRIVATE: LazyLock<HeaderMap> = LazyLock::new(|| {
    let lines = [
        (CACHE_CONTROL, "no-store"),
        (PRAGMA, "no-cache"),
        (VARY, "Cookie, Origin, Sec-Fetch-Site"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (RESOURCE_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    let lines = lines.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    lines.chain([(CONTENT_TYPE, JSON)]).collect()
});

/// A private answer: never stored, never sniffed, never framed, never embedded by another site.
#[must_use]
pub fn private(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.clone_from(&PRIVATE);
    if content_type != JSON {
        headers.insert(CONTENT_TYPE, content_type);
    }
    response
}

/// The same without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = private(status, JSON, Body::empty());
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// Lets the page of one listed origin read the answer (CORS-1).
pub fn share_with(headers: &mut HeaderMap, origin: &HeaderValue, cross_site: bool) {
    let reach = if cross_site { "cross-origin" } else { "same-site" };
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static(reach));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
}

/// Says when to come back. Rounded up: whoever comes a moment too early is refused again.
pub fn retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// On to another address. Always 303: a 307 would send a form's password along (O-4).
#[must_use]
pub fn see_other(address: &str) -> Response {
    let mut response = empty(StatusCode::SEE_OTHER);
    // Percent-encoded by whoever made it; an address that no header can carry leads nowhere.
    if let Ok(mut line) = HeaderValue::try_from(address) {
        line.set_sensitive(true);
        response.headers_mut().insert(LOCATION, line);
    }
    response
}

/// Adds cookies.
#[must_use]
pub fn with_cookies(mut response: Response, lines: impl IntoIterator<Item = HeaderValue>) -> Response {
    for line in lines {
        response.headers_mut().append(SET_COOKIE, line);
    }
    response
}
