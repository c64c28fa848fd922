//! Our own login's session: who logged in here.

use async_trait::async_trait;
use http::request::Parts;

use crate::session::{Authenticator, Guarded, Outage, Session};
use crate::state::Down;
use crate::visits::Visits;

/// Name of this source.
pub const NAME: &str = "login";

/// The source.
#[derive(Debug)]
pub struct Own(Visits);

impl Own {
    /// The visits of our own login.
    #[must_use]
    pub fn new(visits: Visits) -> Self {
        Self(visits)
    }
}

#[async_trait]
impl Authenticator for Own {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: vec![self.0.cookie().name().to_owned()], ..Guarded::default() }
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.0.store().ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        let found = self.0.find(&request.headers).await.map_err(outage)?;
        Ok(found.map(|found| Session {
            identity: found.visit.identity,
            source: NAME,
            expires_at: Some(found.expires_at),
            authenticated_at: Some(found.visit.authenticated_at),
        }))
    }
}

fn outage(down: Down) -> Outage {
    Outage { source_name: NAME, reason: down.reason(), retry_after: None }
}
