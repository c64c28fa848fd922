//! Our own login's session: who logged in here.

use std::fmt;

use async_trait::async_trait;
use http::request::Parts;

use crate::login::sessions::{LoginSession, LoginSessions};
use crate::session::{Authenticator, Guarded, Outage, Session};
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "login";

/// Whether a visit still stands on what it began with, such as an account that is open.
pub type StillValid = Box<dyn Fn(&LoginSession) -> bool + Send + Sync>;

/// The source.
pub struct LoginSource {
    sessions: LoginSessions,
    still_valid: StillValid,
}

impl fmt::Debug for LoginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoginSource").field(&self.sessions).finish_non_exhaustive()
    }
}

impl LoginSource {
    /// The visits of our own login that still stand.
    #[must_use]
    pub fn new(sessions: LoginSessions, still_valid: StillValid) -> Self {
        Self { sessions, still_valid }
    }
}

#[async_trait]
impl Authenticator for LoginSource {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: vec![self.sessions.cookie().name().to_owned()], ..Guarded::default() }
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.sessions.store().ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        let found = self
            .sessions
            .find(&request.headers)
            .await
            .map_err(outage)?
            .filter(|found| (self.still_valid)(&found.session));
        Ok(found.map(|found| Session {
            identity: found.session.identity,
            source: NAME,
            expires_at: Some(found.expires_at),
            authenticated_at: Some(found.session.authenticated_at),
        }))
    }
}

fn outage(down: Down) -> Outage {
    Outage { source_name: NAME, reason: down.reason(), retry_after: None }
}
