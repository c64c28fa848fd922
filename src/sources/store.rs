//! The host application's own session record, where the host keeps its sessions with `tower-sessions`: found by the host's
//! cookie, read, and never written.

pub mod cookie;
pub mod host;

use async_trait::async_trait;
use http::request::Parts;
use serde_json::Value;
use tower_sessions::session::Id;

use crate::base::clock::{Clock, UnixTime};
use crate::config::env::{Env, Var};
use crate::net::cookies;
use crate::net::field::is_token;
use crate::session::mapping::{Mapping, MappingVars};
use crate::session::nobody::Nobody;
use crate::session::{Authenticator, Found, Guarded, Outage, Session, Unfound, answer};
use crate::sources::store::cookie::Seal;
use crate::sources::store::host::Host;
use crate::store::Down;

/// Name of this source.
pub const NAME: &str = "store";

/// Where the host's sessions are.
pub const STORE_URL: Var = Var {
    example: "postgres://reader@db.example.org/app",
    ..Var::secret(
        "STORE_URL",
        "Where the host application keeps its tower-sessions records: sqlite:/path, postgres://user@host/database, redis://host or rediss://host. A user that may only read is enough.",
    )
};
/// Its password.
pub const STORE_PASSWORD: Var =
    Var::secret("STORE_PASSWORD", "Password of the host's session store. Best given as STORE_PASSWORD_FILE.");
const TABLE: Var = Var::new(
    "STORE_TABLE",
    "",
    "app.sessions",
    "Table of the host's sessions (schema.table in PostgreSQL), when it is not the published stores' own: tower_sessions in SQLite, tower_sessions.session in PostgreSQL.",
);
const PREFIX: Var =
    Var::new("STORE_PREFIX", "", "app:session:", "What the host's session keys start with, where the store is Redis.");
const COOKIE: Var = Var::new("STORE_COOKIE", "id", "app_session", "Name of the host's session cookie.");
const COOKIE_KIND: Var = Var::new(
    "STORE_COOKIE_KIND",
    "plain",
    "signed",
    "How the host writes its cookie: plain, signed (with_signed) or private (with_private).",
);
const COOKIE_KEY: Var = Var::secret(
    "STORE_COOKIE_KEY",
    "The host's cookie key for signed and private cookies: at least 64 bytes, in base64.",
);
const SUBJECT: Var =
    Var::new("STORE_SUBJECT", "/user/id", "/account", "JSON pointer into the session's data: the visitor's stable id.");
const DISPLAY: Var = Var::new("STORE_NAME", "/user/name", "/display_name", "JSON pointer to the display name.");
const EMAIL: Var = Var::new("STORE_EMAIL", "/user/email", "/mail", "JSON pointer to the e-mail address.");
const EMAIL_VERIFIED: Var = Var::new(
    "STORE_EMAIL_VERIFIED",
    "/user/email_verified",
    "none",
    "JSON pointer to whether the address is verified.",
);
const GROUPS: Var = Var::new("STORE_GROUPS", "/user/groups", "/user/roles", "JSON pointer to the groups.");
const LOCALE: Var = Var::new("STORE_LOCALE", "/user/locale", "none", "JSON pointer to the language tag.");
const EXPIRES: Var = Var::new(
    "STORE_EXPIRES",
    "",
    "/expires_at",
    "JSON pointer to an end of the session that is earlier than the record's own.",
);
const AUTH_TIME: Var =
    Var::new("STORE_AUTH_TIME", "", "/user/logged_in_at", "JSON pointer to when the visitor logged in.");
const ATTRIBUTES: Var = Var::new(
    "STORE_ATTRIBUTES",
    "",
    "plan=/account/plan",
    "Further values to read, as name=/pointer: `attributes.name` in claim templates.",
);

const MAPPING: MappingVars = MappingVars {
    subject: &SUBJECT,
    name: &DISPLAY,
    email: &EMAIL,
    email_verified: &EMAIL_VERIFIED,
    groups: &GROUPS,
    locale: &LOCALE,
    expires: &EXPIRES,
    auth_time: &AUTH_TIME,
    attributes: &ATTRIBUTES,
};

/// The source.
#[derive(Debug)]
pub struct HostStore {
    host: Host,
    cookie: String,
    seal: Seal,
    mapping: Mapping,
    clock: Clock,
}

impl HostStore {
    /// The settings of this room.
    pub const VARS: &[&Var] = &[
        &STORE_URL,
        &STORE_PASSWORD,
        &TABLE,
        &PREFIX,
        &COOKIE,
        &COOKIE_KIND,
        &COOKIE_KEY,
        &SUBJECT,
        &DISPLAY,
        &EMAIL,
        &EMAIL_VERIFIED,
        &GROUPS,
        &LOCALE,
        &EXPIRES,
        &AUTH_TIME,
        &ATTRIBUTES,
    ];

    /// Reads where the host's sessions are and what stands in them; `None` after naming what is wrong.
    pub fn read(env: &mut Env, clock: &Clock) -> Option<Self> {
        if !env.is_set(&STORE_URL) {
            env.mistake_in(&STORE_URL, "is required for the source store: where the host keeps its sessions");
        }
        let host = Host::read(env, &STORE_URL, &STORE_PASSWORD, &TABLE, &PREFIX);
        Self::over(env, clock, host)
    }

    /// The same over a given store: for a host that runs in the same process.
    pub fn over(env: &mut Env, clock: &Clock, host: Option<Host>) -> Option<Self> {
        let seal = Seal::read(env, &COOKIE_KIND, &COOKIE_KEY);
        let mapping = Mapping::read(env, &MAPPING);
        let cookie = env.text(&COOKIE);
        if cookie.as_ref().is_some_and(|name| !is_token(name.as_bytes())) {
            env.mistake_in(&COOKIE, "is not a cookie's name");
        }
        Some(Self { host: host?, cookie: cookie?, seal: seal?, mapping, clock: clock.clone() })
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
