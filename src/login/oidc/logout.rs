//! The end of a login at the provider: ours ends there (RP-initiated), or theirs ends here (back-channel).

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::login::oidc::{Failed, Oidc};
use crate::login::sessions::LoginSessions;
use crate::login::sessions::record::ProviderSession;
use crate::session::identity::Subject;
use crate::store::{Down, Key};

/// Kinds of logout token: with the type that the specification recommends, and with that of any token.
pub(super) const TYPES: &[&str] = &["logout+jwt", "jwt"];
/// A logout token is used at once or not at all; also one without `exp`, which the specification required only since its
/// errata of December 2023.
pub(super) const LONGEST: Duration = Duration::from_mins(10);

/// `OIDC_SUBJECT` where our subjects are the provider's own, which a logout token names.
pub const PROVIDERS_OWN: &str = "/sub";
/// `OpenID` Connect Back-Channel Logout 1.0 section 2.4.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a logout token ended nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotEnded {
    /// The token does not hold.
    Rejected(&'static str),
    /// It could not be found out, or not be done. To be sent again.
    Outage(&'static str),
}

impl From<Failed> for NotEnded {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Outage(reason) => Self::Outage(reason),
            Failed::Declined(reason) | Failed::Rejected(reason) => Self::Rejected(reason),
        }
    }
}

impl From<Down> for NotEnded {
    fn from(down: Down) -> Self {
        Self::Outage(down.reason())
    }
}

/// What came of a logout token.
#[derive(Debug)]
pub struct Ended {
    /// How many sessions that were.
    pub sessions: u64,
    /// Whose, where the token says it and `sub` is what our subjects are.
    pub subject: Option<Subject>,
}

/// Whose sessions a logout token ends.
struct Ending {
    id: String,
    subject: Option<String>,
    session: Option<String>,
}

impl Oidc {
    /// Where the visitor ends the provider's session, too (`OpenID` Connect RP-Initiated Logout 1.0); `None` when the
    /// provider offers no such place or is not to be asked.
    pub async fn end_session(&self, ended: &ProviderSession, back: &str) -> Option<Url> {
        if !self.settings.logout_at_provider || ended.issuer != self.settings.issuer {
            return None;
        }
        let mut address = self.provider.metadata().await.ok()?.endpoint("end_session_endpoint")?;
        let hint = ended.id_token.expose_secret();
        let mut query = address.query_pairs_mut();
        if !hint.is_empty() {
            query.append_pair("id_token_hint", hint);
        }
        query.append_pair("client_id", &self.settings.client_id).append_pair("post_logout_redirect_uri", back);
        drop(query);
        Some(address)
    }

    /// Ends what a logout token says has ended.
    ///
    /// # Errors
    /// [`NotEnded`].
    pub async fn back_channel(&self, token: &str, sessions: &LoginSessions) -> Result<Ended, NotEnded> {
        let verified = self.logout_tokens.verify(token.as_bytes()).await.map_err(Failed::from)?;
        let ending = read(&verified.claims).map_err(NotEnded::Rejected)?;
        let issuer = &verified.issuer;
        let mark = Key::of("logout token", &[issuer, &ending.id]);
        if sessions.store().is_marked(&mark).await? {
            return Err(NotEnded::Rejected("replayed"));
        }
        let of_session = match &ending.session {
            Some(session) => sessions.end_session(issuer, session).await?,
            None => 0,
        };
        // Some providers name a session that no ID token of theirs ever named: then the person's are meant.
        let ended = match &ending.subject {
            Some(subject) if of_session == 0 => sessions.end_subject(issuer, subject).await?,
            _ => of_session,
        };
        // Marked only after the work is done: a token whose work failed half-way must be good for a second attempt.
        sessions.store().first(&mark, verified.expires_at.plus(LONGEST)).await?;
        let subject = ending.subject.filter(|_| self.settings.mapping.subject() == PROVIDERS_OWN);
        Ok(Ended { sessions: ended, subject: subject.and_then(|subject| Subject::new(&subject).ok()) })
    }
}

/// Section 2.6: what makes a token a logout token, and no ID token; otherwise the word for what it lacks.
fn read(claims: &Value) -> Result<Ending, &'static str> {
    let text = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() && text.len() <= 255 => Ok(Some(text.clone())),
        Some(_) => Err("no_text"),
    };
    if !claims.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
        return Err("no_logout_event");
    }
    if claims.get("nonce").is_some() {
        return Err("has_nonce");
    }
    let (subject, session) = (text("sub")?, text("sid")?);
    if subject.is_none() && session.is_none() {
        return Err("names_nobody");
    }
    let id = text("jti")?.ok_or("no_jti")?;
    Ok(Ending { id, subject, session })
}
