//! A session somebody vouched for, and the three answers a session source can give.

pub mod identity;
pub mod mapping;
pub mod nobody;
pub mod renewed;

use std::time::Duration;

use async_trait::async_trait;
use http::HeaderName;
use http::request::Parts;

use crate::base::clock::UnixTime;
use crate::session::identity::Identity;
use crate::session::nobody::Nobody;

/// Somebody, vouched for by a source until `expires_at`.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Who it is.
    pub identity: Identity,
    /// Name of the source that vouched, for the audit log and for templates.
    pub source: &'static str,
    /// When the host's session ends; `None` when the source cannot know.
    pub expires_at: Option<UnixTime>,
    /// When the visitor proved who they are; `None` when the source cannot know.
    pub authenticated_at: Option<UnixTime>,
}

impl Session {
    /// A session of which nothing is known but whose it is.
    #[must_use]
    pub fn of(identity: Identity, source: &'static str) -> Self {
        Self { identity, source, expires_at: None, authenticated_at: None }
    }

    /// Whether the host's session still runs at `now`. A session that ends this very second has ended.
    #[must_use]
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// The same, ending no later than another.
    #[must_use]
    pub fn ending_with(self, other: &Self) -> Self {
        let ends = [self.expires_at, other.expires_at].into_iter().flatten();
        Self { expires_at: ends.min(), ..self }
    }
}

/// Why a source was not asked: too many credentials that nobody knows come from the visitor's address.
pub const STRANGERS: &str = "strangers";

/// It could not be found out who sent a request. Never to be read as "logged out": that would log people out when a server
/// hiccups, or when a setting does not fit what a proxy sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("session source {source_name}: {}", self.what())]
pub struct Outage {
    /// Which source.
    pub source_name: &'static str,
    /// What went wrong, in our words: no text of the other side, no identity, no secret.
    pub reason: &'static str,
    /// When to try again, if the other side said.
    pub retry_after: Option<Duration>,
    /// The setting that does not fit, where that is why.
    pub misfit: Option<Misfit>,
}

/// A setting that does not fit what comes in: the operator's to mend, and no visitor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct Misfit {
    /// The setting.
    pub setting: &'static str,
    /// What does not fit, to be read after the setting's name. Holds nothing of what came in.
    pub problem: &'static str,
}

impl Outage {
    /// The source could not be asked.
    #[must_use]
    pub fn of(source_name: &'static str, reason: &'static str, retry_after: Option<Duration>) -> Self {
        Self { source_name, reason, retry_after, misfit: None }
    }

    /// What the source was told cannot be read as it is configured.
    #[must_use]
    pub fn misconfigured(source_name: &'static str, misfit: Misfit) -> Self {
        Self { source_name, reason: "source_misconfigured", retry_after: None, misfit: Some(misfit) }
    }

    fn what(&self) -> String {
        self.misfit.map_or_else(|| format!("could not be asked: {}", self.reason), |misfit| misfit.to_string())
    }
}

/// Somebody, or nobody and why.
pub type Found = Result<Session, Nobody>;

/// Why a source has no session, on its way out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfound {
    /// There is none.
    Nobody(Nobody),
    /// It could not be found out.
    Outage(Outage),
}

impl From<Nobody> for Unfound {
    fn from(nobody: Nobody) -> Self {
        Self::Nobody(nobody)
    }
}

impl From<Outage> for Unfound {
    fn from(outage: Outage) -> Self {
        Self::Outage(outage)
    }
}

/// A source's answer.
///
/// # Errors
/// [`Outage`].
pub fn answer(found: Result<Session, Unfound>) -> Result<Found, Outage> {
    match found {
        Ok(session) => Ok(Ok(session)),
        Err(Unfound::Nobody(nobody)) => Ok(Err(nobody)),
        Err(Unfound::Outage(outage)) => Err(outage),
    }
}

/// What of a request a source relies on, so that the front can refuse requests that try to confuse it before any source
/// sees them.
#[derive(Debug, Clone, Default)]
pub struct Guarded {
    /// Headers that carry identity or proof; at most one instance of each, no aliases, not hop-by-hop.
    pub headers: Vec<HeaderName>,
    /// Those of them that hold one value, never a list: a comma in one of these means that two were joined (H-7).
    pub scalars: Vec<HeaderName>,
    /// Cookies that carry a session; at most one of each name.
    pub cookies: Vec<String>,
}

/// A way to learn who the visitor of a request is.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Name of this source, as it stands in `SESSION_SOURCES`.
    fn name(&self) -> &'static str;

    /// What of a request this source relies on.
    fn guarded(&self) -> Guarded;

    /// Whether this request is for this source to decide, because it carries a credential that this source alone can judge,
    /// such as a signed assertion or an access token, good or bad. The answer of such a source is final: a visitor whose
    /// credential fails is nobody, even if another source would take a weaker word for who they are (H-10). A cookie does
    /// not decide: an old one means nothing.
    fn decides(&self, request: &Parts) -> bool {
        let _ = request;
        false
    }

    /// The header that a page itself must send for this source to know its visitor; `None` where a proxy or the browser
    /// sends what is needed.
    fn sent_by_pages(&self) -> Option<HeaderName> {
        None
    }

    /// Fetches what can be fetched before the first visitor comes, such as keys.
    async fn warm(&self) -> Result<(), Outage> {
        Ok(())
    }

    /// Whether the circuit breaker is open.
    fn is_resting(&self) -> bool {
        false
    }

    /// Who sent this request: somebody, or nobody and why; `Err` means that it could not be found out.
    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage>;
}
