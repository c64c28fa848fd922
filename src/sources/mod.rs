//! Session sources, asked in the order of `SESSION_SOURCES`: the first that finds somebody wins.

pub mod assertion;
pub mod bearer;
pub mod forwarded;
pub mod login;
pub mod plan;
pub mod store;
pub mod upstream;

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use http::request::Parts;

use crate::config::env::Env;
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Outage, STRANGERS, Session};
use crate::sources::plan::{Collaborators, Context, Kind, SourceSettings};

/// Every kind of source there is.
pub const KINDS: [&Kind; 6] =
    [&forwarded::KIND, &assertion::KIND, &bearer::KIND, &upstream::KIND, &store::KIND, &login::KIND];

crate::settings! {
    pub vars {
        SESSION_SOURCES("", "forwarded,upstream"),
            "Where the visitor's session is looked up, in this order: forwarded (headers of an auth proxy), assertion (a signed identity header), bearer (access tokens), upstream (the host's own session endpoint), store (the host's tower-sessions record), login (our own login).";
        SESSION_ON_OUTAGE("fail", "next"),
            "What happens when a source cannot be asked: fail answers 503 at once; next asks the following source, and answers 503 only when none finds somebody.";
        SESSION_CROSS_CHECK("false", "true"),
            "Ask every source, and believe only what all of them say: each must find somebody, and the same subject. The first one's word is used, and the session ends with the first of theirs.";
    }
}

/// What an outage in one source means for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// Answer that the session cannot be checked at present.
    Fail,
    /// Ask the next source.
    Next,
}

/// Whose word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rule {
    /// The first source's that finds somebody.
    First(OnOutage),
    #[default]
    /// Everybody's, when they agree.
    All,
}

/// The configured sources in order. The default is none at all.
#[derive(Default)]
pub struct Chain {
    sources: Vec<Arc<dyn Authenticator>>,
    rule: Rule,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Chain {
    /// A chain of these sources.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn Authenticator>>, rule: Rule) -> Self {
        Self { sources, rule }
    }

    /// The source of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Authenticator>> {
        self.sources.iter().find(|source| source.name() == name)
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

    /// The headers that a page itself must send for a source to know its visitor.
    pub fn sent_by_pages(&self) -> impl Iterator<Item = HeaderName> + '_ {
        self.sources.iter().filter_map(|source| source.sent_by_pages())
    }

    /// Lets every source fetch what it can before the first visitor comes.
    ///
    /// # Errors
    /// Every [`Outage`], after all sources had their turn; none when one source may stand in for another.
    pub async fn warm(&self) -> Result<(), Vec<Outage>> {
        let mut outages = Vec::new();
        for source in &self.sources {
            outages.extend(source.warm().await.err());
        }
        let stood_in = self.rule == Rule::First(OnOutage::Next) && outages.len() < self.sources.len();
        if outages.is_empty() || stood_in { Ok(()) } else { Err(outages) }
    }

    /// Who sent this request.
    ///
    /// # Errors
    /// [`Outage`] when a source could not be asked and nobody else may answer for it.
    pub async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        let found = match self.rule {
            Rule::First(on_outage) => self.first(request, on_outage).await,
            Rule::All => self.all(request).await,
        };
        // That one source has nothing to look at is no news as long as another one has.
        if let Ok(Err(nobody)) = &found
            && nobody.is_anonymous()
        {
            tracing::info!(reason = nobody.reason(), "nobody: {nobody}");
        }
        found
    }

    /// As all sources say with one voice. Nobody is the answer where any of them finds nobody, and where they differ.
    async fn all(&self, request: &Parts) -> Result<Found, Outage> {
        let mut agreed: Option<Session> = None;
        for source in &self.sources {
            let found = match ask(source.as_ref(), request).await? {
                Ok(found) => found,
                Err(nobody) => return Ok(Err(nobody)),
            };
            agreed = match agreed {
                None => Some(found),
                Some(first) if first.identity.subject == found.identity.subject => Some(first.ending_with(&found)),
                Some(first) => {
                    let nobody = Nobody::Differ { one: first.source, other: found.source };
                    tracing::warn!(reason = nobody.reason(), "nobody: {nobody}");
                    return Ok(Err(nobody));
                }
            };
        }
        Ok(agreed.ok_or(Nobody::UnknownSession))
    }

    /// As the source that decides about this request says, or else the first source that knows. A source that decides is
    /// the only one asked: nobody with a failing assertion falls back to a plain header (H-10).
    async fn first(&self, request: &Parts, on_outage: OnOutage) -> Result<Found, Outage> {
        if let Some(source) = self.sources.iter().find(|source| source.decides(request)) {
            return ask(source.as_ref(), request).await;
        }
        let (mut outage, mut nobody) = (None, None);
        for source in &self.sources {
            match ask(source.as_ref(), request).await {
                Ok(Ok(session)) => return Ok(Ok(session)),
                Ok(Err(why)) => nobody = Some(more_telling(nobody, why)),
                Err(fault) if on_outage == OnOutage::Fail => return Err(fault),
                Err(fault) => outage = Some(fault),
            }
        }
        outage.map_or(Ok(Err(nobody.unwrap_or(Nobody::UnknownSession))), Err)
    }
}

