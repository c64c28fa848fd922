//! Our own login's session: who logged in here.

use async_trait::async_trait;
use http::request::Parts;

use crate::login::sessions::LoginSessions;
use crate::session::{Authenticator, Found, Guarded, Outage, Session};
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "login";

/// The source.
#[derive(Debug)]
pub struct LoginSource(LoginSessions);

impl LoginSource {
    /// The sessions of our own login.
    #[must_use]
    pub fn new(sessions: LoginSessions) -> Self {
        Self(sessions)
    }
}

#[async_trait]
impl Authenticator for LoginSource {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: vec![self.0.cookie().name().to_owned()], ..Guarded::default() }
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.0.store().ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        let found = self.0.find(&request.headers).await.map_err(outage)?;
        Ok(found.map(|found| Session {
            identity: found.session.identity,
            source: NAME,
            expires_at: Some(found.expires_at),
            authenticated_at: Some(found.session.authenticated_at),
        }))
    }
}

fn outage(down: Down) -> Outage {
    Outage::of(NAME, down.reason(), None)
}
