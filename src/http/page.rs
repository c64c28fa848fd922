//! Pages for people, the login's, the console's and the demo's: filled by a template that escapes every value, under a policy that lets
//! nothing run but our own files.

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Output, Value as Shown};
use serde_json::Value;

use super::headers::private;
use super::problem::Problem;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A file that a page loads, built into the program.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name below the folder of assets.
    pub name: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Asset {
    /// The asset of this name, as an answer.
    #[must_use]
    pub fn find(assets: &[Self], name: &str) -> Response {
        match assets.iter().find(|asset| asset.name == name) {
            Some(asset) => asset.response(),
            None => Problem::NotFound.response(),
        }
    }

    fn response(self) -> Response {
        let mut response = private(StatusCode::OK, HeaderValue::from_static(self.media), self.text);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// Fills a page. Every value is escaped; a template that does not run is our own mistake and answers 500.
#[must_use]
pub fn html(status: StatusCode, policy: &str, template: &str, values: &Value) -> Response {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    engine.set_formatter(|out, _, value| write_escaped(out, value));
    let text = match engine.render_str(template, Shown::from(Serde(values))) {
        Ok(text) => text,
        Err(problem) => {
            tracing::error!(%problem, "a page could not be filled");
            return Problem::Misconfigured("page").response();
        }
    };
    let mut response = private(status, HTML, text);
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    // Under `no-referrer` a browser sends forms with `Origin: null`, which no rule can tell from a stranger's.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Every value as it may stand in an element or in a quoted attribute. A slash stays what it is, so that an address in a page
/// can be read.
fn write_escaped(out: &mut Output<'_>, value: &Shown) -> Result<(), minijinja::Error> {
    let text = value.to_string();
    let written = if value.is_safe() { out.write_str(&text) } else { out.write_str(&escaped(&text)) };
    written.map_err(minijinja::Error::from)
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#x27;"),
            c => safe.push(c),
        }
    }
    safe
}
