//! Our own login's session: who logged in here.

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;

use crate::login;
use crate::login::sessions::LoginSessions;
use crate::session::{Authenticator, Found, Guarded, Outage, Session};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "login";

/// Beside the login's own settings: names of the attributes that its sessions may carry.
#[derive(Debug)]
struct Settings(Vec<String>);

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `login`: our own login",
    vars: login::Settings::VARS,
    parse: |_, context| shared(context.login.map(|login| Settings(login.attributes()))),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.0.clone()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        let sessions = with.login.ok_or("there is no login of our own")?;
        Ok(Arc::new(LoginSource::new(sessions.clone())))
    }
}

/// The source.
#[derive(Debug)]
pub struct LoginSource {
    sessions: LoginSessions,
}

impl LoginSource {
    /// The sessions of our own login.
    #[must_use]
    pub fn new(sessions: LoginSessions) -> Self {
        Self { sessions }
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

    fn is_resting(&self) -> bool {
        self.sessions.store().is_resting()
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.sessions.store().ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        let found = self.sessions.find(&request.headers).await.map_err(outage)?;
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
