//! Whose page sent a request, by Fetch Metadata, else by the exact `Origin`, else by the exact `Referer` (B-3 to B-6). Every
//! route asks here.

use http::header::{AUTHORIZATION, COOKIE, ORIGIN, REFERER};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::config::env::Env;
use crate::jose::jws::compact::bearer;
use crate::net::origin::Origin;
use crate::session::Session;
use crate::sources;
use crate::widget::Listed;

crate::settings! {
    pub vars VARS {
        PUBLIC_URL("", "https://www.example.org/chat-identity"),
            "The address under which pages reach this service, path included. Tokens name it as issuer where the format has one; browsers without Fetch Metadata are checked against its origin.";
        ALLOWED_ORIGINS("", "https://app.example.org"),
            "Other origins whose pages may fetch tokens (exact, comma-separated). Empty: only pages of our own origin, and no CORS.";
        ALLOW_CROSS_SITE("false", "true"),
            "Let listed origins ask from another site too. Needs the host's session cookie to be SameSite=None, and browsers may block it as a third-party cookie.";
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Whether somebody clicked, or a script asked.
pub const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
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
    /// Whether access tokens are a source: then who is no browser may ask with one.
    pub access_tokens: bool,
}

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
    #[error(
        "the request carries neither Sec-Fetch-Site nor Origin, nor the Referer of a page, nor an access token alone"
    )]
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
    /// There is no page: a native client or a server asks, and brings an access token of its own.
    Native,
}

impl RequestOrigin {
    /// Whether it may have what belongs to this session. What no page has asked for is given to an access token alone: nothing
    /// ambient, such as a cookie or a proxy's login, may speak for somebody who has not asked.
    ///
    /// # Errors
    /// [`OriginError::Unknown`] when it may not.
    pub fn check(&self, session: &Session) -> Result<(), OriginError> {
        let fits = *self != Self::Native || session.source == sources::bearer::NAME;
        if fits { Ok(()) } else { Err(OriginError::Unknown) }
    }
}

impl OriginRules {
    /// Reads the public address, the listed origins, and the rules.
    pub fn read(env: &mut Env) -> (Option<Url>, Vec<Origin>, Self) {
        let url: Option<Url> = env.parse(&PUBLIC_URL);
        let own = url.as_ref().and_then(Origin::of);
        let plain =
            url.as_ref().is_none_or(|u| u.query().is_none() && u.fragment().is_none() && u.username().is_empty());
        if url.is_some() && (own.is_none() || !plain) {
            env.mistake_in(&PUBLIC_URL, "is not an address such as https://www.example.org/chat-identity");
        }
        if let Some(path) = env.text(&PUBLIC_URL).as_deref().and_then(odd_path) {
            let problem = format!(
                "has the path `{path}`, which not every proxy reads alike: plain segments of letters, digits, `-`, `_`, `.` and `~` are wanted, without dot segments, doubled slashes, encoding or braces"
            );
            env.mistake_in(&PUBLIC_URL, &problem);
        }
        let listed: Vec<Origin> = env.list(&ALLOWED_ORIGINS);
        let cross_site = env.flag(&ALLOW_CROSS_SITE);
        (url, listed, Self { own, cross_site, ..Self::default() })
    }

    /// Pages of this origin, and no others.
    #[must_use]
    pub fn only(own: Origin) -> Self {
        Self { own: Some(own), ..Self::default() }
    }

    /// Whether who made this request may fetch an answer, where pages of our own origin and of these others may, and native
    /// clients with an access token: [`RequestOrigin::check`] holds them to it once the session is known.
    ///
    /// # Errors
    /// [`OriginError`] when it may not.
    pub fn admit(&self, others: &[Listed], headers: &HeaderMap) -> Result<RequestOrigin, OriginError> {
        check_is_fetch(headers)?;
        match self.sender(others, headers) {
            Err(OriginError::Unknown) if self.access_tokens && is_native(headers) => Ok(RequestOrigin::Native),
            known => known,
        }
    }

