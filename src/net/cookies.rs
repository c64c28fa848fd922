//! Cookies: the request's `Cookie` header (RFC 6265 section 5.4), read without trusting a byte of it, and our own.

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::net::field;

/// Every `name=value` pair of every `Cookie` header, in order. A pair without a name, or with one that is no token, is no
/// cookie that anybody here could mean; what else is wrong with a pair is that pair's own affair.
pub fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(|pair| {
        let pair = field::trim(pair);
        let equals = pair.iter().position(|b| *b == b'=')?;
        let name = Some(&pair[..equals]).filter(|name| field::is_token(name))?;
        Some((std::str::from_utf8(name).ok()?, field::trim(&pair[equals + 1..])))
    })
}

/// How many pairs there are, whatever they are.
#[must_use]
pub fn count(headers: &HeaderMap) -> usize {
    let lines = headers.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    lines.map(|line| line.split(|b| *b == b';').filter(|pair| !field::trim(pair).is_empty()).count()).sum()
}

/// The value of the cookie of this name; `None` when it is absent, or there with several values: one of them was planted.
/// The same value twice is one cookie: browsers send both when paths or domains overlap (CK-3).
#[must_use]
pub fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = values(headers, name);
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// Whether a cookie of this name is there with several values.
#[must_use]
pub fn is_contradicted(headers: &HeaderMap, name: &str) -> bool {
    let mut values = values(headers, name);
    values.next().is_some_and(|first| values.any(|other| other != first))
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    pairs(headers).filter(move |(found, _)| *found == name).map(|(_, value)| value)
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
        let sound = field::is_token(name.as_bytes()) && name.len() > HOST_PREFIX.len() && name.starts_with(HOST_PREFIX);
        sound.then(|| Self { name: name.to_owned(), same_site })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value in this request; `None` when it is absent, there with several values, or nothing that we have set.
    #[must_use]
    pub fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        std::str::from_utf8(one(headers, &self.name)?).ok()
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
