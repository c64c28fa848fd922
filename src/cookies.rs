//! The request's `Cookie` header (RFC 6265 section 5.4), read without trusting a byte of it.

use http::HeaderMap;
use http::header::COOKIE;

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
