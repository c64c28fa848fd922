//! What a browser asks before it sends a listed page's request (CORS-1).

use axum::response::Response;
use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::headers::{empty, share_with};
use super::origin::{OriginError, OriginRules, listed_origin};
use super::problem::Problem;
use crate::widget::Listed;

/// Headers that any listed page may send.
const PAGE_HEADERS: &str = "Accept, Content-Type, X-Requested-By, X-Request-Id";

/// The answer: without a session, and for nobody but these others.
#[must_use]
pub fn preflight(rules: &OriginRules, others: &[Listed], methods: &'static str, headers: &HeaderMap) -> Response {
    let Some(origin) = listed_origin(others, headers) else {
        return Problem::Origin(OriginError::NotListed).response();
    };
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    share_with(headers, &origin, rules.cross_site);
    headers.insert(ALLOW, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed(rules));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn allowed(rules: &OriginRules) -> HeaderValue {
    let all = rules.page_headers.iter().fold(PAGE_HEADERS.to_owned(), |all, name| format!("{all}, {name}"));
    HeaderValue::try_from(all).unwrap_or(HeaderValue::from_static(PAGE_HEADERS))
}
