//! The sessions of our own login: the one typed door onto the store's records.
//!
//! A visit begins at a login, under an id that is always new, and ends at the first of: a logout, a while without a
//! request, its longest duration, the end that the identity provider set. The browser holds the id and nothing else; what
//! is known of the visitor stays here.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_sessions::session::Id;

use crate::base::clock::{Clock, UnixTime};
use crate::config::env::{Env, Var};
use crate::net::cookies::{OwnCookie, SameSite};
use crate::session::identity::{Identity, Subject};
use crate::store::{Down, Key, Store, Tags};

/// The cookie's name.
pub const LOGIN_COOKIE: Var = Var::new(
    "LOGIN_COOKIE",
    "__Host-countersign",
    "__Host-chat-login",
    "Name of the session cookie of our own login. Must start with `__Host-`.",
);
/// How far the cookie travels.
pub const LOGIN_COOKIE_SAMESITE: Var = Var::new(
    "LOGIN_COOKIE_SAMESITE",
    "strict",
    "none",
    "strict: sent by pages of our own site only. lax: also when a link leads to us. none: also by listed pages of other sites that embed the widget (partitioned per site; browsers may still block it).",
);
/// Whether the cookie outlives the browser.
pub const LOGIN_COOKIE_PERSIST: Var = Var::new(
    "LOGIN_COOKIE_PERSIST",
    "false",
    "true",
    "Keep the session cookie when the browser is closed. Not for shared computers.",
);
/// Longest time without a request.
pub const LOGIN_SESSION_IDLE: Var = Var::new(
    "LOGIN_SESSION_IDLE",
    "30m",
    "15m",
    "A session of our own login ends after this long without a request, 1m to 24h. A page that keeps its chat token fresh keeps the session alive.",
);
/// Longest time altogether.
pub const LOGIN_SESSION_ABSOLUTE: Var = Var::new(
    "LOGIN_SESSION_ABSOLUTE",
    "12h",
    "8h",
    "A session of our own login ends this long after the login, whatever happens, 5m to 30d.",
);

/// Under which key of a record the visit stands.
const FIELD: &str = "visit";
/// The last request is written down at most this often, or every chat token would cost a write.
const TOUCH: Duration = Duration::from_mins(1);
/// An ID token longer than this is not kept for the provider's logout.
const HINT_MAX: usize = 8 * 1024;

/// Who is logged in, since when, and through whom.
#[derive(Clone)]
pub struct LoginSession {
    /// Who.
    pub identity: Identity,
    /// How they logged in: `oidc` or `accounts`.
    pub method: String,
    /// When they proved who they are.
    pub authenticated_at: UnixTime,
    /// The identity provider's side of it, where there is one.
    pub provider: Option<ProviderSession>,
    /// When it began.
    pub started_at: UnixTime,
    /// When it was last used, to within a minute.
    pub seen_at: UnixTime,
    /// When it ends at the latest.
    pub ends_at: UnixTime,
}

/// Redacted: it is about a person.
impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSession").field("method", &self.method).finish_non_exhaustive()
    }
}

/// What ties a visit to the identity provider's own session.
#[derive(Debug, Clone)]
pub struct ProviderSession {
    /// Who the provider is.
    pub issuer: String,
    /// The visitor's `sub` there, which need not be our subject.
    pub subject: String,
    /// `sid` (`OpenID` Connect Back-Channel Logout 1.0 section 2.1), where the provider tells it.
    pub session: Option<String>,
    /// The ID token, to be shown to the provider at logout.
    pub id_token: SecretString,
}

impl ProviderSession {
    fn tags(&self) -> Vec<Key> {
        let mut tags = vec![subject_tag(&self.issuer, &self.subject)];
        tags.extend(self.session.iter().map(|session| session_tag(&self.issuer, session)));
        tags
    }
}

fn subject_tag(issuer: &str, subject: &str) -> Key {
    Key::of("provider subject", &[issuer, subject])
}

fn session_tag(issuer: &str, session: &str) -> Key {
    Key::of("provider session", &[issuer, session])
}

fn ended_mark(issuer: &str, session: &str) -> Key {
    Key::of("provider session ended", &[issuer, session])
}

/// Somebody who has just proved who they are.
#[derive(Debug, Clone)]
pub struct NewLogin {
    /// Who.
    pub identity: Identity,
    /// How: `oidc` or `accounts`.
    pub method: &'static str,
    /// When they proved it.
    pub authenticated_at: UnixTime,
    /// When the visit must end, if the identity provider said so.
    pub ends_at: Option<UnixTime>,
    /// The identity provider's side of it, where there is one.
    pub provider: Option<ProviderSession>,
}

/// A visit found by a request's cookie.
#[derive(Debug, Clone)]
pub struct Found {
    /// The session's id.
    pub id: Id,
    /// The visit.
    pub session: LoginSession,
    /// When it ends unless it is used again.
    pub expires_at: UnixTime,
}

