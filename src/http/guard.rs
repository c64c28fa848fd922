//! What no request may carry, whatever it asks for: attempts to make us read another header than the proxy wrote.
//!
//! Every bypass of a header-stripping proxy was a second spelling, a second instance, or a header that
//! travels in another place. All of them are refused before any source looks at the request.

use http::header::{CONNECTION, TRAILER};
use http::{HeaderMap, HeaderName};

use crate::base::byte_set::ByteSet;
use crate::net::{cookies, field};
use crate::session::Guarded;

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

/// Why a request is refused, and for which of the guarded names. Nothing else of the request is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderAttack {
    /// Another spelling of a guarded name (H-3).
    #[error("a header is another spelling of {0}")]
    Alias(HeaderName),
    /// Two instances of a guarded header, or a list where one value belongs (H-7).
    #[error("{0} is there twice, or holds a list where one value belongs")]
    Duplicate(HeaderName),
    /// A guarded name announced as a trailer (H-4).
    #[error("Trailer names {0}")]
    Trailer(HeaderName),
    /// A guarded name listed as hop-by-hop (H-5).
    #[error("Connection names {0}")]
    Connection(HeaderName),
    /// Two cookies of one guarded name with different values (CK-3).
    #[error("the cookie {0} is there with different values: one is of another path, of the parent domain, or planted")]
    Cookie(String),
}

impl HeaderAttack {
    /// The word for it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Alias(_) => "header_alias",
            Self::Duplicate(_) => "header_duplicate",
            Self::Trailer(_) => "header_trailer",
            Self::Connection(_) => "header_connection",
            Self::Cookie(_) => "cookie_duplicate",
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

    /// The guarded headers, each as [`fold`] writes it.
    pub fn folded(&self) -> impl Iterator<Item = String> + '_ {
        self.headers.iter().map(|named| named.folded.clone())
    }

    /// Looks at the headers of a request.
    ///
    /// # Errors
    /// The first [`HeaderAttack`] found.
    pub fn inspect(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        self.check_aliases(headers)?;
        self.check_instances(headers)?;
        self.check_list(headers, &CONNECTION, HeaderAttack::Connection)?;
        self.check_list(headers, &TRAILER, HeaderAttack::Trailer)?;
        self.check_cookies(headers)
    }

    fn check_aliases(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        const PLAIN: ByteSet = ByteSet::alphanumeric_and(b"-");
        let suspect = |name: &&HeaderName| self.folds_plain || !PLAIN.has_all_of(name.as_str().as_bytes());
        let found = headers.keys().filter(suspect).find_map(|name| self.alias_of(name));
        found.map_or(Ok(()), |known| Err(HeaderAttack::Alias(known.clone())))
    }

    /// The guarded name that this is another spelling of.
    fn alias_of(&self, name: &HeaderName) -> Option<&HeaderName> {
        let folded = fold(name.as_str());
        let same_fold = || self.headers.iter().filter(|named| named.folded == folded);
        let first = same_fold().next()?;
        same_fold().all(|named| named.name != name).then_some(&first.name)
    }

    fn check_instances(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        // As many values as names: nothing is there twice, whatever it is called.
        let repeated = headers.len() != headers.keys_len();
        let is_twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
        let twice = repeated.then(|| self.headers.iter().map(|named| &named.name).find(is_twice)).flatten();
        let is_list = |name: &&HeaderName| headers.get(*name).is_some_and(|value| value.as_bytes().contains(&b','));
        let found = twice.or_else(|| self.scalars.iter().find(is_list));
        found.map_or(Ok(()), |name| Err(HeaderAttack::Duplicate(name.clone())))
    }

    fn check_list(
        &self,
        headers: &HeaderMap,
        list: &HeaderName,
        attack: fn(HeaderName) -> HeaderAttack,
    ) -> Result<(), HeaderAttack> {
        if self.headers.is_empty() {
            return Ok(());
        }
        let mut items = headers.get_all(list).iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
        let found = items.find_map(|item| self.named_by(item));
        found.map_or(Ok(()), |name| Err(attack(name.clone())))
    }

    fn named_by(&self, item: &[u8]) -> Option<&HeaderName> {
        let item = field::trim(item);
        // `close` and `keep-alive` are what nearly every request says here.
        if item.eq_ignore_ascii_case(b"close") || item.eq_ignore_ascii_case(b"keep-alive") {
            return None;
        }
        let folded = fold(&String::from_utf8_lossy(item));
        self.headers.iter().find(|named| named.folded == folded).map(|named| &named.name)
    }

    fn check_cookies(&self, headers: &HeaderMap) -> Result<(), HeaderAttack> {
        let contradicted = self.cookies.iter().find(|name| match name.strip_suffix('*') {
            // A cookie in pieces: none of them may be there in two forms. Named as it is configured: what stands after the
            // stem is the visitor's.
            Some(stem) => cookies::pairs(headers)
                .filter(|(piece, _)| piece.starts_with(stem))
                .any(|(piece, _)| cookies::is_contradicted(headers, piece)),
            None => cookies::is_contradicted(headers, name),
        });
        contradicted.map_or(Ok(()), |name| Err(HeaderAttack::Cookie(name.clone())))
    }
}

/// The name under which proxies and backends that are careless about separators confuse it with others.
#[must_use]
pub fn fold(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() }).collect()
}
