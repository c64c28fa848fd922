//! A session somebody vouched for, and the three answers a session source can give.

pub mod identity;
pub mod mapping;
pub mod nobody;

use std::time::Duration;

use async_trait::async_trait;
use http::HeaderName;
use http::request::Parts;

use crate::base::clock::UnixTime;
use crate::session::identity::Identity;

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

/// The source could not be asked. Never to be read as "logged out": that would log people out when a server hiccups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name} could not be asked: {reason}")]
pub struct Outage {
    /// Which source.
    pub source_name: &'static str,
    /// What went wrong, in our words: no text of the other side, no identity, no secret.
    pub reason: &'static str,
    /// When to try again, if the other side said.
    pub retry_after: Option<Duration>,
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

    /// Whether whoever must be asked is being left alone at present, because asking kept failing.
    fn is_resting(&self) -> bool {
        false
    }

    /// Who sent this request: `Some` is somebody, `None` is nobody, `Err` means it could not be found out.
    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage>;
}
