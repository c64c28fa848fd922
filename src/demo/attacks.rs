//! The attempts of the page's attacks that a page cannot make by itself.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, StatusCode};
use tower_sessions::Session;

use super::patients::{PATIENTS, SignedIn};
use super::settings::MOUNT;
use super::site::Site;
use crate::http::headers::{JSON, private};
use crate::http::origin::sent_by_page_of;
use crate::http::problem::Problem;

/// How long a thief stays.
const THEFT: Duration = Duration::from_mins(1);

/// What a page gets that was fetched over plain HTTP.
pub async fn plain_http(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    if !sent_by_page_of(&site.at.clinic, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let result = site.downgrade.attempt(headers.get(COOKIE)).await;
    private(StatusCode::OK, JSON, result.to_string())
}

/// What another patient gets, who has signed in on a device of their own: the thief.
pub async fn thief(
    State(site): State<Arc<Site>>,
    session: Session,
    Path(widget): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !sent_by_page_of(&site.at.clinic, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let victim = SignedIn::of(&session, &site.clock).await.map(|(_, patient)| patient.number);
    let Some(thief) = PATIENTS.iter().find(|patient| Some(patient.number) != victim) else {
        return Problem::NotFound.response();
    };
    let own = Session::new(None, Arc::new(site.store.clone()), None);
    let begun = match SignedIn::begin(&own, thief, &site.clock, THEFT).await {
        Ok(()) => own.save().await,
        Err(problem) => Err(problem),
    };
    let (Ok(()), Some(id)) = (begun, own.id()) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let request = Request::post(format!("{MOUNT}/token/{widget}"))
        .header(HOST, site.at.clinic.trim_start_matches("http://"))
        .header(ORIGIN, &site.at.clinic)
        .header(COOKIE, format!("{}={id}", site.cookie));
    match request.body(Body::empty()) {
        Ok(request) => site.service.handle(request).await,
        Err(_) => Problem::NotFound.response(),
    }
}