/// How long visits last and what their cookie is.
#[derive(Debug, Clone)]
pub struct Settings {
    idle: Duration,
    absolute: Duration,
    persist: bool,
    cookie: OwnCookie,
}

impl Settings {
    /// The settings of this room.
    pub const VARS: &[&Var] =
        &[&LOGIN_COOKIE, &LOGIN_COOKIE_SAMESITE, &LOGIN_COOKIE_PERSIST, &LOGIN_SESSION_IDLE, &LOGIN_SESSION_ABSOLUTE];

    /// Reads the times and the cookie; `None` after naming what is wrong.
    pub fn read(env: &mut Env) -> Option<Self> {
        let (minute, day) = (Duration::from_mins(1), Duration::from_hours(24));
        let idle = env.duration_within(&LOGIN_SESSION_IDLE, minute, day);
        let absolute = env.duration_within(&LOGIN_SESSION_ABSOLUTE, 5 * minute, 30 * day);
        let reaches = [("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];
        let same_site = env.choice(&LOGIN_COOKIE_SAMESITE, &reaches);
        let cookie = OwnCookie::new(&env.text(&LOGIN_COOKIE)?, same_site?);
        if cookie.is_none() {
            env.mistake_in(&LOGIN_COOKIE, "must start with `__Host-`, which keeps neighbouring hosts from setting it");
        }
        let settings =
            Self { idle: idle?, absolute: absolute?, persist: env.flag(&LOGIN_COOKIE_PERSIST), cookie: cookie? };
        if settings.idle > settings.absolute {
            env.mistake_in(&LOGIN_SESSION_IDLE, "is longer than LOGIN_SESSION_ABSOLUTE");
        }
        Some(settings)
    }

    /// Half an hour, twelve hours, `__Host-countersign`, strict.
    ///
    /// # Errors
    /// Never; the defaults are sound.
    #[must_use]
    pub fn defaults() -> Option<Self> {
        Self::read(&mut Env::new::<String, String>([]))
    }

    /// The cookie's name.
    #[must_use]
    pub fn cookie(&self) -> &OwnCookie {
        &self.cookie
    }
}

/// The visits there are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoginSessions {
    store: Store,
    clock: Clock,
    settings: Settings,
}

impl LoginSessions {
    /// Sessions in this store.
    #[must_use]
    pub fn new(settings: Settings, store: Store, clock: Clock) -> Self {
        Self { store, clock, settings }
    }

    /// The cookie.
    #[must_use]
    pub fn cookie(&self) -> &OwnCookie {
        &self.settings.cookie
    }

    /// The store the visits are in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The session id in a request's cookie, whether or not there is such a session.
    #[must_use]
    pub fn id(&self, headers: &HeaderMap) -> Option<Id> {
        self.settings.cookie.value(headers)?.parse().ok()
    }

    /// Begins a visit under a fresh id and gives the line that sets its cookie; a visit that the same browser had before
    /// ends (S-1). `None` when the identity provider has ended its session already.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn begin(&self, new_login: NewLogin, before: Option<Id>) -> Result<Option<HeaderValue>, Down> {
        if let Some(before) = before {
            self.store.end(&before).await?;
        }
        let now = self.clock.now();
        let longest = now.plus(self.settings.absolute);
        let ends_at = new_login.ends_at.map_or(longest, |end| end.min(longest));
        let provider = new_login.provider;
        let tags = Tags { keys: provider.as_ref().map(ProviderSession::tags).unwrap_or_default(), until: longest };
        let session = LoginSession {
            identity: new_login.identity,
            method: new_login.method.to_owned(),
            authenticated_at: new_login.authenticated_at,
            provider: provider.clone(),
            started_at: now,
            seen_at: now,
            ends_at,
        };
        let id = self.store.begin(record(&session)?, self.end_of(&session), &tags).await?;
        if self.was_ended(provider.as_ref()).await? {
            self.store.end(&id).await?;
            return Ok(None);
        }
        let lasts = self.settings.persist.then(|| ends_at.since(now));
        Ok(Some(self.settings.cookie.set(&id.to_string(), lasts)))
    }

