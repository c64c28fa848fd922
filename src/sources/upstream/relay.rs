//! What is sent to the endpoint, and what of its answer goes back to the visitor: the named cookies and nothing else.

use std::fmt;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::env::{Env, Var};
use crate::net::cookies;
use crate::net::field::is_token;
use crate::session::nobody::Nobody;

/// What a fixed header must not be: the cookie is the visitor's, and the rest is the connection's.
const OURS: [HeaderName; 4] = [COOKIE, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

/// A cookie's name, or the beginning of the names of its numbered pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    fn covers(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => name.strip_prefix(stem).is_some_and(|piece| piece_number(piece).is_some()),
            None => name == self.0,
        }
    }

    /// The cookies of this name in the request, pieces in their order.
    fn present<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let mut names: Vec<&str> =
            cookies::pairs(headers).map(|(name, _)| name).filter(|name| self.covers(name)).collect();
        let stem = self.0.trim_end_matches('*').len();
        names.sort_by_key(|name| name.get(stem..).and_then(piece_number));
        names.dedup();
        names
    }
}

/// Frameworks count pieces from 0 and need few.
fn piece_number(text: &str) -> Option<u16> {
    let plain = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// What travels.
pub(super) struct Relay {
    cookies: Vec<Pattern>,
    renewed: Vec<Pattern>,
    headers: HeaderMap,
}

/// Names only: a fixed header may be a key.
impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("cookies", &self.cookies).finish_non_exhaustive()
    }
}

impl Relay {
    pub(super) fn new(cookies: Vec<Pattern>, renewed: Vec<Pattern>, headers: HeaderMap) -> Self {
        Self { cookies, renewed, headers }
    }

    /// Names of the cookies that say who somebody is.
    pub(super) fn names(&self) -> Vec<String> {
        self.cookies.iter().map(|pattern| pattern.0.clone()).collect()
    }

    /// The headers of every call.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.extend(self.headers.clone());
        headers
    }

    /// The one `Cookie` header that is sent: the named cookies in their configured order, each at most once.
    pub(super) fn cookie(&self, headers: &HeaderMap) -> Result<HeaderValue, Nobody> {
        let mut pairs = Vec::new();
        for name in self.cookies.iter().flat_map(|pattern| pattern.present(headers)) {
            let value = cookies::one(headers, name).ok_or_else(|| Nobody::BadCookie(name.to_owned()))?;
            pairs.push([name.as_bytes(), b"=", value].concat());
        }
        if pairs.is_empty() {
            return Err(Nobody::no_cookie(&self.names().join(", ")));
        }
        let line = HeaderValue::try_from(pairs.join(&b"; "[..]));
        let mut line = line.map_err(|_| Nobody::BadCookie(self.names().join(", ")))?;
        line.set_sensitive(true);
        Ok(line)
    }

    /// What the endpoint sets of the cookies that it may renew.
    pub(super) fn renewed(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let may = |line: &&HeaderValue| {
            let name = line.to_str().ok().and_then(|text| text.split_once('=')).map(|(name, _)| name);
            name.is_some_and(|name| self.renewed.iter().any(|pattern| pattern.covers(name)))
        };
        headers.get_all(SET_COOKIE).iter().filter(may).cloned().collect()
    }
}

/// Reads cookies' names and patterns; `None` after naming one that is neither.
pub(super) fn patterns(env: &mut Env, var: &Var) -> Option<Vec<Pattern>> {
    let names: Vec<String> = env.list(var);
    let is_odd = |name: &&String| {
        let whole = name.strip_suffix(".*").unwrap_or(name);
        !is_token(whole.as_bytes()) || whole.contains('*')
    };
    if let Some(bad) = names.iter().find(is_odd) {
        env.mistake_in(var, &format!("`{bad}` is not a cookie's name, nor one with `.*` for its pieces"));
        return None;
    }
    Some(names.into_iter().map(Pattern).collect())
}

/// Reads headers as name=value. Values are never shown: one of them may be a key.
pub(super) fn headers(env: &mut Env, var: &Var) -> Option<HeaderMap> {
    let pairs: Vec<String> = env.list(var);
    let mut headers = HeaderMap::new();
    for (at, pair) in pairs.iter().enumerate() {
        let pair = pair.split_once('=').map(|(name, value)| (name.trim_ascii(), value.trim_ascii()));
        let name = pair.and_then(|(name, _)| HeaderName::try_from(name).ok());
        let value = pair.and_then(|(_, value)| HeaderValue::try_from(value).ok());
        let Some((name, mut value)) = name.filter(|name| !OURS.contains(name)).zip(value) else {
            env.mistake_in(var, &format!("number {} is no name=value of a header that may be set", at + 1));
            return None;
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Some(headers)
}
