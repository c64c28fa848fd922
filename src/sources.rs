//! Session sources, asked in the order of `SESSION_SOURCES`: the first that finds somebody wins.

pub mod assertion;
pub mod bearer;
pub mod forwarded;
pub mod own;
pub mod store;
pub mod upstream;

use std::fmt;

use http::request::Parts;

use crate::env::{Env, Var};
use crate::session::{Authenticator, Guarded, Outage, Session};

/// Which sources, in which order.
pub const SESSION_SOURCES: Var = Var::new(
    "SESSION_SOURCES",
    "",
    "forwarded,upstream",
    "Where the visitor's session is looked up, in this order: forwarded (headers of an auth proxy), assertion (a signed identity header), bearer (access tokens), upstream (the host's own session endpoint), store (the host's tower-sessions record), login (our own login).",
);
/// What an outage in one source means for the next.
pub const SESSION_ON_OUTAGE: Var = Var::new(
    "SESSION_ON_OUTAGE",
    "fail",
    "next",
    "What happens when a source cannot be asked: fail answers 503 at once; next asks the following source, and answers 503 only when none finds somebody.",
);

/// What an outage in one source means for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// Answer that the session cannot be checked at present.
    Fail,
    /// Ask the next source.
    Next,
}

/// The configured sources in order.
pub struct Chain {
    sources: Vec<Box<dyn Authenticator>>,
    on_outage: OnOutage,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Chain {
    /// A chain of these sources.
    #[must_use]
    pub fn new(sources: Vec<Box<dyn Authenticator>>, on_outage: OnOutage) -> Self {
        Self { sources, on_outage }
    }

    /// Names of the sources, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.sources.iter().map(|source| source.name())
    }

    /// Each source with whether it is being left alone at present.
    pub fn health(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        self.sources.iter().map(|source| (source.name(), source.is_resting()))
    }

    /// Everything of a request that any source relies on.
    #[must_use]
    pub fn guarded(&self) -> Guarded {
        let mut all = Guarded::default();
        for guarded in self.sources.iter().map(|source| source.guarded()) {
            all.headers.extend(guarded.headers);
            all.scalars.extend(guarded.scalars);
            all.cookies.extend(guarded.cookies);
        }
        all
    }

    /// Lets every source fetch what it can before the first visitor comes.
    ///
    /// # Errors
    /// [`Outage`], the first one, after all sources had their turn.
    pub async fn warm(&self) -> Result<(), Outage> {
        let mut warmed = Ok(());
        for source in &self.sources {
            warmed = warmed.and(source.warm().await);
        }
        warmed
    }

    /// Who sent this request, as the source that decides about it says, or else the first source that knows. A source that
    /// decides is the only one asked: nobody with a failing assertion falls back to a plain header (H-10).
    ///
    /// # Errors
    /// [`Outage`] when a source could not be asked and nobody else may answer for it.
    pub async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        if let Some(source) = self.sources.iter().find(|source| source.decides(request)) {
            return source.authenticate(request).await;
        }
        let mut outage = None;
        for source in &self.sources {
            match source.authenticate(request).await {
                Ok(Some(session)) => return Ok(Some(session)),
                Ok(None) => {}
                Err(fault) if self.on_outage == OnOutage::Fail => return Err(fault),
                Err(fault) => outage = Some(fault),
            }
        }
        outage.map_or(Ok(None), Err)
    }
}

/// Reads the order; the sources themselves are read by name.
pub fn read_order(env: &mut Env, known: &[&'static str]) -> (Vec<&'static str>, OnOutage) {
    let words: Vec<String> = env.list(&SESSION_SOURCES);
    let mut order = Vec::new();
    if words.is_empty() {
        env.mistake_in(
            &SESSION_SOURCES,
            &format!("is required: where to look up the visitor's session ({})", known.join(", ")),
        );
    }
    for word in &words {
        match known.iter().find(|name| *name == word) {
            Some(name) if order.contains(name) => env.mistake_in(&SESSION_SOURCES, &format!("names {name} twice")),
            Some(name) => order.push(*name),
            None => env.mistake_in(&SESSION_SOURCES, &format!("`{word}` is none of {}", known.join(", "))),
        }
    }
    let on_outage = env.choice(&SESSION_ON_OUTAGE, &[("fail", OnOutage::Fail), ("next", OnOutage::Next)]);
    (order, on_outage.unwrap_or(OnOutage::Fail))
}
