//! A web origin (RFC 6454): scheme, host and port, compared exactly.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use http::header::HOST;
use url::Url;

/// An origin in its ASCII serialisation, as browsers send it. There are no patterns: a list of origins is a list of
/// exact values, so `evilexample.com` never passes for `example.com` (B-6, CORS-2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// The serialisation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of an absolute http or https address.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let web = matches!(url.scheme(), "http" | "https");
        (web && url.has_host()).then(|| Self(url.origin().ascii_serialization()))
    }

    /// Whether a header's bytes are this origin, byte for byte.
    #[must_use]
    pub fn is(&self, header: &[u8]) -> bool {
        self.0.as_bytes() == header
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not an origin such as https://www.example.org (no path, no wildcard)");
        let url = Url::parse(text).map_err(|_| wrong())?;
        let origin = Self::of(&url).ok_or_else(wrong)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let no_user = url.username().is_empty() && url.password().is_none();
        if bare && no_user && !text.contains('*') { Ok(origin) } else { Err(wrong()) }
    }
}

/// The one `Host` a request was sent to; `None` when there are several, or none.
#[must_use]
pub fn host(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(HOST).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}
