//! Which page sent a form or a `fetch()` that changes something (S-4, and the rules of the token route for navigations).

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::net::origin::Origin;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The pages that may end a session: our own origin's, and those that may fetch tokens.
#[derive(Debug, Clone)]
pub struct Senders {
    own: Origin,
    listed: Vec<Origin>,
}

/// Whose page sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// One of our own origin.
    Own,
    /// One of another origin that is listed.
    Listed(HeaderValue),
    /// Anybody else's, or nobody says whose.
    Foreign,
}

impl Senders {
    /// Pages of these origins.
    #[must_use]
    pub fn new(own: Origin, listed: Vec<Origin>) -> Self {
        Self { own, listed }
    }

    /// Pages of these origins, too.
    pub fn add(&mut self, origins: impl Iterator<Item = Origin>) {
        for origin in origins {
            if !self.listed.contains(&origin) {
                self.listed.push(origin);
            }
        }
    }

    /// Whose page sent this. What the browser says itself (`Sec-Fetch-Site`) counts first; a browser that says nothing of
    /// the kind is asked for the exact `Origin`. When neither is there, it is a stranger.
    #[must_use]
    pub fn sender(&self, headers: &HeaderMap) -> Sender {
        let (Ok(site), Ok(origin)) = (one(headers, &SEC_FETCH_SITE), one(headers, &ORIGIN)) else {
            return Sender::Foreign;
        };
        let listed = || {
            let origin = origin.filter(|sent| self.listed.iter().any(|known| known.is(sent.as_bytes())));
            origin.map_or(Sender::Foreign, |sent| Sender::Listed(sent.clone()))
        };
        match site.map(HeaderValue::as_bytes) {
            Some(b"same-origin") => Sender::Own,
            Some(b"same-site" | b"cross-site") => listed(),
            Some(b"none") => Sender::Foreign,
            _ if origin.is_some_and(|sent| self.own.is(sent.as_bytes())) => Sender::Own,
            _ => listed(),
        }
    }

    /// The origin of this text, if a page of it may be told that somebody logged in.
    #[must_use]
    pub fn known(&self, text: &str) -> Option<&Origin> {
        std::iter::once(&self.own).chain(&self.listed).find(|origin| origin.is(text.as_bytes()))
    }

    /// Our own origin.
    #[must_use]
    pub fn own(&self) -> &Origin {
        &self.own
    }
}

/// Two values are no browser's doing.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}
