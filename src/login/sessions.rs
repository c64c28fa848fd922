//! The sessions of our own login: the one typed door onto the store's records.
//!
//! A session begins at a login, under an id that is always new, and ends at the first of: a logout, a while without a
//! request, its longest duration, the end that the identity provider set. The browser holds the id and nothing else; what
//! is known of the visitor stays here.

pub mod record;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tower_sessions::session::Id;

use crate::base::clock::{Clock, UnixTime};
use crate::config::env::Env;
use crate::login::seal::Seals;
use crate::login::sessions::record::{
    LoginSession, NewLogin, ProviderSession, ended_mark, login_tag, record, session, session_tag, subject_tag,
};
use crate::login::standing::Standing;
use crate::net::cookies::{OwnCookie, SameSite};
use crate::session::nobody::Nobody;
use crate::store::{Down, Store, Tags};

crate::settings! {
    pub vars VARS {
        LOGIN_COOKIE("__Host-countersign", "__Host-chat-login"),
            "Name of the session cookie of our own login. Must start with `__Host-`.";
        LOGIN_COOKIE_SAMESITE("strict", "none"),
            "strict: sent by pages of our own site only. lax: also when a link leads to us. none: also by listed pages of other sites that embed the widget (partitioned per site; browsers may still block it).";
        LOGIN_COOKIE_PERSIST("false", "true"),
            "Keep the session cookie when the browser is closed. Not for shared computers.";
        LOGIN_SESSION_IDLE("30m", "15m"),
            "A session of our own login ends after this long without a request, 1m to 24h. A page that keeps its chat token fresh keeps the session alive.";
        LOGIN_SESSION_ABSOLUTE("12h", "8h"),
            "A session of our own login ends this long after the login, whatever happens, 5m to 30d.";
    }
}

/// The last request is written down at most this often, or every chat token would cost a write.
const TOUCH: Duration = Duration::from_mins(1);

/// A session found by a request's cookie.
#[derive(Debug, Clone)]
pub struct Found {
    /// The session's id.
    pub id: Id,
    /// The session.
    pub session: LoginSession,
    /// When it ends unless it is used again.
    pub expires_at: UnixTime,
}

/// How long sessions last and what their cookie is.
#[derive(Debug, Clone)]
pub struct Settings {
    idle: Duration,
    /// How long a session lasts at most.
    pub absolute: Duration,
    persist: bool,
    cookie: OwnCookie,
}

impl Settings {
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

    /// The cookie's name.
    #[must_use]
    pub fn cookie(&self) -> &OwnCookie {
        &self.cookie
    }
}

/// The sessions there are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LoginSessions {
    store: Store,
    clock: Clock,
    settings: Settings,
    standing: Standing,
    seals: Arc<Seals>,
}

impl LoginSessions {
    /// Sessions in this store, on this ground, under these seals.
    #[must_use]
    pub fn new(settings: Settings, standing: Standing, seals: Arc<Seals>, store: Store, clock: Clock) -> Self {
        Self { store, clock, settings, standing, seals }
    }

    /// The cookie.
    #[must_use]
    pub fn cookie(&self) -> &OwnCookie {
        &self.settings.cookie
    }

    /// What logins under way are sealed with, too.
    #[must_use]
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// The store the sessions are in.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The session id in a request's cookie, whether or not there is such a session.
    #[must_use]
    pub fn id(&self, headers: &HeaderMap) -> Option<Id> {
        self.settings.cookie.value(headers)?.parse().ok()
    }

    /// Begins a session under a fresh id and gives the line that sets its cookie; a session that the same browser had before
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
        let ground = self.standing.under(&new_login.identity);
        let provider = new_login.provider;
        let mut tags = Tags { keys: vec![login_tag(&new_login.identity.subject)], until: longest };
        tags.keys.extend(provider.iter().flat_map(ProviderSession::tags));
        let session = LoginSession {
            identity: new_login.identity,
            method: new_login.method.to_owned(),
            ground,
            authenticated_at: new_login.authenticated_at,
            provider: provider.clone(),
            started_at: now,
            seen_at: now,
            ends_at,
        };
        let data = |id: &Id| record(&session, id, &self.seals);
        let id = self.store.begin_with(data, self.end_of(&session), &tags).await?;
        if self.was_ended(provider.as_ref()).await? {
            self.store.end(&id).await?;
            return Ok(None);
        }
        let lasts = self.settings.persist.then(|| ends_at.since(now));
        Ok(Some(self.settings.cookie.set(&id.to_string(), lasts)))
    }

    /// The session of a request, if it has one that still runs; and that it was used now.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn find(&self, headers: &HeaderMap) -> Result<Result<Found, Nobody>, Down> {
        let name = self.cookie().name();
        let Some(value) = self.settings.cookie.value(headers) else { return Ok(Err(Nobody::no_cookie(name))) };
        let Ok(id) = value.parse() else { return Ok(Err(Nobody::BadCookie(name.to_owned()))) };
        let Some((data, _)) = self.store.find(&id).await? else { return Ok(Err(Nobody::UnknownSession)) };
        let Some(session) = session(&data, &id, &self.seals)? else { return Ok(Err(Nobody::NotSealed)) };
        // Settings that became stricter count for the sessions that began before.
        if self.clock.now() >= self.end_of(&session) {
            return Ok(Err(Nobody::Expired));
        }
        let session = match self.standing.now(session) {
            Ok(session) => session,
            Err(fallen) => {
                return Ok(Err(Nobody::Fallen { reason: fallen.reason(), why: fallen.to_string() }));
            }
        };
        let Some(session) = self.touch(&id, session).await else { return Ok(Err(Nobody::UnknownSession)) };
        let expires_at = self.end_of(&session);
        Ok(Ok(Found { id, session, expires_at }))
    }

    /// Ends the session of a request, if there is one, and returns it.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end(&self, headers: &HeaderMap) -> Result<Option<LoginSession>, Down> {
        let Some(id) = self.id(headers) else { return Ok(None) };
        let data = self.store.find(&id).await?;
        self.store.end(&id).await?;
        // What cannot be read any more has ended all the same.
        Ok(data.and_then(|(data, _)| session(&data, &id, &self.seals).ok().flatten()))
    }

    /// Ends every session that came out of one session at the identity provider, and keeps one that is just beginning from
    /// it from staying; says how many there were.
    ///
    /// The mark is set before the sessions are looked for, and a beginning session is kept before its mark is looked for:
    /// whichever comes first, one of the two sees the other.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end_session(&self, issuer: &str, session: &str) -> Result<u64, Down> {
        let until = self.clock.now().plus(self.settings.absolute);
        self.store.first(&ended_mark(issuer, session), until).await?;
        self.store.end_tagged(&session_tag(issuer, session)).await
    }

    /// Ends every session of one of the identity provider's subjects, and says how many there were.
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

    /// Writes down that the session was used now, if that is news; `None` when it was ended meanwhile. A store that cannot be
    /// written to at present ends sessions a little early; that is no reason to turn this one away.
    async fn touch(&self, id: &Id, session: LoginSession) -> Option<LoginSession> {
        let now = self.clock.now();
        if now.since(session.seen_at) < TOUCH.min(self.settings.idle / 4) {
            return Some(session);
        }
        let seen = LoginSession { seen_at: now, ..session.clone() };
        let Ok(data) = record(&seen, id, &self.seals) else { return Some(session) };
        match self.store.replace(id, data, self.end_of(&seen)).await {
            Ok(is_there) => is_there.then_some(seen),
            Err(down) => {
                tracing::warn!(reason = down.reason(), "a session could not be prolonged");
                Some(session)
            }
        }
    }
}