/// Asks one source, and writes down why it has nobody for a request that carries something.
async fn ask(source: &dyn Authenticator, request: &Parts) -> Result<Found, Outage> {
    let found = source.authenticate(request).await;
    let name = source.name();
    match &found {
        Ok(Err(nobody)) if nobody.is_anonymous() => tracing::debug!(source = name, "nobody: {nobody}"),
        Ok(Err(nobody)) if nobody.is_ordinary() => {
            tracing::info!(source = name, reason = nobody.reason(), "nobody: {nobody}");
        }
        Ok(Err(nobody)) => tracing::warn!(source = name, reason = nobody.reason(), "nobody: {nobody}"),
        Err(outage) if outage.misfit.is_some() => tracing::error!(source = name, "{outage}"),
        Err(outage) if outage.reason == STRANGERS => {
            tracing::warn!(source = name, "one client address brings more unknown sessions than RATE_LIMIT_ADDRESS");
        }
        Ok(Ok(_)) | Err(_) => {}
    }
    found
}

/// Of two reasons the one that says more: a visitor without one cookie and with another that is wrong has a wrong cookie.
fn more_telling(before: Option<Nobody>, now: Nobody) -> Nobody {
    match before {
        Some(before) if !before.is_anonymous() || now.is_anonymous() => before,
        _ => now,
    }
}

/// The sources that are asked, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names, in order.
    pub names: Vec<&'static str>,
    /// Whose word counts.
    pub rule: Rule,
    sources: Vec<(&'static str, Arc<dyn SourceSettings>)>,
}

/// A source that lives already, by the name of its kind.
pub type Living<'a> = &'a dyn Fn(&'static str) -> Option<Arc<dyn Authenticator>>;

/// Under which name a reading keeps what a source was given ([`Env::part`]).
#[must_use]
pub fn part_of(name: &str) -> String {
    format!("source {name}")
}

impl Settings {
    /// Reads which sources are asked, and the settings of each.
    pub fn read(env: &mut Env, context: &Context<'_>) -> Self {
        let (order, rule) = read_order(env);
        let read = |kind: &&'static Kind| {
            let settings = env.part(&part_of(kind.name), |env| (kind.parse)(env, context));
            settings.map(|settings| (kind.name, settings))
        };
        let sources = order.iter().filter_map(read).collect();
        Self { names: order.iter().map(|kind| kind.name).collect(), rule, sources }
    }

    /// Names of the attributes that a session of any of them may carry.
    pub fn attributes(&self) -> impl Iterator<Item = String> + '_ {
        self.sources.iter().flat_map(|(_, settings)| settings.attributes())
    }

    /// Makes the sources that do not live already.
    ///
    /// # Errors
    /// The source, and a sentence about it.
    pub fn build(&self, with: &Collaborators<'_>, living: Living<'_>) -> Result<Chain, (&'static str, String)> {
        let make = |(name, settings): &(&'static str, Arc<dyn SourceSettings>)| match living(name) {
            Some(source) => Ok(source),
            None => settings.build(with).map_err(|problem| (*name, problem)),
        };
        let sources: Result<Vec<_>, _> = self.sources.iter().map(make).collect();
        Ok(Chain::new(sources?, self.rule))
    }
}

fn read_order(env: &mut Env) -> (Vec<&'static Kind>, Rule) {
    let words: Vec<String> = env.list(&SESSION_SOURCES);
    let known = KINDS.map(|kind| kind.name);
    let mut order: Vec<&'static Kind> = Vec::new();
    if words.is_empty() {
        env.mistake_in(
            &SESSION_SOURCES,
            &format!("is required: where to look up the visitor's session ({})", known.join(", ")),
        );
    }
    for word in &words {
        match KINDS.iter().find(|kind| kind.name == word) {
            Some(kind) if order.iter().any(|other| other.name == kind.name) => {
                env.mistake_in(&SESSION_SOURCES, &format!("names {word} twice"));
            }
            Some(kind) => order.push(kind),
            None => env.mistake_in(&SESSION_SOURCES, &format!("`{word}` is none of {}", known.join(", "))),
        }
    }
    let on_outage = env.choice(&SESSION_ON_OUTAGE, &[("fail", OnOutage::Fail), ("next", OnOutage::Next)]);
    let on_outage = on_outage.unwrap_or(OnOutage::Fail);
    if !env.flag(&SESSION_CROSS_CHECK) {
        return (order, Rule::First(on_outage));
    }
    if order.len() < 2 {
        env.mistake_in(&SESSION_CROSS_CHECK, "needs two sources in SESSION_SOURCES");
    }
    if on_outage == OnOutage::Next {
        env.mistake_in(&SESSION_ON_OUTAGE, "cannot be next with SESSION_CROSS_CHECK: every source must be asked");
    }
    (order, Rule::All)
}