    /// The visit of a request, if it has one that still runs; and that it was used now.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn find(&self, headers: &HeaderMap) -> Result<Option<Found>, Down> {
        let Some(id) = self.id(headers) else { return Ok(None) };
        let Some((data, _)) = self.store.find(&id).await? else { return Ok(None) };
        let session = session(data)?;
        // Settings that became stricter count for the visits that began before.
        if self.clock.now() >= self.end_of(&session) {
            return Ok(None);
        }
        let Some(session) = self.touch(&id, session).await else { return Ok(None) };
        let expires_at = self.end_of(&session);
        Ok(Some(Found { id, session, expires_at }))
    }

    /// Ends the visit of a request, if there is one, and returns it.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end(&self, headers: &HeaderMap) -> Result<Option<LoginSession>, Down> {
        let Some(id) = self.id(headers) else { return Ok(None) };
        let data = self.store.find(&id).await?;
        self.store.end(&id).await?;
        data.map(|(data, _)| session(data)).transpose()
    }

    /// Ends every visit that came out of one session at the identity provider, and keeps one that is just beginning from
    /// it from staying; says how many there were.
    ///
    /// The mark is set before the visits are looked for, and a beginning visit is kept before its mark is looked for:
    /// whichever comes first, one of the two sees the other.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end_session(&self, issuer: &str, session: &str) -> Result<u64, Down> {
        let until = self.clock.now().plus(self.settings.absolute);
        self.store.first(&ended_mark(issuer, session), until).await?;
        self.store.end_tagged(&session_tag(issuer, session)).await
    }

    /// Ends every visit of one of the identity provider's subjects, and says how many there were.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end_subject(&self, issuer: &str, subject: &str) -> Result<u64, Down> {
        self.store.end_tagged(&subject_tag(issuer, subject)).await
    }

    async fn was_ended(&self, provider: Option<&ProviderSession>) -> Result<bool, Down> {
        let session = provider.and_then(|p| p.session.as_ref().map(|session| ended_mark(&p.issuer, session)));
        match session {
            Some(mark) => self.store.is_marked(&mark).await,
            None => Ok(false),
        }
    }

    fn end_of(&self, session: &LoginSession) -> UnixTime {
        let absolute = session.started_at.plus(self.settings.absolute).min(session.ends_at);
        session.seen_at.plus(self.settings.idle).min(absolute)
    }

    /// Writes down that the visit was used now, if that is news; `None` when it was ended meanwhile. A store that cannot be
    /// written to at present ends visits a little early; that is no reason to turn this one away.
    async fn touch(&self, id: &Id, session: LoginSession) -> Option<LoginSession> {
        let now = self.clock.now();
        if now.since(session.seen_at) < TOUCH.min(self.settings.idle / 4) {
            return Some(session);
        }
        let seen = LoginSession { seen_at: now, ..session.clone() };
        let Ok(data) = record(&seen) else { return Some(session) };
        match self.store.replace(id, data, self.end_of(&seen)).await {
            Ok(is_there) => is_there.then_some(seen),
            Err(down) => {
                tracing::warn!(reason = down.reason(), "a session could not be prolonged");
                Some(session)
            }
        }
    }
}

/// A visit as it stands in a record.
#[derive(Serialize, Deserialize)]
struct Stored {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, Value>,
    method: String,
    authenticated_at: UnixTime,
    started_at: UnixTime,
    seen_at: UnixTime,
    ends_at: UnixTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<StoredProvider>,
}

#[derive(Serialize, Deserialize)]
struct StoredProvider {
    issuer: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id_token: String,
}

fn record(session: &LoginSession) -> Result<HashMap<String, Value>, Down> {
    let identity = session.identity.clone();
    let provider = session.provider.clone().map(|p| {
        let hint = p.id_token.expose_secret();
        let id_token = if hint.len() > HINT_MAX { String::new() } else { hint.to_owned() };
        StoredProvider { issuer: p.issuer, subject: p.subject, session: p.session, id_token }
    });
    let stored = Stored {
        subject: identity.subject.as_str().to_owned(),
        name: identity.name,
        email: identity.email,
        email_verified: identity.email_verified,
        groups: identity.groups,
        locale: identity.locale,
        attributes: identity.attributes,
        method: session.method.clone(),
        authenticated_at: session.authenticated_at,
        started_at: session.started_at,
        seen_at: session.seen_at,
        ends_at: session.ends_at,
        provider,
    };
    let value = serde_json::to_value(stored).map_err(|_| Down::Unreadable)?;
    Ok(HashMap::from([(FIELD.to_owned(), value)]))
}

fn session(mut data: HashMap<String, Value>) -> Result<LoginSession, Down> {
    let value = data.remove(FIELD).ok_or(Down::Unreadable)?;
    let stored: Stored = serde_json::from_value(value).map_err(|_| Down::Unreadable)?;
    let identity = Identity {
        subject: Subject::new(&stored.subject).map_err(|_| Down::Unreadable)?,
        name: stored.name,
        email: stored.email,
        email_verified: stored.email_verified,
        groups: stored.groups,
        locale: stored.locale,
        attributes: stored.attributes,
    };
    let provider = stored.provider.map(|p| ProviderSession {
        issuer: p.issuer,
        subject: p.subject,
        session: p.session,
        id_token: p.id_token.into(),
    });
    Ok(LoginSession {
        identity,
        method: stored.method,
        authenticated_at: stored.authenticated_at,
        provider,
        started_at: stored.started_at,
        seen_at: stored.seen_at,
        ends_at: stored.ends_at,
    })
}
