//! The few pages a visitor sees: plain, readable without style and script, and with no word in them that a request brought
//! along, unless it is escaped.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The stylesheet of these pages.
pub const STYLE: &str = include_str!("../browser/login.css");
/// The script of the last page of a login in a window of its own.
pub const DONE_SCRIPT: &str = include_str!("../browser/login-done.js");

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What is the same on every page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The path under which the organisation's site routes to us; empty at the root.
    pub mount: String,
    /// What the organisation calls itself, or the login.
    pub title: String,
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

impl Frame {
    /// The login page. Its form repeats `query`, for a login that must begin anew.
    #[must_use]
    pub fn login(&self, status: StatusCode, form: &LoginForm<'_>, query: &str) -> Response {
        let problem = form.problem.map(|text| format!(r#"<p role="alert" id="problem">{}</p>"#, escaped(text)));
        let described = if problem.is_some() { r#" aria-describedby="problem""# } else { "" };
        let body = format!(
            r#"{problem}<form method="post" action="{action}">
<input type="hidden" name="state" value="{state}">
<label for="username">User name</label>
<input id="username" name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" required{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required>
<button type="submit">Log in</button>
</form>"#,
            problem = problem.unwrap_or_default(),
            action = self.link("/login/password", query),
            state = escaped(form.state),
            username = escaped(form.username),
        );
        self.page(status, Needs::Form, "", &body)
    }

    /// A page that says what happened, with a way on: a login with this `query`.
    #[must_use]
    pub fn message(&self, status: StatusCode, sentence: &str, query: &str) -> Response {
        let body = format!(
            r#"<p role="alert">{}</p><p><a href="{}">Log in again</a></p>"#,
            escaped(sentence),
            self.link("/login", query)
        );
        self.page(status, Needs::Nothing, "", &body)
    }

    /// The last page of a login in a window of its own, which tells `opener` and closes.
    #[must_use]
    pub fn done(&self, opener: &str) -> Response {
        let body = format!(
            r#"<p>You are logged in. You can close this window.</p><script src="{}/login/done.js"></script>"#,
            escaped(&self.mount)
        );
        self.page(StatusCode::OK, Needs::Script, &format!(r#" data-opener="{}""#, escaped(opener)), &body)
    }

    /// The page that asks whether to log out.
    #[must_use]
    pub fn ask_logout(&self) -> Response {
        let body = format!(
            r#"<p>You are logged in.</p><form method="post" action="{}/logout"><button type="submit">Log out</button></form>"#,
            escaped(&self.mount)
        );
        self.page(StatusCode::OK, Needs::FormAndBeyond, "", &body)
    }

    /// The page that says that nobody is logged in.
    #[must_use]
    pub fn logged_out(&self) -> Response {
        let body = format!(r#"<p>You are logged out.</p><p><a href="{}/login">Log in</a></p>"#, escaped(&self.mount));
        self.page(StatusCode::OK, Needs::Nothing, "", &body)
    }

    /// An address of ours, as it may stand in an attribute.
    fn link(&self, path: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        escaped(&format!("{}{path}{mark}{query}", self.mount))
    }

    fn page(&self, status: StatusCode, needs: Needs, root: &str, body: &str) -> Response {
        let html = format!(
            r#"<!DOCTYPE html>
<html lang="en"{root}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="{mount}/login/style.css">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"#,
            title = escaped(&self.title),
            mount = escaped(&self.mount),
        );
        let mut response = private(status, html);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(needs.policy()));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static(needs.referrer()));
        response
    }
}

/// An answer that nobody stores, sniffs, frames or embeds.
#[must_use]
pub fn private(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Cookie, Origin, Sec-Fetch-Site"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// On to another address. Always 303: a 307 would send a form's password along (O-4).
#[must_use]
pub fn see_other(address: &str) -> Response {
    let mut response = private(StatusCode::SEE_OTHER, Body::empty());
    match HeaderValue::try_from(address) {
        Ok(mut line) => {
            line.set_sensitive(true);
            response.headers_mut().insert(LOCATION, line);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// Adds cookies.
#[must_use]
pub fn with_cookies(mut response: Response, lines: impl IntoIterator<Item = HeaderValue>) -> Response {
    for line in lines {
        response.headers_mut().append(SET_COOKIE, line);
    }
    response
}

/// Says when to try again.
pub fn try_again_in(headers: &mut HeaderMap, wait: std::time::Duration) {
    // Rounded up: somebody who comes back a moment too early is refused again.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
}

/// A file of ours that is the same for everybody.
#[must_use]
pub fn file(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// Text as it may stand in an element or in a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
