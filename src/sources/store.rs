//! The host application's own session record, where the host keeps its sessions with `tower-sessions`: found by the host's
//! cookie, read, and never written.

pub mod cookie;
pub mod host;

use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use serde_json::Value;
use tower_sessions::session::Id;

use crate::base::clock::{Clock, UnixTime};
use crate::config::env::Env;
use crate::net::cookies;
use crate::net::field::is_token;
use crate::session::mapping::Mapping;
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Outage, Session, Unfound, answer};
use crate::sources::plan::{Collaborators, Kind, SourceSettings, shared};
use crate::sources::store::cookie::Seal;
use crate::sources::store::host::{Host, Layout};
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "store";

/// This kind of source.
pub const KIND: Kind = Kind {
    name: NAME,
    title: "Source `store`: the host's tower-sessions record",
    vars: VARS,
    parse: |env, _| shared(Settings::read(env)),
};

impl SourceSettings for Settings {
    fn attributes(&self) -> Vec<String> {
        self.mapping.attributes()
    }

    fn build(&self, with: &Collaborators<'_>) -> Result<Arc<dyn Authenticator>, String> {
        Ok(Arc::new(HostStore::new(self.clone(), with.clock.clone())))
    }
}

crate::mapping! { pub of "STORE" {
    subject("/user/id", "/account"),
        "JSON pointer into the session's data: the visitor's stable id.";
    name("/user/name", "/display_name");
    email("/user/email", "/mail");
    email_verified("/user/email_verified", "none");
    groups("/user/groups", "/user/roles");
    locale("/user/locale", "none");
    expires("", "/expires_at"),
        "JSON pointer to an end of the session that is earlier than the record's own.";
    auth_time("", "/user/logged_in_at"),
        "JSON pointer to when the visitor logged in.";
    attributes("", "plan=/account/plan"),
        "Further values to read, as name=/pointer: `attributes.name` in claim templates.";
} }

crate::settings! {
    pub vars VARS + MAPPING_VARS {
        STORE_URL(secret "postgres://reader@db.example.org/app"),
            "Where the host application keeps its tower-sessions records: sqlite:/path, postgres://user@host/database, redis://host or rediss://host. A user that may only read is enough.";
        STORE_PASSWORD(secret),
            "Password of the host's session store. Best given as STORE_PASSWORD_FILE.";
        STORE_TABLE("", "app.sessions"),
            "Table of the host's sessions (schema.table in PostgreSQL), when it is not the published stores' own: tower_sessions in SQLite, tower_sessions.session in PostgreSQL.";
        STORE_PREFIX("", "app:session:"),
            "What the host's session keys start with, where the store is Redis.";
        STORE_COOKIE("id", "app_session"),
            "Name of the host's session cookie.";
        STORE_COOKIE_KIND("plain", "signed"),
            "How the host writes its cookie: plain, signed (with_signed) or private (with_private).";
        STORE_COOKIE_KEY(secret),
            "The host's cookie key for signed and private cookies: at least 64 bytes, in base64.";
    }
}

/// Where the host's sessions are, and what stands in them.
#[derive(Debug, Clone)]
pub struct Settings {
    layout: Layout,
    cookie: String,
    seal: Seal,
    mapping: Mapping,
}

/// The source.
#[derive(Debug)]
pub struct HostStore {
    host: Host,
    cookie: String,
    seal: Seal,
    mapping: Mapping,
    clock: Clock,
}

impl Settings {
    /// Reads where the host's sessions are and what stands in them; `None` after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        if !env.is_set(&STORE_URL) {
            env.mistake_in(&STORE_URL, "is required for the source store: where the host keeps its sessions");
        }
        let layout = Layout::read(env, &STORE_URL, &STORE_PASSWORD, &STORE_TABLE, &STORE_PREFIX);
        Self::over(env, layout)
    }

    /// The same over a given store: for a host that runs in the same process.
    pub fn over(env: &mut Env, layout: Option<Layout>) -> Option<Self> {
        let seal = Seal::read(env, &STORE_COOKIE_KIND, &STORE_COOKIE_KEY);
        let mapping = Mapping::read(env, &MAPPING);
        let cookie = env.text(&STORE_COOKIE);
        if cookie.as_ref().is_some_and(|name| !is_token(name.as_bytes())) {
            env.mistake_in(&STORE_COOKIE, "is not a cookie's name");
        }
        Some(Self { layout: layout?, cookie: cookie?, seal: seal?, mapping })
    }
}

impl HostStore {
    /// A source over this store. Nothing is opened yet.
    #[must_use]
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let Settings { layout, cookie, seal, mapping } = settings;
        Self { host: Host::new(layout), cookie, seal, mapping, clock }
    }

    fn id(&self, request: &Parts) -> Result<Id, Nobody> {
        let value = cookies::one(&request.headers, &self.cookie).ok_or_else(|| Nobody::no_cookie(&self.cookie))?;
        let value = std::str::from_utf8(value).unwrap_or_default();
        let id = self.seal.open(&self.cookie, value).and_then(|id| id.parse().ok());
        id.ok_or_else(|| Nobody::BadCookie(self.cookie.clone()))
    }

    async fn session(&self, request: &Parts) -> Result<Session, Unfound> {
        let id = self.id(request)?;
        let record = self.host.load(&id).await.map_err(outage)?.ok_or(Nobody::UnknownSession)?;
        let end = UnixTime(u64::try_from(record.expiry_date.unix_timestamp()).unwrap_or_default());
        if record.id != id || self.clock.now() >= end {
            return Err(Nobody::Expired.into());
        }
        let data = Value::Object(record.data.into_iter().collect());
        let mapped = self.mapping.apply(&data).map_err(|unmapped| unmapped.of(NAME))?;
        Ok(Session {
            identity: mapped.identity,
            source: NAME,
            expires_at: Some(mapped.expires_at.map_or(end, |own| own.min(end))),
            authenticated_at: mapped.authenticated_at,
        })
    }
}

#[async_trait]
impl Authenticator for HostStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn guarded(&self) -> Guarded {
        Guarded { cookies: vec![self.cookie.clone()], ..Guarded::default() }
    }

    async fn warm(&self) -> Result<(), Outage> {
        self.host.ping().await.map_err(outage)
    }

    async fn authenticate(&self, request: &Parts) -> Result<Found, Outage> {
        answer(self.session(request).await)
    }
}

fn outage(down: Down) -> Outage {
    Outage::of(NAME, down.reason(), None)
}
