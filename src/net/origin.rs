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

    /// Whether a header's bytes are this origin: byte for byte, but for the case of an app's scheme and host, of which every shell
    /// makes its own.
    #[must_use]
    pub fn is(&self, header: &[u8]) -> bool {
        let web = self.0.starts_with("http://") || self.0.starts_with("https://");
        self.0.as_bytes() == header || !web && self.0.as_bytes().eq_ignore_ascii_case(header)
    }

    /// The origin of an app's own pages, such as `capacitor://localhost` (B-6): a scheme that no website, no file and no text can have.
    fn of_app(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let taken =
            ["http", "https", "ws", "wss", "ftp", "file", "filesystem", "data", "blob", "javascript", "about", "null"];
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let free = !taken.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
        (named && free && plain).then(|| Self(format!("{scheme}://{host}").to_ascii_lowercase()))
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
        if let Some(app) = Self::of_app(text) {
            return Ok(app);
        }
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
