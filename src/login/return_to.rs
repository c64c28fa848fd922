//! Where a visitor goes after the login: a path on our own origin, or nowhere of their own choosing (O-5, L-1).
//!
//! Every open redirect in the field came from a text that one reader took for a path and another for an address. So this
//! is no filter of bad forms: what is accepted is one plain form that every reader takes for the same path.

use unicode_normalization::UnicodeNormalization as _;
use url::Url;

use crate::net::field::percent_decoded;
use crate::net::origin::Origin;

/// Longest accepted text: it travels in a cookie, sealed, and a cookie may have 4096 bytes.
const LONGEST: usize = 2000;

/// A checked path with its query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Accepts `text` if it is a plain path on `site`.
    #[must_use]
    pub fn new(text: &str, site: &Url) -> Option<Self> {
        let plain = text.len() <= LONGEST && is_plain(text) && stays(text, site);
        plain.then(|| Self(text.to_owned()))
    }

    /// The front page.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it leads back into the login under `mount`, which would go round in circles.
    #[must_use]
    pub fn is_login(&self, mount: &str) -> bool {
        let path = self.0.split(['?', '#']).next().unwrap_or_default();
        let ours = path.strip_prefix(mount).unwrap_or(path);
        let under = |base| ours == base || ours.strip_prefix(base).is_some_and(|rest: &str| rest.starts_with('/'));
        under("/login") || under("/logout")
    }
}

fn is_plain(text: &str) -> bool {
    let (path, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    // `url` and browsers drop tabs and line breaks and turn backslashes into slashes: none may come, bare or encoded.
    let harmless = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"\\<>\"`{}|^".contains(&b));
    harmless(text) && is_plain_path(path) && is_plain_rest(rest)
}

/// One leading slash, no empty and no dot segments, no encoding of anything that has a meaning in a path, and nothing that
/// a reader who tidies Unicode would turn into such a thing.
fn is_plain_path(path: &str) -> bool {
    let Some(decoded) = percent_decoded(path.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return false;
    };
    let tidied: String = decoded.nfkc().collect();
    let same_shape = path.split('/').count() == tidied.split('/').count();
    let dots = tidied.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")));
    path.starts_with('/') && !path.contains("//") && same_shape && !dots && !tidied.chars().any(is_hostile)
}

/// A query and a fragment may hold any encoded text but control characters.
fn is_plain_rest(rest: &str) -> bool {
    percent_decoded(rest.as_bytes()).is_some_and(|bytes| !bytes.iter().any(u8::is_ascii_control))
}

/// What no decoded path has any business with. `%` is there because a second reader might decode a second time.
fn is_hostile(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, '\\' | '%' | '?' | '#' | '\u{202A}'..='\u{202E}' | '\u{FEFF}')
}

/// What a browser would make of it: the same origin, and the same text.
fn stays(text: &str, site: &Url) -> bool {
    let Ok(target) = site.join(text) else { return false };
    let same_text = target.as_str().strip_prefix(&target[..url::Position::BeforePath]).is_some_and(|t| t == text);
    same_text && Origin::of(&target) == Origin::of(site)
}
