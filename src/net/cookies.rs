//! Cookies: the request's `Cookie` header (RFC 6265 section 5.4), read without trusting a byte of it, and our own.

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Most cookies that are looked at. Browsers send fewer; a request with more is trying something (DoS-1).
pub const COOKIES_MAX: usize = 50;

/// Every `name=value` pair of every `Cookie` header, in order; at most [`COOKIES_MAX`] of them. Pairs that are not UTF-8
/// are passed over.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| std::str::from_utf8(line.as_bytes()).ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).take(COOKIES_MAX)
}

/// The value of the cookie of this name; `None` when it is absent, or there twice: one of two was planted (CK-3).
#[must_use]
pub fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = pairs(headers).filter(|(n, _)| *n == name).map(|(_, value)| value);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// How far from our own pages a cookie travels (RFC 6265bis section 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Only with requests that our own site's pages make.
    Strict,
    /// Also when somebody follows a link to us.
    Lax,
    /// Everywhere, kept apart per embedding site (CHIPS).
    None,
}

/// What a cookie's name must start with, so that no neighbouring host and no plain-http page can set it.
pub const HOST_PREFIX: &str = "__Host-";

/// A cookie of our own. However it is made, it is `Secure`, `HttpOnly`, for this host only and for all of its paths: what
/// its prefix promises, and what a browser insists on when the cookie is removed, too (CK-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCookie {
    name: String,
    same_site: SameSite,
}

impl OwnCookie {
    /// A cookie of this name; `None` when the name has not the prefix, or holds what a cookie's name cannot.
    #[must_use]
    pub fn new(name: &str, same_site: SameSite) -> Option<Self> {
        let token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        let sound = token && name.len() > HOST_PREFIX.len() && name.starts_with(HOST_PREFIX);
        sound.then(|| Self { name: name.to_owned(), same_site })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value in this request; `None` when it is absent, or there twice.
    #[must_use]
    pub fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        one(headers, &self.name)
    }

    /// The line that sets it: for a span of time, or until the browser ends. The value is letters, digits, `-` and `_`.
    #[must_use]
    pub fn set(&self, value: &str, lasts: Option<Duration>) -> HeaderValue {
        let age = lasts.map(|span| format!("; Max-Age={}", span.as_secs())).unwrap_or_default();
        let reach = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None; Partitioned",
        };
        let line = format!("{}={value}; Path=/; Secure; HttpOnly; SameSite={reach}{age}", self.name);
        // A value that no header can carry would be our own mistake; nobody is logged in by an empty line.
        let mut line = HeaderValue::try_from(line).unwrap_or_else(|_| HeaderValue::from_static(""));
        line.set_sensitive(true);
        line
    }

    /// The line that removes it.
    #[must_use]
    pub fn remove(&self) -> HeaderValue {
        self.set("", Some(Duration::ZERO))
    }
}
