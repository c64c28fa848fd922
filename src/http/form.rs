//! Bodies and forms, read to their end or not at all.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;

use super::problem::Problem;
use crate::net::field::media_type;

/// How long a body may take to arrive. Whoever sends a byte a minute must not hold a connection for ever.
const DEADLINE: Duration = Duration::from_secs(10);

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// The body, when it is no larger than `most` bytes and comes in time.
///
/// # Errors
/// [`Problem::Unreadable`] or [`Problem::TooLarge`].
pub async fn body(body: Body, most: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(DEADLINE, to_bytes(body, most)).await;
    read.map_err(|_| Problem::Unreadable)?.map_err(|_| Problem::TooLarge)
}

/// The fields that a form sent, still encoded; `None` when this is no form.
pub async fn fields(headers: &HeaderMap, sent: Body, most: usize) -> Option<Bytes> {
    if !is_form(headers) {
        return None;
    }
    body(sent, most).await.ok()
}

/// Whether the body says that it is a form's.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    let sent = headers.get(CONTENT_TYPE);
    sent.is_some_and(|sent| media_type(sent.as_bytes()).eq_ignore_ascii_case(FORM))
}

/// The one field of this name in a form or a query; two of a name are nobody's form.
#[must_use]
pub fn only(encoded: &[u8], name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(encoded).filter(|(known, _)| known == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then(|| first.into_owned())
}
