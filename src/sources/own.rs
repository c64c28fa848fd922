//! Our own login's session: who logged in here.

use std::fmt;

use async_trait::async_trait;
use http::request::Parts;

use crate::login::sessions::{Visit, Visits};
use crate::session::{Authenticator, Guarded, Outage, Session};
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "login";

/// Whether a visit still stands on what it began with, such as an account that is open.
pub type Stands = Box<dyn Fn(&Visit) -> bool + Send + Sync>;

/// The source.
pub struct Own {
    visits: Visits,
    stands: Stands,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Own").field(&self.visits).finish_non_exhaustive()
    }
}

impl Own {
    /// The visits of our own login that still stand.
    #[must_use]
    pub fn new(visits: Visits, stands: Stands) -> Self {
        Self { visits, stands }
    }
}

#[async_trait]
impl Authenticator for Own {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: vec![self.visits.cookie().name().to_owned()], ..Guarded::default() }
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.visits.store().ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Session>, Outage> {
        let found =
            self.visits.find(&request.headers).await.map_err(outage)?.filter(|found| (self.stands)(&found.visit));
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
