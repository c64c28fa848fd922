//! One session of our own login, and how it stands in the store: sealed for the one id it belongs to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower_sessions::session::Id;

use crate::base::clock::UnixTime;
use crate::login::seal::Seals;
use crate::session::identity::{Identity, Subject};
use crate::store::{Down, Key};

/// Under which key of a record the session stands.
const FIELD: &str = "visit";
/// What sealed records are told apart by from other sealed things.
const PLACE: &[u8] = b"session record";
/// An ID token longer than this is not kept for the provider's logout.
const HINT_MAX: usize = 8 * 1024;

/// Who is logged in, since when, and through whom.
#[derive(Clone)]
pub struct LoginSession {
    /// Who.
    pub identity: Identity,
    /// How they logged in: `oidc` or `accounts`.
    pub method: String,
    /// What it stands on: the provider, or the account's password.
    pub ground: String,
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

/// What ties a session to the identity provider's own session.
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
    /// What a record of it can be found by.
    #[must_use]
    pub fn tags(&self) -> Vec<Key> {
        let mut tags = vec![subject_tag(&self.issuer, &self.subject)];
        tags.extend(self.session.iter().map(|session| session_tag(&self.issuer, session)));
        tags
    }
}

/// Every session of one of our own subjects.
#[must_use]
pub fn login_tag(subject: &Subject) -> Key {
    Key::of("login subject", &[subject.as_str()])
}

/// Every session of one of a provider's subjects.
#[must_use]
pub fn subject_tag(issuer: &str, subject: &str) -> Key {
    Key::of("provider subject", &[issuer, subject])
}

/// Every session that came out of one at the provider.
#[must_use]
pub fn session_tag(issuer: &str, session: &str) -> Key {
    Key::of("provider session", &[issuer, session])
}

/// That a provider's session has ended.
#[must_use]
pub fn ended_mark(issuer: &str, session: &str) -> Key {
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
    /// When the session must end, if the identity provider said so.
    pub ends_at: Option<UnixTime>,
    /// The identity provider's side of it, where there is one.
    pub provider: Option<ProviderSession>,
}

/// A session as it stands in a record.
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
    ground: String,
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

/// The session as a record of this id.
///
/// # Errors
/// [`Down::Unreadable`], never in practice.
pub fn record(session: &LoginSession, id: &Id, seals: &Seals) -> Result<HashMap<String, Value>, Down> {
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
        ground: session.ground.clone(),
        authenticated_at: session.authenticated_at,
        started_at: session.started_at,
        seen_at: session.seen_at,
        ends_at: session.ends_at,
        provider,
    };
    let text = serde_json::to_vec(&stored).map(zeroize::Zeroizing::new).map_err(|_| Down::Unreadable)?;
    let sealed = seals.seal(Some(&session.identity.subject), [PLACE, id.to_string().as_bytes()], &text);
    Ok(HashMap::from([(FIELD.to_owned(), Value::from(sealed))]))
}

/// The session of a record of this id; `None` when it was not sealed with a key of ours for this id.
///
/// # Errors
/// [`Down::Unreadable`] when it was and cannot be understood: a younger version wrote it.
#[expect(clippy::implicit_hasher, reason = "what the store gives")]
pub fn session(data: &HashMap<String, Value>, id: &Id, seals: &Seals) -> Result<Option<LoginSession>, Down> {
    let sealed = data.get(FIELD).and_then(Value::as_str).unwrap_or_default();
    let Some(text) = seals.open([PLACE, id.to_string().as_bytes()], sealed) else { return Ok(None) };
    let stored: Stored = serde_json::from_slice(&text).map_err(|_| Down::Unreadable)?;
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
    Ok(Some(LoginSession {
        identity,
        method: stored.method,
        ground: stored.ground,
        authenticated_at: stored.authenticated_at,
        provider,
        started_at: stored.started_at,
        seen_at: stored.seen_at,
        ends_at: stored.ends_at,
    }))
}
