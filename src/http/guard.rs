//! What no request may carry, whatever it asks for: attempts to make us read another header than the proxy wrote.
//!
//! Every bypass of a header-stripping proxy in facts section 5 was a second spelling, a second instance, or a header that
//! travels in another place. All of them are refused before any source looks at the request.

use http::header::{CONNECTION, TRAILER};
use http::{HeaderMap, HeaderName};

use crate::net::{cookies, field};
use crate::session::Guarded;

/// Most headers of a request.
const HEADERS_MAX: usize = 100;
/// Most bytes of all header names and values together (DoS-1).
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The guarded names, prepared for comparison.
#[derive(Debug, Default)]
pub struct Guard {
    headers: Vec<Named>,
    scalars: Vec<HeaderName>,
    cookies: Vec<String>,
    /// Whether a guarded name itself folds, so that plain spellings are aliases of it too.
    folds_plain: bool,
}

#[derive(Debug)]
struct Named {
    name: HeaderName,
    folded: String,
}

/// Why a request is refused. The words are for logs and metrics; they hold nothing of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderAttack {
    /// Another spelling of a guarded name (H-3).
    Alias,
    /// Two instances of a guarded header, or a list where one value belongs (H-7).
    Duplicate,
    /// A guarded name announced as a trailer (H-4).
    Trailer,
    /// A guarded name listed as hop-by-hop (H-5).
    Connection,
    /// Two cookies of one guarded name with different values (CK-3).
    Cookie,
    /// More headers, or larger ones, than any browser sends.
    Oversized,
}

impl HeaderAttack {
    /// The word for it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Alias => "header_alias",
            Self::Duplicate => "header_duplicate",
            Self::Trailer => "header_trailer",
            Self::Connection => "header_connection",
            Self::Cookie => "cookie_duplicate",
            Self::Oversized => "header_oversized",
        }
    }
}

impl Guard {
    /// A guard over these names.
    #[must_use]
    pub fn new(guarded: Guarded) -> Self {
        let mut headers: Vec<Named> = Vec::new();
        for name in guarded.headers {
            if !headers.iter().any(|known| known.name == name) {
                headers.push(Named { folded: fold(name.as_str()), name });
            }
        }
        let folds_plain = headers.iter().any(|named| named.folded != named.name.as_str());
        Self { headers, scalars: guarded.scalars, cookies: guarded.cookies, folds_plain }
    }

    /// Looks at the headers of a request.
    ///
    /// # Errors
    /// The first [`HeaderAttack`] found.
    pub fn inspect(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        check_size(headers)?;
        self.check_aliases(headers)?;
        self.check_instances(headers)?;
        self.check_lists(headers, &CONNECTION, HeaderAttack::Connection)?;
        self.check_lists(headers, &TRAILER, HeaderAttack::Trailer)?;
        self.check_cookies(headers)
    }

    fn check_aliases(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        let suspect = |name: &&HeaderName| self.folds_plain || name.as_str().bytes().any(|b| matches!(b, b'_' | b'.'));
        let found = headers.keys().filter(suspect).any(|name| self.is_alias(name));
        if found { Err(HeaderAttack::Alias) } else { Ok(()) }
    }

    fn is_alias(&self, name: &HeaderName) -> bool {
        let folded = fold(name.as_str());
        let same_fold = || self.headers.iter().filter(|named| named.folded == folded);
        same_fold().next().is_some() && same_fold().all(|named| named.name != name)
    }

    fn check_instances(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        // As many values as names: nothing is there twice, whatever it is called.
        let repeated = headers.len() != headers.keys_len();
        let is_twice = |named: &Named| headers.get_all(&named.name).iter().nth(1).is_some();
        let twice = repeated && self.headers.iter().any(is_twice);
        let listed =
            self.scalars.iter().filter_map(|name| headers.get(name)).any(|value| value.as_bytes().contains(&b','));
        if twice || listed { Err(HeaderAttack::Duplicate) } else { Ok(()) }
    }

    fn check_lists(&self, headers: &HeaderMap, list: &HeaderName, attack: HeaderAttack) -> Result<(), HeaderAttack> {
        if self.headers.is_empty() {
            return Ok(());
        }
        let lines = headers.get_all(list).iter();
        let found = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).any(|item| self.names(item));
        if found { Err(attack) } else { Ok(()) }
    }

    fn names(&self, item: &[u8]) -> bool {
        let item = field::trim(item);
        // `close` and `keep-alive` are what nearly every request says here.
        if item.eq_ignore_ascii_case(b"close") || item.eq_ignore_ascii_case(b"keep-alive") {
            return false;
        }
        let folded = fold(&String::from_utf8_lossy(item));
        self.headers.iter().any(|named| named.folded == folded)
    }

    fn check_cookies(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        let contradicted = self.cookies.iter().any(|name| match name.strip_suffix('*') {
            // A cookie in pieces: none of them may be there in two forms.
            Some(stem) => cookies::pairs(headers)
                .filter(|(piece, _)| piece.starts_with(stem))
                .any(|(piece, _)| cookies::is_contradicted(headers, piece)),
            None => cookies::is_contradicted(headers, name),
        });
        if contradicted { Err(HeaderAttack::Cookie) } else { Ok(()) }
    }
}

fn check_size(headers: &HeaderMap) -> Result<(), HeaderAttack> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX { Err(HeaderAttack::Oversized) } else { Ok(()) }
}

/// The name under which proxies and backends that are careless about separators confuse it with others.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() }).collect()
}
