//! The public keys of asymmetric signers: `GET /.well-known/jwks.json` (RFC 7517), and for vendors that take no key set
//! `GET /public-keys/NAME` (a list of keys in PEM, each with its id) and `GET /public-keys/NAME.pem` (the one that signs).

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use data_encoding::BASE64;
use http::HeaderValue;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::base::clock::UnixTime;
use crate::jose::keyring::Keyring;
use crate::widget::Widget;

/// How long a listed key is promised: longer than any token of it may live, and until the list is fetched anew.
const PROMISED: Duration = Duration::from_hours(48);

/// Answers with the key set.
#[must_use]
pub fn answer(key_set: &str) -> Response {
    public("application/jwk-set+json", key_set.to_owned())
}

/// Answers with a widget's keys in PEM: all of them as the list that Dynamics 365 documents, or the one that signs. PEM of a public
/// key has no media type of its own.
#[must_use]
pub fn answer_pem(widget: &Widget, list: bool, now: UnixTime) -> Response {
    let keys = widget.keyring().map(Keyring::published).unwrap_or_default();
    if list {
        let expiry = now.plus(PROMISED).0;
        let listed = keys
            .iter()
            .map(|key| json!({ "kid": key.id(), "publicKey": BASE64.encode(key.pem.as_bytes()), "expiry": expiry }));
        return public("application/json", listed.collect::<Value>().to_string());
    }
    keys.first()
        .map_or_else(|| Problem::NotFound.response(), |key| public("text/plain; charset=us-ascii", key.pem.clone()))
}

/// Public keys are public: any cache may keep them for five minutes, any page may read them.
fn public(media: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
