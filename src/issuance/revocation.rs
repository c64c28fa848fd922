//! Ending everything of one subject: their tokens count no longer, their sessions end, and nothing is renewed.
//!
//! A vendor who verifies a token alone never asks us and cannot know: for it the token is good until its own end. What is revoked is
//! revoked for whoever asks at `POST /introspect`, and for our own login, tokens and renewals.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::clock::{Clock, UnixTime};
use crate::jose::jws::times::numeric_date;
use crate::login::sessions::record::login_tag;
use crate::session::Session;
use crate::session::identity::{Identity, Subject};
use crate::sources::login;
use crate::store::{Down, Key, Store};
use crate::widget::Settings;

/// How long a revocation is remembered at least: a day's work is longer than a session.
const AT_LEAST: Duration = Duration::from_hours(24);
/// What clocks may be apart, and how far `iat` may be back-dated.
const MARGIN: Duration = Duration::from_mins(5);
/// Most texts of a token that are looked up where its format has no claim for the subject.
const TEXTS_MAX: usize = 32;
/// In a record: since when.
const AT: &str = "revoked_at";

/// The revocations there are. Every replica sees the same.
#[derive(Debug, Clone)]
pub struct Revocations {
    store: Store,
    /// How far tokens are back-dated.
    skew: Duration,
    clock: Clock,
}

/// What a revocation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// Tokens made, and logins made elsewhere, until then count no longer.
    pub at: UnixTime,
    /// Until when that is remembered: no token made before lasts longer.
    pub until: UnixTime,
    /// How many sessions of our own login ended.
    pub sessions: u64,
}

impl Revocations {
    /// Those in this store, where tokens are back-dated by `skew`.
    #[must_use]
    pub fn new(store: Store, skew: Duration, clock: Clock) -> Self {
        Self { store, skew, clock }
    }

    /// Ends everything of this subject. Tokens name it as each widget's vendor knows it, so all those names are noted, for every
    /// source that may have vouched.
    ///
    /// # Errors
    /// [`Down`]: then not everything has been ended, and it should be asked for again.
    pub async fn revoke(
        &self,
        subject: &Subject,
        sources: &[&'static str],
        widgets: &[&Settings],
    ) -> Result<Revoked, Down> {
        let at = self.clock.now();
        let longest = widgets.iter().map(|widget| widget.lifetime).max().unwrap_or_default();
        let until = at.plus((longest + MARGIN).max(AT_LEAST));
        for key in keys(subject, sources, widgets) {
            self.store.note(&key, HashMap::from([(AT.to_owned(), Value::from(at.0))]), until).await?;
        }
        let sessions = self.store.end_tagged(&login_tag(subject)).await?;
        Ok(Revoked { at, until, sessions })
    }

    /// Lets logins elsewhere count again that were made before their subject was revoked, and says since when they did not. What else
    /// the revocation ended stays ended: tokens made before it, and sessions of our own login.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn lift(&self, subject: &Subject) -> Result<Option<UnixTime>, Down> {
        let key = session_key(subject);
        let revoked_at = self.since(&key).await?;
        if revoked_at.is_some() {
            // What ends now is there no longer.
            self.store.note(&key, HashMap::new(), self.clock.now()).await?;
        }
        Ok(revoked_at)
    }

    /// Whether a token of this widget was made before its subject's tokens were revoked. One that does not say when it was made
    /// counts as such.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn include(&self, widget: &Settings, claims: &Map<String, Value>) -> Result<bool, Down> {
        let made_at = claims.get("iat").and_then(numeric_date).map(|iat| iat.plus(self.skew));
        for name in names(widget, claims) {
            let revoked_at = self.since(&token_key(&widget.name, name)).await?;
            if revoked_at.is_some_and(|revoked_at| made_at.is_none_or(|made_at| made_at <= revoked_at)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a session was revoked. Those of our own login have been ended in the store; of those elsewhere, one counts that was
    /// begun later, where its source says when.
    ///
    /// # Errors
    /// [`Down`].
    pub async fn end(&self, session: &Session) -> Result<bool, Down> {
        if session.source == login::NAME {
            return Ok(false);
        }
        let revoked_at = self.since(&session_key(&session.identity.subject)).await?;
        Ok(revoked_at.is_some_and(|revoked_at| session.authenticated_at.is_none_or(|began| began <= revoked_at)))
    }

    async fn since(&self, key: &Key) -> Result<Option<UnixTime>, Down> {
        let Some(noted) = self.store.noted(key).await? else { return Ok(None) };
        noted.get(AT).and_then(Value::as_u64).map(|at| Some(UnixTime(at))).ok_or(Down::Unreadable)
    }
}

fn session_key(subject: &Subject) -> Key {
    Key::of("revoked subject", &[subject.as_str()])
}

fn token_key(widget: &str, name: &str) -> Key {
    Key::of("revoked in tokens", &[widget, name])
}

/// Everything under which this subject is looked up, each once.
fn keys(subject: &Subject, sources: &[&'static str], widgets: &[&Settings]) -> Vec<Key> {
    let session = |source| Session::of(Identity::new(subject.clone()), source);
    let mut named = BTreeSet::new();
    for widget in widgets {
        named
            .extend(sources.iter().map(|source| (widget.name.as_str(), widget.subject(&session(source)).into_owned())));
    }
    let tokens = named.iter().map(|(widget, name)| token_key(widget, name));
    std::iter::once(session_key(subject)).chain(tokens).collect()
}

/// Whom a token is about: the claim that its format has for it, or any short text in it where it has none.
fn names<'c>(widget: &Settings, claims: &'c Map<String, Value>) -> Vec<&'c str> {
    if let Some(rule) = &widget.template.registered().subject {
        return claims.get(rule.claim.as_ref()).and_then(Value::as_str).into_iter().collect();
    }
    let mut found = Vec::new();
    claims.values().for_each(|value| texts(value, &mut found));
    found
}

fn texts<'c>(value: &'c Value, found: &mut Vec<&'c str>) {
    match value {
        Value::String(text) if text.len() <= 1024 && found.len() < TEXTS_MAX => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}
