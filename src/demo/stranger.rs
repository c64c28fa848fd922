//! Another site, which would like to have the clinic's visitors' tokens. It is served from another host name, so that
//! browsers treat it as what it is: a foreign site.

use std::future::{Future, ready};

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::assets::STRANGER;
use crate::http::page::{Asset, html};
use crate::http::problem::Problem;
use crate::net::origin;

/// The site.
#[derive(Debug, Clone)]
pub struct ForeignSite {
    /// Its own host name and port.
    pub authority: String,
    /// The clinic's origin, its victim.
    pub clinic: String,
    /// Where the clinic's tokens are.
    pub token_url: String,
    /// The chat vendor's server.
    pub widget_server: String,
}

const PAGE: &str = include_str!("../browser/demo/stranger.html");

impl ForeignSite {
    /// Answers one request.
    pub fn handle(&self, request: Request) -> impl Future<Output = Response> + use<> {
        let (head, _) = request.into_parts();
        ready(self.answer(head.uri.path(), &head.headers))
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        if origin::host(headers) != Some(&self.authority) {
            return Problem::NotFound.response();
        }
        match path {
            "/" => self.page(),
            path => Asset::find(STRANGER, path.trim_start_matches('/')),
        }
    }

    fn page(&self) -> Response {
        // It may load and ask for whatever it likes: what it does not get is withheld by the others.
        let policy = format!(
            "default-src 'none'; script-src 'self' {clinic}; style-src 'self'; connect-src {clinic} {widget}; \
             frame-ancestors {clinic}; base-uri 'none'; form-action 'none'",
            clinic = self.clinic,
            widget = self.widget_server,
        );
        let values = json!({
            "clinic": self.clinic, "token_url": self.token_url, "widget_server": self.widget_server,
            "site": format!("http://{}", self.authority),
        });
        html(StatusCode::OK, &policy, PAGE, &values)
    }
}
