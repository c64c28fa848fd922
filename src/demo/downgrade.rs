//! What plain HTTP gets: a second issuer, configured for an https site as a real one is, and two attempts to go without.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::settings;
use crate::app::StartError;
use crate::app::config::Settings;
use crate::base::clock::Clock;
use crate::config::env::Env;
use crate::http::service::HttpService;

const SITE: &str = "www.harbour-clinic.example";

/// An issuer for `https://www.harbour-clinic.example`, and what its start says about a session endpoint without https.
#[derive(Debug, Clone)]
pub struct Downgrade {
    service: HttpService,
    complaint: String,
}

impl Downgrade {
    /// Sets it up with the demo's own settings, but for the address.
    ///
    /// # Errors
    /// [`StartError`], as for the demo's own issuer.
    pub fn new(vars: &[(String, String)], events: &super::events::Events, clock: &Clock) -> Result<Self, StartError> {
        let https = with(vars, "PUBLIC_URL", &format!("https://{SITE}/chat-identity"));
        let service = settings::issuer(&https, events, clock)?.service;
        let plain = with(vars, "UPSTREAM_SESSION_URL", &format!("http://{SITE}/api/session"));
        let complaint = Settings::read(Env::new(plain)).err().map_or_else(String::new, |mistakes| {
            mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        });
        Ok(Self { service, complaint })
    }

    /// A page of the same site, but fetched over plain HTTP, asks as a browser lets it: with the visitor's cookie, and
    /// without the Fetch Metadata that browsers send over https only.
    pub async fn attempt(&self, cookie: Option<&HeaderValue>) -> Value {
        let from = format!("http://{SITE}");
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = http::Uri::from_static("/chat-identity/token");
        request.headers_mut().insert(HOST, HeaderValue::from_static(SITE));
        if let Ok(origin) = HeaderValue::from_str(&from) {
            request.headers_mut().insert(ORIGIN, origin);
        }
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        let (head, body) = self.service.handle(request).await.into_parts();
        let body = to_bytes(body, 64 * 1024).await.unwrap_or_default();
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        json!({
            "from": from, "to": format!("https://{SITE}/chat-identity/token"), "status": head.status.as_u16(),
            "code": problem.get("code"), "detail": problem.get("detail"), "start": self.complaint,
        })
    }
}

fn with(vars: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let changed =
        |(known, old): &(String, String)| (known.clone(), if known == name { value.to_owned() } else { old.clone() });
    vars.iter().map(changed).collect()
}
