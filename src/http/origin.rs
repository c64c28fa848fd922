//! Which pages may ask for a token, by Fetch Metadata with the exact `Origin` as fallback (facts B-3 to B-6).

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONTENT_TYPE, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::headers::{JSON, private, share_with};
use super::problem::Problem;
use crate::config::env::{Env, Var};
use crate::net::origin::Origin;
use crate::widget::Listed;

/// Our own address.
pub const PUBLIC_URL: Var = Var::new(
    "PUBLIC_URL",
    "",
    "https://www.example.org/chat-identity",
    "The address under which pages reach this service, path included. Tokens name it as issuer where the format has one; browsers without Fetch Metadata are checked against its origin.",
);
/// Other origins.
pub const ALLOWED_ORIGINS: Var = Var::new(
    "ALLOWED_ORIGINS",
    "",
    "https://app.example.org",
    "Other origins whose pages may fetch tokens (exact, comma-separated). Empty: only pages of our own origin, and no CORS.",
);
/// Other sites.
pub const ALLOW_CROSS_SITE: Var = Var::new(
    "ALLOW_CROSS_SITE",
    "false",
    "true",
    "Let listed origins ask from another site too. Needs the host's session cookie to be SameSite=None, and browsers may block it as a third-party cookie.",
);

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What holds for every widget.
#[derive(Debug, Clone, Default)]
pub struct OriginRules {
    /// The origin of `PUBLIC_URL`.
    pub own: Option<Origin>,
    /// Whether listed origins may be of another site.
    pub cross_site: bool,
    /// What pages of listed origins may send beside what any page may.
    pub page_headers: Vec<HeaderName>,
}

/// Headers that any listed page may send.
const PAGE_HEADERS: &str = "Accept, Content-Type, X-Requested-By, X-Request-Id";

/// Why a page may not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// A page of another origin that is not listed.
    #[error("the page's origin is not listed in ALLOWED_ORIGINS")]
    NotListed,
    /// A listed page of another site, while that is off.
    #[error("the page is on another site and ALLOW_CROSS_SITE is off")]
    CrossSite,
    /// The address was opened, not fetched by a page.
    #[error("a page must fetch this address; opening it gives no token")]
    Navigation,
    /// An image, script, frame or form.
    #[error("only fetch() and XMLHttpRequest may ask")]
    NotFetch,
    /// An opaque origin.
    #[error("the page's origin is opaque (null)")]
    Opaque,
    /// Neither Fetch Metadata nor `Origin`.
    #[error("the request carries neither Sec-Fetch-Site nor Origin")]
    Unknown,
    /// The configured extra header is missing.
    #[error("the header required by TOKEN_REQUIRE_HEADER is missing")]
    NoHeader,
}

impl OriginError {
    /// The word for logs and metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotListed => "not_listed",
            Self::CrossSite => "cross_site",
            Self::Navigation => "navigation",
            Self::NotFetch => "not_fetch",
            Self::Opaque => "null_origin",
            Self::Unknown => "no_origin",
            Self::NoHeader => "no_header",
        }
    }
}

/// How an admitted page may read the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOrigin {
    /// It is of our own origin.
    Own,
    /// It is of this listed origin.
    Listed(HeaderValue),
}

impl OriginRules {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[&PUBLIC_URL, &ALLOWED_ORIGINS, &ALLOW_CROSS_SITE];

    /// Reads the public address, the listed origins, and the rules.
    pub fn read(env: &mut Env) -> (Option<Url>, Vec<Origin>, Self) {
        let url: Option<Url> = env.parse(&PUBLIC_URL);
        let own = url.as_ref().and_then(Origin::of);
        let plain =
            url.as_ref().is_none_or(|u| u.query().is_none() && u.fragment().is_none() && u.username().is_empty());
        if url.is_some() && (own.is_none() || !plain) {
            env.mistake_in(&PUBLIC_URL, "is not an address such as https://www.example.org/chat-identity");
        }
        let listed: Vec<Origin> = env.list(&ALLOWED_ORIGINS);
        let cross_site = env.flag(&ALLOW_CROSS_SITE);
        (url, listed, Self { own, cross_site, page_headers: Vec::new() })
    }

