//! The few pages a visitor sees: plain, readable without style and script.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use crate::http::headers::RESOURCE_POLICY;
use crate::http::page::html;

const PAGE: &str = include_str!("../../browser/login.html");
/// The stylesheet of these pages.
pub const STYLE: &str = include_str!("../../browser/login.css");
/// The script of the last page of a login in a window of its own.
pub const DONE_SCRIPT: &str = include_str!("../../browser/login-done.js");

/// What is the same on every page.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The path under which the organisation's site routes to us; empty at the root.
    pub mount: &'a str,
    /// What the organisation calls itself, or the login.
    pub title: &'a str,
}

/// What a page may load, and where its forms may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Script,
    Form,
    /// A form whose answer leads on to the identity provider: browsers hold a form to its policy through redirects.
    FormAndBeyond,
}

impl Needs {
    fn policy(self) -> &'static str {
        match self {
            Self::Nothing => {
                "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
            }
            Self::Script => {
                "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
            }
            Self::Form => {
                "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            }
            Self::FormAndBeyond => "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
        }
    }

    /// A browser tells a form's own site where the form stood only if the page lets it; nobody else is told anything.
    fn referrer(self) -> &'static str {
        if matches!(self, Self::Form | Self::FormAndBeyond) { "same-origin" } else { "no-referrer" }
    }
}

/// The login form.
#[derive(Debug, Clone, Copy)]
pub struct LoginForm<'a> {
    /// Binds the form to the browser it was shown in.
    pub state: &'a str,
    /// What was typed as the name, to be shown again.
    pub username: &'a str,
    /// What went wrong the last time.
    pub problem: Option<&'a str>,
}

impl Frame<'_> {
    /// The login page. Its form repeats `query`, for a login that must begin anew.
    #[must_use]
    pub fn login(self, status: StatusCode, form: LoginForm<'_>, query: &str) -> Response {
        let values = json!({
            "page": "login", "state": form.state, "username": form.username, "problem": form.problem,
            "query": marked(query),
        });
        self.page(status, Needs::Form, values)
    }

    /// A page that says what happened, with a way on: a login with this `query`.
    #[must_use]
    pub fn message(self, status: StatusCode, sentence: &str, query: &str) -> Response {
        let values = json!({ "page": "message", "problem": sentence, "query": marked(query) });
        self.page(status, Needs::Nothing, values)
    }

    /// The last page of a login in a window of its own, which tells `opener` and closes.
    #[must_use]
    pub fn done(self, opener: &str) -> Response {
        self.page(StatusCode::OK, Needs::Script, json!({ "page": "done", "opener": opener }))
    }

    /// The page that asks whether to log out.
    #[must_use]
    pub fn ask_logout(self) -> Response {
        self.page(StatusCode::OK, Needs::FormAndBeyond, json!({ "page": "ask_logout" }))
    }

    /// The page that says that nobody is logged in.
    #[must_use]
    pub fn logged_out(self) -> Response {
        self.page(StatusCode::OK, Needs::Nothing, json!({ "page": "logged_out" }))
    }

    fn page(self, status: StatusCode, needs: Needs, mut values: Value) -> Response {
        values["mount"] = self.mount.into();
        values["title"] = self.title.into();
        let mut response = html(status, needs.policy(), PAGE, &values);
        response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static(needs.referrer()));
        response
    }
}

fn marked(query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("?{query}") }
}

/// A file of ours that is the same for everybody.
#[must_use]
pub fn file(content_type: &'static str, text: &'static str) -> Response {
    const LINES: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(LINES.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
