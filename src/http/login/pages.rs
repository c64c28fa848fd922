//! The few pages a visitor sees: plain, readable without style and script.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use crate::http::headers::RESOURCE_POLICY;
use crate::http::page::html;
use crate::login::brand::{self, Link};
use crate::login::texts::Texts;

const PAGE: &str = include_str!("../../browser/login.html");
/// The script of the last page of a login in a window of its own.
pub const DONE_SCRIPT: &str = include_str!("../../browser/login-done.js");
/// The script of the form: it shows what is typed as the password, and that Caps Lock is on.
pub const FORM_SCRIPT: &str = include_str!("../../browser/login-form.js");
/// The script of the page that says that nobody is logged in, which tells other tabs.
pub const OUT_SCRIPT: &str = include_str!("../../browser/login-out.js");

/// What is the same on every page.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The path under which the organisation's site routes to us; empty at the root.
    pub mount: &'a str,
    /// What the organisation calls itself, or the login.
    pub title: &'a str,
    /// What it says.
    pub texts: &'a Texts,
    /// How it looks.
    pub brand: &'a brand::Settings,
}

/// Where a page's forms may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forms {
    None,
    Own,
    /// A form whose answer leads on to the identity provider: browsers hold a form to its policy through redirects.
    OwnAndBeyond,
}

impl Forms {
    /// A browser tells a form's own site where the form stood only if the page lets it; nobody else is told anything.
    fn referrer(self) -> &'static str {
        if self == Self::None { "no-referrer" } else { "same-origin" }
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
        self.page(status, Forms::Own, values)
    }

    /// A page that says what happened, with a way on: a login with this `query`.
    #[must_use]
    pub fn message(self, status: StatusCode, sentence: &str, query: &str) -> Response {
        let values = json!({ "page": "message", "problem": sentence, "query": marked(query) });
        self.page(status, Forms::None, values)
    }

    /// The last page of a login in a window of its own, which tells `opener` and closes.
    #[must_use]
    pub fn done(self, opener: &str) -> Response {
        self.page(StatusCode::OK, Forms::None, json!({ "page": "done", "opener": opener }))
    }

    /// The page that asks whether to log out.
    #[must_use]
    pub fn ask_logout(self) -> Response {
        self.page(StatusCode::OK, Forms::OwnAndBeyond, json!({ "page": "ask_logout" }))
    }

    /// The page that says that nobody is logged in.
    #[must_use]
    pub fn logged_out(self) -> Response {
        self.page(StatusCode::OK, Forms::None, json!({ "page": "logged_out" }))
    }

    fn page(self, status: StatusCode, forms: Forms, mut values: Value) -> Response {
        let Self { mount, title, texts, brand } = self;
        let link = |link: &Option<Link>| link.as_ref().map(|link| link.as_str().to_owned());
        let more = json!({
            "mount": mount, "title": title, "language": texts.language, "direction": texts.direction(), "text": texts.all(),
            "name": brand.name, "logo": link(&brand.logo), "help": link(&brand.help), "privacy": link(&brand.privacy),
            "forgot": link(&brand.forgot),
        });
        if let (Value::Object(values), Value::Object(more)) = (&mut values, more) {
            values.extend(more);
        }
        let mut response = html(status, &self.policy(forms), PAGE, &values);
        let headers = response.headers_mut();
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(forms.referrer()));
        headers.insert(VARY, HeaderValue::from_static("Accept-Language"));
        if let Ok(language) = HeaderValue::from_str(&texts.language) {
            headers.insert(CONTENT_LANGUAGE, language);
        }
        response
    }

    /// Nothing but our own script and style, and the organisation's logo.
    fn policy(self, forms: Forms) -> String {
        let action = match forms {
            Forms::None => " form-action 'none';",
            Forms::Own => " form-action 'self';",
            Forms::OwnAndBeyond => "",
        };
        let picture = self.brand.logo.as_ref().map(|logo| {
            let from = logo.origin().map_or_else(|| "'self'".to_owned(), |origin| origin.to_string());
            format!(" img-src {from};")
        });
        let picture = picture.unwrap_or_default();
        format!(
            "default-src 'none'; style-src 'self'; script-src 'self';{picture}{action} base-uri 'none'; frame-ancestors 'none'"
        )
    }
}

fn marked(query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("?{query}") }
}

/// A file of ours that is the same for everybody.
#[must_use]
pub fn file(content_type: &'static str, text: impl Into<Body>) -> Response {
    const LINES: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "public, max-age=3600"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (RESOURCE_POLICY, "same-origin"),
    ];
    let mut response = Response::new(text.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(LINES.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
