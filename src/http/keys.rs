//! `GET /.well-known/jwks.json`: the public keys of asymmetric signers (RFC 7517).

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

/// Answers with the key set. Public keys are public: any cache may keep them for five minutes, any page may read them.
#[must_use]
pub fn answer(key_set: &str) -> Response {
    let mut response = Response::new(Body::from(key_set.to_owned()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