    /// Answers the question a browser asks before a listed page's request: without a session, and for nobody else
    /// (CORS-1).
    #[must_use]
    pub fn preflight(&self, others: &[Listed], methods: &'static str, headers: &HeaderMap) -> Response {
        let Some(origin) = listed_origin(others, headers) else {
            return Problem::Origin(OriginError::NotListed).response();
        };
        let mut response = private(StatusCode::NO_CONTENT, JSON, Body::empty());
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        share_with(headers, &origin, self.cross_site);
        headers.insert(ALLOW, HeaderValue::from_static(methods));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers());
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }

    /// Whether the page that made this request may ask, where pages of our own origin and of these others may.
    ///
    /// # Errors
    /// [`OriginError`] when it may not.
    pub fn admit(&self, others: &[Listed], headers: &HeaderMap) -> Result<RequestOrigin, OriginError> {
        check_is_fetch(headers)?;
        let origin = one(headers, &ORIGIN)?;
        if origin == Some(b"null") {
            return Err(OriginError::Opaque);
        }
        let listed = || listed_for(others, origin);
        match one(headers, &SEC_FETCH_SITE)? {
            Some(b"same-origin") => Ok(RequestOrigin::Own),
            Some(b"cross-site") if listed().is_some() && !self.cross_site => Err(OriginError::CrossSite),
            Some(b"same-site" | b"cross-site") => listed().ok_or(OriginError::NotListed),
            Some(b"none") => Err(OriginError::Navigation),
            _ if origin.is_none() => Err(OriginError::Unknown),
            _ if self.is_own(origin) => Ok(RequestOrigin::Own),
            _ => listed().ok_or(OriginError::NotListed),
        }
    }

    fn allowed_headers(&self) -> HeaderValue {
        let all = self.page_headers.iter().fold(PAGE_HEADERS.to_owned(), |all, name| format!("{all}, {name}"));
        HeaderValue::try_from(all).unwrap_or(HeaderValue::from_static(PAGE_HEADERS))
    }

    fn is_own(&self, origin: Option<&[u8]>) -> bool {
        self.own.as_ref().zip(origin).is_some_and(|(own, sent)| own.is(sent))
    }
}

/// The listed origin that made this request, ready to be echoed: in preflights, which carry no session and get none, and on
/// every other answer, errors included, so that a listed page can read why it was refused.
#[must_use]
pub fn listed_origin(others: &[Listed], headers: &HeaderMap) -> Option<HeaderValue> {
    if others.is_empty() {
        return None;
    }
    match listed_for(others, one(headers, &ORIGIN).ok()?)? {
        RequestOrigin::Listed(origin) => Some(origin),
        RequestOrigin::Own => None,
    }
}

fn listed_for(others: &[Listed], origin: Option<&[u8]>) -> Option<RequestOrigin> {
    let origin = origin?;
    let found = others.iter().find(|(known, _)| known.is(origin));
    found.map(|(_, value)| RequestOrigin::Listed(value.clone()))
}

/// A browser says what it fetches for: only script may, never a navigation, an image or a frame (B-4).
fn check_is_fetch(headers: &HeaderMap) -> Result<(), OriginError> {
    match one(headers, &SEC_FETCH_MODE)? {
        None | Some(b"cors" | b"same-origin") => {}
        Some(b"navigate") => return Err(OriginError::Navigation),
        Some(_) => return Err(OriginError::NotFetch),
    }
    match one(headers, &SEC_FETCH_DEST)? {
        None | Some(b"empty") => Ok(()),
        Some(_) => Err(OriginError::NotFetch),
    }
}

/// The one value of a header; two are no browser's doing.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, OriginError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    if values.next().is_some() { Err(OriginError::Unknown) } else { Ok(first) }
}

/// Whether the request says anything about the page it comes from.
#[must_use]
pub fn has_fetch_metadata(headers: &HeaderMap) -> bool {
    headers.contains_key(&SEC_FETCH_SITE)
}