    /// Whose page sent this request, whether a script, a form or a link made it (S-4).
    ///
    /// # Errors
    /// [`OriginError`] when it is neither of our own origin nor of these others.
    pub fn sender(&self, others: &[Listed], headers: &HeaderMap) -> Result<RequestOrigin, OriginError> {
        let origin = one(headers, &ORIGIN)?;
        if origin == Some(b"null") {
            return Err(OriginError::Opaque);
        }
        let listed = || listed_for(others, origin);
        match one(headers, &SEC_FETCH_SITE)? {
            Some(b"same-origin") => Ok(RequestOrigin::Own),
            Some(b"cross-site") if listed().is_some() && !self.cross_site && !is_app(origin) => {
                Err(OriginError::CrossSite)
            }
            Some(b"same-site" | b"cross-site") => listed().ok_or(OriginError::NotListed),
            Some(b"none") => Err(OriginError::Navigation),
            None if origin.is_none() => self.by_referer(others, headers),
            _ if origin.is_none() => Err(OriginError::Unknown),
            _ if self.is_own(origin) => Ok(RequestOrigin::Own),
            _ => listed().ok_or(OriginError::NotListed),
        }
    }

    /// The origin of this text, when pages of it may ask.
    #[must_use]
    pub fn known<'a>(&'a self, others: &'a [Listed], text: &str) -> Option<&'a Origin> {
        let listed = others.iter().map(|(origin, _)| origin);
        self.own.iter().chain(listed).find(|origin| origin.is(text.as_bytes()))
    }

    /// What browsers say that send neither Fetch Metadata nor `Origin` with their own pages' GET: the one `Referer`, whose
    /// origin must be exactly one of those (B-5).
    fn by_referer(&self, others: &[Listed], headers: &HeaderMap) -> Result<RequestOrigin, OriginError> {
        let silent = !headers.contains_key(&SEC_FETCH_MODE) && !headers.contains_key(&SEC_FETCH_DEST);
        let referer = one(headers, &REFERER)?.filter(|_| silent);
        let origin = referer.and_then(origin_of).ok_or(OriginError::Unknown)?;
        if self.is_own(Some(origin)) {
            return Ok(RequestOrigin::Own);
        }
        listed_for(others, Some(origin)).ok_or(OriginError::NotListed)
    }

    fn is_own(&self, origin: Option<&[u8]>) -> bool {
        self.own.as_ref().zip(origin).is_some_and(|(own, sent)| own.is(sent))
    }
}

/// An app's own pages are of another site than everything.
fn is_app(origin: Option<&[u8]>) -> bool {
    origin.is_some_and(|origin| !origin.starts_with(b"http://") && !origin.starts_with(b"https://"))
}

/// Nothing that a browser adds, and an access token, which no browser adds by itself.
fn is_native(headers: &HeaderMap) -> bool {
    let says = |name: &HeaderName| headers.contains_key(name);
    let of_a_browser = [ORIGIN, REFERER, COOKIE].iter().any(says)
        || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"));
    let token = one(headers, &AUTHORIZATION).ok().flatten().and_then(bearer);
    !of_a_browser && token.is_some_and(|token| !token.is_empty())
}

/// The origin that an address begins with, byte for byte: whatever else stands before the path is part of another's name.
fn origin_of(address: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(address).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))?;
    let (scheme, rest) = text.split_once("://").filter(|_| Url::parse(text).is_ok())?;
    let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
    address.get(..scheme.len() + "://".len() + host.len())
}

/// The path of an address, when it is not plain: a path that somebody tidies on the way would not be found under it.
fn odd_path(address: &str) -> Option<&str> {
    let (_, rest) = address.split_once("://")?;
    let path = rest.find(['/', '\\']).map_or("", |at| rest.split_at(at).1);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let sound = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    let inside = path.strip_prefix('/').unwrap_or(path);
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    (!inside.is_empty() && !inside.split('/').all(sound)).then_some(path)
}

/// Whether a page of this one origin sent the request.
#[must_use]
pub fn sent_by_page_of(origin: &str, headers: &HeaderMap) -> bool {
    let own = origin.parse().ok();
    own.is_some_and(|own| OriginRules::only(own).sender(&[], headers) == Ok(RequestOrigin::Own))
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
        RequestOrigin::Own | RequestOrigin::Native => None,
    }
}

fn listed_for(others: &[Listed], origin: Option<&[u8]>) -> Option<RequestOrigin> {
    let origin = origin?;
    let found = others.iter().find(|(known, _)| known.is(origin));
    // Echoed as it came: a browser compares what it is told with what it has said.
    found.map(|(_, value)| RequestOrigin::Listed(HeaderValue::from_bytes(origin).unwrap_or_else(|_| value.clone())))
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
